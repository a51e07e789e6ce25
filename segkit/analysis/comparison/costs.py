"""Costs: kinds with labels and units, and values recorded in training or measured afterwards."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from segkit.analysis.report.format import NOTHING, decimal, duration, memory
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Costs, MeasuredCosts


@dataclass(frozen=True)
class Cost:
    """A kind of cost."""

    key: str  # in `Costs`
    label: str
    text: Callable[[float | None], str]
    unit: str = ""  # of the plot axis; empty if higher is better, which is not plotted
    size: float = 1.0  # of the unit
    shown: bool = False  # in the ranking by default


def _in(unit: str, size: float = 1.0) -> Callable[[float | None], str]:
    return lambda value: NOTHING if value is None else f"{decimal(value / size)} {unit}"


COSTS = (
    Cost("parameters", "Parameters", _in("M", 1e6), "millions", 1e6, shown=True),
    Cost("trainable_parameters", "Trainable", _in("M", 1e6), "millions", 1e6),
    Cost("macs", "MACs", _in("G", 1e9), "billions", 1e9, shown=True),
    Cost("latency_ms", "Latency", _in("ms"), "ms", shown=True),
    Cost("predict_images_per_second", "Predicted images/s", decimal),
    Cost("train_seconds", "Training time", duration, "minutes", 60, shown=True),
    Cost("train_images_per_second", "Trained images/s", decimal),
    Cost("peak_memory_bytes", "Peak memory", memory, "MB", 1e6),
    Cost("weights_bytes", "File size", memory, "MB", 1e6),
)


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
