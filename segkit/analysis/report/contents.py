"""Texts of a report, shared by both templates: headline, warnings, frozen encoder, costs."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from segkit.analysis.report.format import (
    NOTHING,
    decimal,
    difference,
    duration,
    few_images_note,
    interval_text,
    memory,
    number,
    share,
    whole,
)
from segkit.analysis.report.run_data import RunData
from segkit.analysis.report.tables import (
    SPLITS,
    choice_table,
    environment_table,
    epoch_table,
    model_table,
    on_chosen_split,
    postprocess_table,
    worst_table,
)
from segkit.core.paths import quoted
from segkit.recipe.postprocess_record import PostprocessRecord
from segkit.recipe.postprocess_settings import PostprocessSettings
from segkit.recipe.yaml_tree import write_yaml
from segkit.runs.provisional import STOPPED
from segkit.runs.schema import Frozen, Summary
from segkit.utils.listing import counted
from segkit.utils.public_text import public_data

INTERVALS = "95% intervals are over these images. Training again adds further variation."
TOGETHER = "The score above is computed over all images together: it is not the mean of these scores."


@dataclass(frozen=True)
class Card:
    """One score of the headline."""

    label: str
    value: str
    interval: str
    published: str = ""
    difference: str = ""
    chosen: str = ""  # score on what chose the best epoch, if that is not what is reported


@dataclass(frozen=True)
class Verdict:
    """Whether a frozen encoder is unchanged."""

    good: bool
    text: str
    digests: list[tuple[str, str]]  # (label, digest)


def contents(data: RunData) -> dict[str, Any]:
    """Values of the templates, without figures and samples."""
    summary, published = data.summary, data.published
    mean = data.is_mean(data.first_metric)
    label = data.image_label(data.first_metric)
    cards, repetition = _cards(data), _repetition(data)
    backticks = max(map(len, re.findall("`+", repetition["recipe"])), default=0)
    return {
        "name": summary.recipe,
        "description": summary.description,
        "headline": _headline(data),
        "cards": cards,
        "intervals": interval_notes(data) if any(card.interval for card in cards) else "",
        "source": published.source if published and published.metrics else "",
        "drawn": published.source if published and published.epochs else "",
        "chosen_on": on_chosen_split(data),
        "warnings": _warnings(data),
        "verdict": _verdict(summary.frozen_encoder),
        "has_images": bool(data.names),
        "per_image": f"{label} per image" if mean else label,
        "per_image_note": "" if mean else TOGETHER,
        "scores": _score_facts(data),
        "overlap": "Where classes overlap, only the last one is shown." if _may_overlap(data) else "",
        "training_note": _training_note(data),
        "worst": worst_table(data),
        "postprocess": _postprocess(data),
        "epochs": epoch_table(data),
        "select": summary.select,
        "best_epoch": summary.best.epoch,
        "costs": _costs(summary),
        "model": model_table(data),
        "environment": environment_table(data),
        "fence": Markup("`" * max(3, backticks + 1)),  # longer than any in the recipe
        **repetition,
    }


def interval_notes(data: RunData) -> str:
    """What 95% intervals of the scores say, in sentences."""
    groups = data.summary.scores.groups
    over = (
        f" They are over {whole(groups)} groups: images of one group are not independent." if groups else ""
    )
    return " ".join(filter(None, [INTERVALS + over, few_images_note(len(data.names), groups)]))


def _repetition(data: RunData) -> dict[str, str]:
    """The recipe and how to run it again, without the folders of this machine."""
    public, file = public_data(data.recipe), data.run.recipe
    shortened = public != data.recipe
    text = "The recipe contains all defaults."
    if shortened:
        text += " Its absolute paths are shortened to their last names here; recipe.yaml has them in full."
    if file.is_absolute():
        text += " In the folder of this run:"
    return {
        "recipe": write_yaml(public) if shortened else data.run.recipe_text(),
        "repetition": text,
        "command": f"segkit run {quoted(file.name if file.is_absolute() else file)}",
    }


def _training_note(data: RunData) -> str:
    shown, fit = len(data.training), (data.recipe.get("data") or {}).get("fit")
    what = "windows of training images" if fit == "crop" else "training images"
    text = f"The first {shown} {what} of the first epoch, after augmentation, with their masks."
    padded = " Padding is a reflection of the image, and is ignored." if fit in ("crop", "letterbox") else ""
    return text + padded


def _may_overlap(data: RunData) -> bool:
    section = data.recipe.get("data") or {}
    return section.get("task") == "multilabel" and len(section.get("classes") or ()) > 1


def _headline(data: RunData) -> list[str]:
    summary = data.summary
    images, split = summary.images, summary.reported_on
    count = f"{whole(images[split])} " if split in images else ""
    if summary.validate_windows and summary.status == STOPPED:
        count = f"{counted(summary.validate_windows, 'window')} of {count}"
    facts = [
        _epoch_in_words(data),
        f"scored on {count}{SPLITS.get(split, split)} images{data.size and f' of {data.size}'}",
    ]
    if summary.ema_decay:
        facts[1] += f" with averaged weights (EMA, decay {summary.ema_decay:g})"
    if "train" in images:
        of = f" of {whole(images['train'] + summary.left_out)}" if summary.left_out else ""
        facts.append(f"trained on {whole(images['train'])}{of}")
    return facts


def _epoch_in_words(data: RunData) -> str:
    summary = data.summary
    epoch = f"{summary.select.capitalize()} epoch {summary.best.epoch} of {summary.epochs}"
    if summary.select == "last":
        return f"{epoch}, not chosen by a score"
    return f"{epoch}, chosen by {data.label(data.first_metric)}"


def _cards(data: RunData) -> list[Card]:
    summary = data.summary
    published = data.published.metrics if data.published else {}
    differ = bool(on_chosen_split(data))
    cards = []
    for name in data.metrics:
        score, reference = summary.scores.metrics.get(name), published.get(name)
        interval = data.interval(name)
        cards.append(
            Card(
                data.label(name),
                number(score),
                interval_text(interval.low, interval.high),
                number(reference) if reference is not None else "",
                difference(score, reference),
                number(summary.best.metrics.get(name)) if differ else "",
            )
        )
    return cards


def _warnings(data: RunData) -> list[str]:
    summary = data.summary
    warnings = [*summary.warnings]
    if summary.status == STOPPED:
        return warnings
    if summary.status != "complete":
        warnings.append(f"The run is not complete; its status is: {summary.status}.")
    done, planned = summary.epochs, summary.epochs_asked
    if planned is not None and done < planned:
        warnings.append(f"Training ended after {whole(done)} of {whole(planned)} epochs.")
    if data.published and data.published.note:
        warnings.append(data.published.note)
    return warnings


def _verdict(frozen: Frozen | None) -> Verdict | None:
    if not frozen:
        return None
    before, after = frozen.digest_before, frozen.digest_after
    if frozen.unchanged:
        text = "All parameters and running statistics of the encoder are the same before and after training."
        return Verdict(True, text, [("digest", before)])
    text = "Parameters or running statistics of the encoder changed during training, although it is frozen."
    return Verdict(False, text, [("digest before", before), ("digest after", after)])


def _postprocess(data: RunData) -> dict[str, Any]:
    """Note and tables about post-processing; empty without any."""
    settings, record = data.summary.postprocess, data.postprocess
    if not settings and not record:
        return {}
    tables = [postprocess_table(data), record and choice_table(record, data.label(record.metric))]
    return {"note": postprocess_note(settings, record), "tables": [table for table in tables if table]}


def postprocess_note(settings: PostprocessSettings | None, record: PostprocessRecord | None) -> str:
    """What the steps are, and how they were chosen, if they were."""
    note = f"Masks are {f'post-processed: {settings.in_words()}' if settings else 'not post-processed'}."
    if record:
        images = f"{whole(record.images)} {SPLITS.get(record.split, record.split)} images"
        groups = f" in {counted(record.groups, 'group')}" if record.groups else ""
        together = " for all classes together" if len(record.choices) > 1 else ""
        note += (
            f" Chosen from {whole(record.candidates)} candidates on {images}{groups}. To measure the gain, "
            "each image was scored with the steps that were best on other images. Its interval covers 95%"
            f"{together}."
        )
    return note


def _score_facts(data: RunData) -> list[tuple[str, str]]:
    scores = data.scores.get(data.first_metric, [])
    defined = data.defined_scores
    facts = [("Images", whole(len(scores)))]
    if undefined := len(scores) - len(defined):
        facts.append(("Undefined scores", whole(undefined)))
    if defined:
        # A mean beside the score of all images together would be two figures of one name.
        mean = [("Mean", number(statistics.fmean(defined)))] if data.is_mean(data.first_metric) else []
        facts += [
            *mean,
            ("Median", number(statistics.median(defined))),
            ("Lowest", number(min(defined))),
            ("Highest", number(max(defined))),
        ]
    return facts


def _costs(summary: Summary) -> list[tuple[str, str]]:
    total, trainable = summary.parameters.get("total"), summary.parameters.get("trainable")
    costs = [
        ("Total time", duration(summary.seconds)),
        ("Training time", duration(summary.train_seconds)),
        ("Training images per second", decimal(summary.images_per_second)),
        ("Peak memory", memory(summary.peak_memory_bytes)),
        ("Parameters", whole(total)),
        (
            "Trainable parameters",
            NOTHING if trainable is None else f"{whole(trainable)} ({share(trainable, total)})",
        ),
        ("Device", summary.device or NOTHING),
        ("Precision", summary.precision or NOTHING),
    ]
    return [(label, value) for label, value in costs if value != NOTHING]
