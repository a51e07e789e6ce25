"""What a report says, in words: headline, warnings, verdict, costs. Both templates draw the same contents."""

from __future__ import annotations

import math
import re
import shlex
import statistics
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from segkit.analysis.report.format import (
    NOTHING,
    decimal,
    difference,
    duration,
    memory,
    metric_name,
    number,
    share,
    whole,
)
from segkit.analysis.report.run_data import RunData
from segkit.analysis.report.tables import environment_table, epoch_table, model_table, worst_table
from segkit.runs.schema import Frozen, Summary

_SPLITS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Card:
    """One big number of the headline.

    Args:
        label: the metric.
        value: the score.
        published: the published score, or nothing.
        difference: between both, in words, or nothing.
        chosen: the score on the images that chose the best epoch, where those are others; or nothing.
    """

    label: str
    value: str
    published: str = ""
    difference: str = ""
    chosen: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a frozen encoder stayed as it was.

    Args:
        good: whether it did.
        text: the same in words.
        digests: of its parameters and running statistics, with what each one is.
    """

    good: bool
    text: str
    digests: list[tuple[str, str]]


def contents(material: RunData) -> dict[str, Any]:
    """Everything but the pictures, by the names that the templates use."""
    summary = material.summary
    recipe = material.run.recipe_text()
    longest = max(map(len, re.findall("`+", recipe)), default=0)
    return {
        "name": summary.recipe,
        "description": summary.description,
        "headline": _headline(material),
        "cards": _cards(material),
        "source": material.published.source if material.published and material.published.metrics else "",
        "drawn": material.published.source if material.published and material.published.epochs else "",
        "chosen_on": _SPLITS.get(summary.scored_on, summary.scored_on),
        "warnings": _warnings(material),
        "verdict": _verdict(summary.frozen_encoder),
        "scored": metric_name(material.first_metric),
        "scores": _score_facts(material),
        "overlap": "Where classes overlap, the last of them is shown." if _overlapping(material) else "",
        "worst": worst_table(material),
        "epochs": epoch_table(material),
        "best_epoch": summary.best.epoch,
        "costs": _costs(summary),
        "model": model_table(material),
        "environment": environment_table(material),
        "recipe": recipe,
        "fence": Markup("`" * max(3, longest + 1)),  # a recipe may hold backticks itself
        "command": f"segkit run {shlex.quote(str(material.run.recipe))}",
    }


def _overlapping(material: RunData) -> bool:
    data = material.recipe.get("data") or {}
    return data.get("task") == "multilabel" and len(data.get("classes") or ()) > 1


def _headline(material: RunData) -> list[str]:
    summary = material.summary
    images, split = summary.images, summary.reported_on
    metric = metric_name(material.first_metric)
    count = f"{whole(images[split])} " if split in images else ""
    facts = [
        f"Best epoch {summary.best.epoch} of {summary.epochs}, chosen by {metric}",
        f"scored on {count}{_SPLITS.get(split, split)} images",
    ]
    if "train" in images:
        facts.append(f"trained on {whole(images['train'])}")
    return facts


def _cards(material: RunData) -> list[Card]:
    summary, published = material.summary, material.published
    reported = summary.scores.metrics
    elsewhere = summary.scored_on != summary.reported_on
    cards = []
    for name in material.metrics:
        value = reported.get(name)
        theirs = published.metrics.get(name) if published else None
        cards.append(
            Card(
                metric_name(name),
                number(value),
                number(theirs) if theirs is not None else "",
                difference(value, theirs),
                number(summary.best.metrics.get(name)) if elsewhere else "",
            )
        )
    return cards


def _warnings(material: RunData) -> list[str]:
    summary = material.summary
    warnings = [*summary.warnings]
    if summary.status != "complete":
        warnings.append(f"The run did not end by itself; its status is: {summary.status}.")
    done, asked = summary.epochs, summary.epochs_asked
    if asked is not None and done < asked:
        warnings.append(f"Training ended after {whole(done)} of {whole(asked)} epochs.")
    if material.published and material.published.note:
        warnings.append(material.published.note)
    return warnings


def _verdict(frozen: Frozen | None) -> Verdict | None:
    if not frozen:
        return None
    before, after = frozen.digest_before, frozen.digest_after
    if frozen.unchanged:
        text = (
            "Every parameter and every running statistic of the encoder is the same after training as before."
        )
        return Verdict(True, text, [("digest", before)])
    text = "The encoder was to stay frozen, but its parameters or running statistics changed while training."
    return Verdict(False, text, [("digest before", before), ("digest after", after)])


def _score_facts(material: RunData) -> list[tuple[str, str]]:
    scores = material.scores.get(material.first_metric, [])
    defined = [score for score in scores if math.isfinite(score)]
    facts = [("Images", whole(len(scores)))]
    if undefined := len(scores) - len(defined):
        facts.append(("Without a defined score", whole(undefined)))
    if defined:
        facts += [
            ("Mean", number(statistics.fmean(defined))),
            ("Median", number(statistics.median(defined))),
            ("Lowest", number(min(defined))),
            ("Highest", number(max(defined))),
        ]
    return facts


def _costs(summary: Summary) -> list[tuple[str, str]]:
    total, trainable = summary.parameters.get("total"), summary.parameters.get("trainable")
    costs = [
        ("Whole run", duration(summary.seconds)),
        ("Training alone", duration(summary.train_seconds)),
        ("Images per second in training", decimal(summary.images_per_second)),
        ("Peak memory", memory(summary.peak_memory_bytes)),
        ("Parameters", whole(total)),
        ("Trainable parameters", f"{whole(trainable)} ({share(trainable, total)})"),
        ("Device", summary.device or NOTHING),
        ("Precision", summary.precision or NOTHING),
    ]
    return [(label, value) for label, value in costs if value not in (NOTHING, f"{NOTHING} ({NOTHING})")]
