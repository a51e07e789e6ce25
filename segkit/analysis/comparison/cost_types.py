"""The kinds of cost there are, and how they are written: in tables, on axes, on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segkit.analysis.report.format import NOTHING, decimal, duration, memory


@dataclass(frozen=True)
class Cost:
    """One kind of cost.

    Args:
        key: its name in `Costs`.
        label: a column's.
        text: how a value is written.
        unit: of an axis; nothing where little is not cheap, which no plot draws.
        size: of that unit.
        shown: whether the ranking shows it before anybody asks.
    """

    key: str
    label: str
    text: Callable[[float | None], str]
    unit: str = ""
    size: float = 1.0
    shown: bool = False


def _in(unit: str, size: float = 1.0) -> Callable[[float | None], str]:
    def text(value: float | None) -> str:
        return NOTHING if value is None else f"{decimal(value / size)} {unit}"

    return text


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
