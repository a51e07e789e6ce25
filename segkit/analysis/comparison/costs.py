"""Costs of runs, as recorded in training or measured afterwards."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Costs, MeasuredCosts


def read_costs(run: RunDir) -> Costs:
    """Costs of a complete run: those of `costs.json`, otherwise those of its summary.

    Raises:
        SegkitError: if `costs.json` is damaged.
    """
    measured = run.read_costs()
    return Costs(**_recorded_costs(run) | (measured.model_dump(exclude_unset=True) if measured else {}))


def mean_costs(costs: Sequence[Costs]) -> Costs:
    """Mean over seeds. If some were measured, speed and memory are the mean of those only."""
    measured = [entry for entry in costs if entry.latency_ms is not None] or costs

    def mean(name: str) -> float | None:
        entries = costs if name == "train_seconds" else measured
        values = [value for entry in entries if (value := getattr(entry, name)) is not None]
        return statistics.fmean(values) if values else None

    return Costs(**{name: mean(name) for name in Costs.model_fields})


def how_measured(runs: Sequence[RunDir]) -> str:
    """Sentences on how the costs of complete runs were measured; empty if none was measured.

    Raises:
        SegkitError: if a `costs.json` is damaged.
    """
    measured = {run.path: costs for run in runs if (costs := run.read_costs())}
    if not measured:
        return ""
    machines = dict.fromkeys(map(_machine, measured.values()))
    text = [f"Costs were measured one model at a time, each in its own process, on {'; on '.join(machines)}."]
    if len(machines) > 1:
        text.append("Times and memory from different machines are not comparable.")
    if missing := len(runs) - len(measured):
        text.append(f"Speed and memory of {missing} of {len(runs)} runs were recorded during training.")
    text += [f"{path}: {warning}" for path, costs in measured.items() for warning in costs.warnings]
    return " ".join(text)


def _recorded_costs(run: RunDir) -> dict[str, Any]:
    summary, weights = run.read_summary(), run.checkpoints / "best.safetensors"
    return {
        "parameters": summary.parameters.get("total"),
        "trainable_parameters": summary.parameters.get("trainable"),
        "train_seconds": summary.train_seconds,
        "train_images_per_second": summary.images_per_second,
        "peak_memory_bytes": summary.peak_memory_bytes,
        "weights_bytes": weights.stat().st_size if weights.is_file() else None,
    }


def _machine(costs: MeasuredCosts) -> str:
    machine = costs.machine
    parts = [machine.get("processor"), machine.get("device"), costs.precision]
    return f"{', '.join(str(part) for part in parts if part)} (torch {machine.get('torch')})"
