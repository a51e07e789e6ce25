"""What trackers are told of a run, in flat names and plain numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from segkit.runs.trackers.tracker import Figures

if TYPE_CHECKING:
    from segkit.runs.schema import Summary


def flat_recipe(recipe: Mapping[str, Any]) -> dict[str, object]:
    """Every value of a recipe under its dotted path; a list of plain values, such as a size, stays whole."""
    return dict(_leaves(recipe, ""))


def epoch_figures(line: Mapping[str, Any]) -> Figures:
    """Losses, metrics, learning rate and times of an epoch, named as in metrics.jsonl."""
    return _numbers({name: value for name, value in line.items() if name not in ("epoch", "best")})


def final_figures(summary: Summary) -> Figures:
    """What a run is judged by, from summary.json: its best epoch, and the scores that are reported."""
    return _numbers(
        {
            "best/epoch": summary.best.epoch,
            **{f"best/{name}": value for name, value in summary.best.metrics.items()},
            **{f"scores/{name}": value for name, value in summary.scores.metrics.items()},
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


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Without undefined scores, which not every tracker can keep."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
