"""The tables of a report, as rows of text; templates only draw them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from segkit.analysis.report.format import NOTHING, decimal, metric_name, number, whole
from segkit.analysis.report.run_data import RunData

WORST = 10
TIMES = " \N{MULTIPLICATION SIGN} "


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns.

    Args:
        caption: what the table shows, also for those who cannot see it.
        columns: their names.
        rows: one text per column.
        numeric: for each column whether it holds numbers.
        marked: index of the row that stands out, or None.
    """

    caption: str
    columns: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    marked: int | None = None


def epoch_table(material: RunData) -> Table:
    """One row per epoch, with the columns of published tables."""
    scores = material.metrics
    best = material.summary.best.epoch
    rows = [
        [
            whole(line["epoch"]),
            *(number(line.get(name)) for name in scores),
            number(line.get("train_loss")),
            number(line.get("val_loss")),
            decimal(line.get("seconds")),
        ]
        for line in material.epochs
    ]
    columns = ["Epoch", *map(metric_name, scores), "Training loss", "Validation loss", "Seconds"]
    marked = next((i for i, line in enumerate(material.epochs) if line["epoch"] == best), None)
    return Table("Scores and losses of every epoch", columns, rows, [True] * len(columns), marked)


def worst_table(material: RunData) -> Table:
    """The images with the worst scores of the first metric."""
    metric = material.first_metric
    sign = 1 if material.higher_is_better else -1
    scored = zip(material.names, material.scores.get(metric, ()), strict=False)
    defined = [(name, score) for name, score in scored if math.isfinite(score)]
    worst = sorted(defined, key=lambda pair: (sign * pair[1], pair[0]))[:WORST]
    rows = [[name, number(score)] for name, score in worst]
    return Table(f"The {len(rows)} worst images", ["Image", metric_name(metric)], rows, [False, True])


def model_table(material: RunData) -> Table:
    """What goes through the model, and what it costs."""
    rows = [
        [
            stage.part,
            stage.name,
            TIMES.join(map(str, stage.shape)),
            whole(stage.parameters),
            whole(stage.trainable),
        ]
        for stage in material.summary.stages
    ]
    columns = ["Part", "Stage", f"Output ({TIMES.join('Chw')})", "Parameters", "Trainable"]
    return Table("The model for one image", columns, rows, [False, False, True, True, True])


def environment_table(material: RunData) -> Table:
    """Versions, hardware and digests, nested names joined by a dot."""
    told = material.environment.model_dump(mode="json", exclude_unset=True)
    rows = [[name, value] for name, value in flat(told)]
    return Table("Where the run took place", ["", ""], rows, [False, False])


def flat(content: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    """Names, joined by dots, and values as text."""
    for key, value in content.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value):
                yield from flat(item, f"{name}.{item.get('name', number)}.")
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(_text, value)) if isinstance(value, list) else str(value)
