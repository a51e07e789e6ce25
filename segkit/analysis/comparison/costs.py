"""What is known of a recipe's costs: by its runs themselves, and by measuring all models in one way."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Costs, MeasuredCosts


def read_costs(run: RunDir) -> Costs:
    """What a run's summary tells, and in its place, where there is one, what was measured.

    Args:
        run: a complete run directory.

    Raises:
        SegkitError: if the file of what was measured is damaged.
    """
    measured = run.read_costs()
    return Costs(**_told(run) | (measured.model_dump(exclude_unset=True) if measured else {}))


def mean_costs(costs: Sequence[Costs]) -> Costs:
    """Of several seeds of one recipe.

    Where some of them were measured, those alone count for what can be measured: what others tell of
    speed and memory in their own training is another thing.

    Args:
        costs: as `read_costs` gives them.
    """
    measured = [one for one in costs if one.latency_ms is not None] or costs

    def mean(name: str) -> float | None:
        counted = costs if name == "train_seconds" else measured
        known = [value for one in counted if (value := getattr(one, name)) is not None]
        return statistics.fmean(known) if known else None

    return Costs(**{name: mean(name) for name in Costs.model_fields})


def how_measured(runs: Sequence[RunDir]) -> str:
    """How the costs of some runs were measured, in sentences for whoever compares them.

    Args:
        runs: complete run directories.

    Returns:
        Nothing where none of them was measured.

    Raises:
        SegkitError: if the file of what was measured is damaged.
    """
    measured = {run.path: costs for run in runs if (costs := run.read_costs())}
    if not measured:
        return ""
    places = dict.fromkeys(map(_place, measured.values()))
    told = [f"Measured one after the other, each in a process of its own, on {'; and on '.join(places)}."]
    if len(places) > 1:
        told.append("Times and memory of different machines do not compare.")
    if left := len(runs) - len(measured):
        told.append(f"Speed and memory of {left} of {len(runs)} runs are those of their own training.")
    told += [f"{path}: {warning}" for path, costs in measured.items() for warning in costs.warnings]
    return " ".join(told)


def _told(run: RunDir) -> dict[str, Any]:
    summary, weights = run.read_summary(), run.checkpoints / "best.safetensors"
    return {
        "parameters": summary.parameters.get("total"),
        "trainable_parameters": summary.parameters.get("trainable"),
        "train_seconds": summary.train_seconds,
        "train_images_per_second": summary.images_per_second,
        "peak_memory_bytes": summary.peak_memory_bytes,
        "weights_bytes": weights.stat().st_size if weights.is_file() else None,
    }


def _place(costs: MeasuredCosts) -> str:
    """Processor, device, precision and torch."""
    machine = costs.machine
    known = [machine.get("processor"), machine.get("device"), costs.precision]
    words = ", ".join(str(word) for word in known if word)
    return f"{words} (torch {machine.get('torch')})"
