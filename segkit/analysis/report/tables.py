"""Tables of a report."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segkit.analysis.report.format import NOTHING, decimal, interval_text, number, whole, worst_caption
from segkit.analysis.report.run_data import RunData
from segkit.core.model_table import Stage, parameter_counts
from segkit.recipe.postprocess_record import PostprocessRecord
from segkit.utils.listing import counted
from segkit.utils.public_text import public_command, public_data

WORST = 10
SPLITS = {"train": "training", "val": "validation", "test": "test"}
TIMES = " \N{MULTIPLICATION SIGN} "


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    caption: str
    columns: list[str]
    rows: list[list[str]]
    numeric: list[bool]  # for each column
    marked: int | None = None  # index of the highlighted row


def epoch_table(data: RunData) -> Table:
    """Scores and losses of every epoch."""
    scores = data.metrics
    best = data.summary.best.epoch
    rows = [
        [
            whole(line["epoch"]),
            *(number(line.get(name)) for name in scores),
            number(line.get("train_loss")),
            number(line.get("val_loss")),
            decimal(line.get("seconds")),
        ]
        for line in data.epochs
    ]
    columns = ["Epoch", *map(data.label, scores), "Training loss", "Validation loss", "Seconds"]
    marked = next((i for i, line in enumerate(data.epochs) if line["epoch"] == best), None)
    caption = ["Scores", on_chosen_split(data), "and losses of every epoch"]
    return Table(" ".join(filter(None, caption)), columns, rows, [True] * len(columns), marked)


def on_chosen_split(data: RunData) -> str:
    """``on the validation images`` or windows of them; empty if the final scores are those of the same."""
    summary = data.summary
    images = f"the {SPLITS.get(summary.scored_on, summary.scored_on)} images"
    if summary.validate_windows:
        return f"on {counted(summary.validate_windows, 'window')} of {images}"
    return "" if summary.scored_on == summary.reported_on else f"on {images}"


def worst_table(data: RunData) -> Table:
    """Images with the worst scores of the first metric."""
    metric = data.first_metric
    sign = 1 if data.higher_is_better else -1
    scored = zip(data.names, data.scores.get(metric, ()), strict=False)
    defined = [(name, score) for name, score in scored if math.isfinite(score)]
    worst = sorted(defined, key=lambda pair: (sign * pair[1], pair[0]))[:WORST]
    rows = [[data.public_names[name], number(score)] for name, score in worst]
    caption = worst_caption(len(rows), [score for _, score in defined])
    return Table(caption, ["Image", data.image_label(metric)], rows, [False, True])


def postprocess_table(data: RunData) -> Table | None:
    """Scores of the masks with and without post-processing; None if there is none."""
    if not data.summary.postprocessed:
        return None
    rows = []
    for name in data.metrics:
        with_steps = data.postprocessed(name)
        limits = interval_text(with_steps.low, with_steps.high) or NOTHING
        without = number(data.summary.scores.metrics.get(name))
        rows.append([data.label(name), without, number(with_steps.mean), limits])
    columns = ["Metric", "Without post-processing", "With", "95% interval"]
    return Table("Scores of post-processed masks", columns, rows, [False, True, True, True])


def choice_table(record: PostprocessRecord, label: str) -> Table:
    """The best steps of each class and their gain, on images that they were not chosen on.

    Args:
        record: how the post-processing was chosen.
        label: display name of the metric.
    """
    rows = []
    for choice in record.choices:
        low, high = (math.nan if value is None else value for value in (choice.low, choice.high))
        chosen = "yes" if choice.chosen else "no: a gain is not shown"
        chosen = "no: too few images" if choice.low is None else chosen
        scores = number(choice.score), number(choice.gain), interval_text(low, high) or NOTHING
        rows.append([", ".join(choice.classes), choice.settings.in_words(), *scores, chosen])
    columns = ["Classes", "Best steps", f"{label} without", "Gain", "Interval", "Chosen"]
    return Table("Choice of the post-processing", columns, rows, [False, False, True, True, True, False])


def model_table(data: RunData) -> Table:
    """Output shapes and parameters of every stage."""
    stages = data.summary.stages
    rows = [
        [
            stage.part,
            stage.name,
            shape_text(stage),
            *(map(whole, counts) if counts else ("", "")),
        ]
        for stage, counts in zip(stages, parameter_counts(stages), strict=True)
    ]
    columns = ["Part", "Stage", f"Output ({TIMES.join('Chw')})", "Parameters", "Trainable"]
    return Table("Output shapes and parameters of the model", columns, rows, [False, False, True, True, True])


def given_to_decoder(stages: Sequence[Stage]) -> tuple[str, str]:
    """``stage 4, 5 of 5`` of the encoder, and the shapes of their maps; empty if unknown."""
    maps = [stage for stage in stages if stage.part == "encoder"]
    names = ", ".join(stage.name for stage in maps)
    return re.sub(r" of \d+, stage ", ", ", names), ", ".join(map(shape_text, maps))


def shape_text(stage: Stage) -> str:
    """Output shape: channels, height and width."""
    return TIMES.join(map(str, stage.shape))


def environment_table(data: RunData) -> Table:
    """Versions, hardware and digests."""
    content = public_data(data.environment.model_dump(mode="json", exclude_unset=True, exclude={"recipe"}))
    if command := data.environment.command:
        content["command"] = public_command(shlex.join(command))
    rows = [[*pair] for pair in flat(content)]
    return Table("Versions, hardware and digests", ["", ""], rows, [False, False])


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Flatten nested data to dotted names and values as text."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value):
                yield from flat(item, f"{name}.{item.get('as') or item.get('name', number)}.")
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(_text, value)) if isinstance(value, list) else str(value)
