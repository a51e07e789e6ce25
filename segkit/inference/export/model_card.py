"""The page about an exported model: what it is, what it scores, what is not known of it, how to load it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from segkit.analysis.comparison.statistics import intervals
from segkit.analysis.report.format import NOTHING, metric_name, number, whole
from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.analysis.report.tables import Table, worst_table
from segkit.analysis.report.templates import markdown_templates
from segkit.inference.export.recipe import last_name
from segkit.inference.export.usage_examples import pages_of_code

if TYPE_CHECKING:
    from segkit.inference.export.verify import Verified
    from segkit.inference.export_metadata import Exported
    from segkit.runs.run_dir import RunDir

_SPLITS = {"train": "training", "val": "validation", "test": "test"}
_SAME = 1e-9  # of a mean, summed in another order


def card(
    run: RunDir,
    exported: Exported,
    verified: Verified,
    warnings: Sequence[str],
    *,
    file: str,
    front: str = "",
) -> str:
    """The page, in Markdown.

    Args:
        run: what was exported.
        exported: what the file says of itself.
        verified: what was compared.
        warnings: what is not as it was in the run, in whole sentences.
        file: the exported file's name, or the folder's.
        front: YAML between lines of dashes, for the hub.

    Raises:
        SegkitError: if the run directory misses a file.
    """
    material = read_run_data(run)
    page = markdown_templates("inference/export", "analysis/report").get_template("card.md.j2")
    return page.render(
        front=Markup(front),
        name=material.summary.recipe,
        description=material.summary.description,
        facts=_facts(material, exported, file),
        scores=scores_table(material),
        scored=_scored(material),
        first=metric_name(material.first_metric),
        data=_data(material),
        verified=_verified(verified),
        worst=worst_table(material),
        limits=[*_limits(material), *warnings],
        codes=pages_of_code(exported, file),
        fence=Markup("```"),
        version=exported.version,
    )


def scores_table(material: RunData) -> Table:
    """Every metric with its interval over the images, where it is a mean over them."""
    reported, rows = material.summary.scores.metrics, []
    for name in material.metrics:
        low, high = _interval(material.scores[name], reported.get(name))
        between = NOTHING if math.isnan(low) else f"{number(low)} to {number(high)}"
        rows.append([metric_name(name), number(reported.get(name)), between])
    return Table("Scores", ["Metric", "Score", "95% interval"], rows, [False, True, True])


def _interval(scores: list[float], reported: float | None) -> tuple[float, float]:
    """Bootstrapped over images; NaN for a score that is no mean over them, such as one of the data set."""
    defined = [score for score in scores if math.isfinite(score)]
    if reported is None or not defined:
        return math.nan, math.nan
    if not math.isclose(statistics.fmean(defined), reported, rel_tol=_SAME, abs_tol=_SAME):
        return math.nan, math.nan
    (interval,) = intervals([np.array([scores])])
    return interval.low, interval.high


def _facts(material: RunData, exported: Exported, file: str) -> list[tuple[str, str]]:
    facts, model = exported.facts, material.recipe.get("model") or {}
    height, width = facts.size
    sizes = f"{height} x {width}, the size of training"
    if facts.multiple > 1:
        sizes += f"; others are taken too, of sides that are multiples of {facts.multiple}"
    elif facts.multiple:
        sizes += "; others are taken too"
    parts = [(model.get(kind) or {}) for kind in ("encoder", "decoder")]
    named = [part.get("name", NOTHING) if isinstance(part, dict) else str(part) for part in parts]
    return [
        ("File", file),
        ("Task", f"{facts.task.kind} segmentation"),
        ("Classes", ", ".join(facts.task.classes)),
        ("Encoder", f"{named[0]}{', frozen' if material.summary.frozen_encoder else ''}"),
        ("Decoder", named[1]),
        ("Parameters", whole(material.summary.parameters.get("total"))),
        ("Image (height x width)", sizes),
        ("Written by", f"segkit {exported.version}"),
    ]


def _scored(material: RunData) -> str:
    summary = material.summary
    split = summary.reported_on
    count = summary.images.get(split)
    return f"{whole(count)} {_SPLITS.get(split, split)} images".replace(f"{NOTHING} ", "")


def _data(material: RunData) -> list[tuple[str, str]]:
    data: dict[str, Any] = material.recipe.get("data") or {}
    source = data.get("source")
    plain = source if isinstance(source, dict) else {"name": source}
    options = [
        f"{key}: {last_name(str(value))}"
        for key, value in plain.items()
        if key != "name" and value is not None
    ]
    images = material.summary.images
    split = data.get("split")
    by = split.get("by") if isinstance(split, dict) else split
    told = [
        ("Source", ", ".join([str(plain.get("name") or NOTHING), *options])),
        *((f"{_SPLITS.get(name, name)} images".capitalize(), whole(count)) for name, count in images.items()),
        ("Split", f"by {by}" if by and by != "official" else "that of the source"),
    ]
    digests = material.environment.data_digests
    return [*told, *((f"SHA-256, {_SPLITS.get(name, name)}", digest) for name, digest in digests.items())]


def _verified(found: Verified) -> list[str]:
    metric = metric_name(found.metric)
    shapes = ", ".join(f"{images} of {height} x {width}" for images, height, width in found.shapes)
    share = found.pixels_that_differ / max(1, found.pixels)
    return [
        f"Compared with the run's model on {found.images:,} {_SPLITS.get(found.split, found.split)} images"
        f"{'' if found.same_images else ', which are not those that the run reports its scores on'}.",
        f"{found.pixels_that_differ:,} of {found.pixels:,} pixels have another class ({share:.2g} of them); "
        f"no probability differs by more than {found.largest_difference:.2g}.",
        f"{metric} {found.scores[found.metric]:.6f}; the run's model {found.model_scores[found.metric]:.6f}.",
        f"Asked besides for batches of other shapes, with the same answers: {shapes}.",
    ]


def _limits(material: RunData) -> list[str]:
    summary, recipe = material.summary, material.recipe
    images = summary.images.get("train")
    size = (recipe.get("data") or {}).get("size") or []
    seed = recipe.get("seed")
    at = f" at {' x '.join(map(str, size))} pixels, to which images and masks are resized," if size else ""
    learnt = f"It has learnt from {whole(images)} images of one source." if images else ""
    return [
        *summary.warnings,
        f"{learnt} How it does on others, of other cameras, places or people, nobody has measured.".strip(),
        f"The scores are taken{at} and are means: single images may be far worse, see below.",
        f"It is one training, with the seed {seed}: the intervals tell how sure a score is over images like "
        "these, and not how much another training would differ.",
        "It has not been examined for any use in which a mistake does harm.",
    ]


def page_beside(out: Path) -> Path:
    """Where the page about an exported file goes."""
    return out.with_suffix(".md")
