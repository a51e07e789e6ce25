"""What the name of a metric does not say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from segkit.analysis.report.format import UNITS
from segkit.recipe import entry_for

if TYPE_CHECKING:
    from segkit.recipe.part_schema import MetricPart


def metric_details(metrics: Iterable[MetricPart]) -> dict[str, str]:
    """Options that are not the defaults, and the unit: ``{"iou": "threshold 0.9", "hd95": "px"}``.

    For a metric with a name of its own, also its proper name.
    """
    details = {part.key: ", ".join(filter(None, [*_options(part), _unit(part)])) for part in metrics}
    return {name: text for name, text in details.items() if text}


def _unit(part: MetricPart) -> str:
    return str(entry_for(part).traits["unit"]) or UNITS.get(part.name, "")


def _options(part: MetricPart) -> Iterable[str]:
    defaults = {name: option.default for name, option in entry_for(part).options.items()}
    if part.key != part.name:
        yield part.name
    yield from (f"{key} {_text(value)}" for key, value in part.options.items() if value != defaults.get(key))


def _text(value: Any) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
