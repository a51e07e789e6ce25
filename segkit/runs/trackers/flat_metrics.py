"""Recipes and metrics as flat mappings for trackers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from segkit.core.class_scores import MEASURES
from segkit.runs.trackers.tracker import Metrics

if TYPE_CHECKING:
    from segkit.runs.schema import Summary


def flat_recipe(recipe: Mapping[str, Any]) -> dict[str, object]:
    """Values of a recipe by dotted path; a list of plain values, such as a size, is one value."""
    return dict(_leaves(recipe, ""))


def epoch_metrics(line: Mapping[str, Any]) -> Metrics:
    """Losses, metrics, learning rate and times of one epoch, named as in metrics.jsonl."""
    return _finite({name: value for name, value in line.items() if name not in ("epoch", "best")})


def final_metrics(summary: Summary) -> Metrics:
    """Best epoch, reported scores, and those of the classes if there are several."""
    return _finite(
        {
            "best/epoch": summary.best.epoch,
            **{f"best/{name}": value for name, value in summary.best.metrics.items()},
            **{f"scores/{name}": value for name, value in summary.scores.metrics.items()},
            **{
                f"classes/{name}/{measure}": value
                for measure in MEASURES
                for name, value in summary.scores.per_class.get(measure, {}).items()
                if len(summary.classes) > 1
            },
        }
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        items = [*value.items()]
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        items = [*enumerate(value)]
    else:
        yield path, value if isinstance(value, bool | int | float | str) else json.dumps(value)
        return
    for key, item in items:
        yield from _leaves(item, f"{path}.{key}" if path else str(key))


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    # Not every tracker can store NaN.
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
