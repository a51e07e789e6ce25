"""Kinds of cost, with labels and units for tables, axes and the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segkit.analysis.report.format import NOTHING, decimal, duration, memory


@dataclass(frozen=True)
class Cost:
    """A kind of cost.

    Args:
        key: name in `Costs`.
        label: column heading.
        text: function that formats a value.
        unit: unit of the plot axis; empty if higher is better, which is not plotted.
        size: size of that unit.
        shown: whether the ranking shows the column by default.
    """

    key: str
    label: str
    text: Callable[[float | None], str]
    unit: str = ""
    size: float = 1.0
    shown: bool = False


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
