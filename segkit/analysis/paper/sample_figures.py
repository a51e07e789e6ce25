"""Figures of images with masks: those with the best, a median and the worst score."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image

from segkit.analysis.comparison.page.samples import read_mask, thumbnails_by_name
from segkit.analysis.paper.figure import PAGE, THICK, PaperFigure, new_figure
from segkit.analysis.paper.latex import escape
from segkit.analysis.paper.table import Score, score_text
from segkit.analysis.report.overlay import (
    Swatch,
    class_swatches,
    contour_swatches,
    ignored_swatches,
    legend,
    overlay,
    recipe_palette,
    sample_views,
)
from segkit.analysis.report.style import LIGHT, figure_text
from segkit.runs.run_dir import RunDir, ScoredSample
from segkit.runs.schema import Files, Rank, Sample
from segkit.runs.thumbnails import MAX_SIDE, Thumbnail
from segkit.utils.safe_read import corrupt_file

if TYPE_CHECKING:
    from matplotlib.artist import Artist

    from segkit.analysis.comparison.result import Comparison
    from segkit.analysis.paper.scores import Scoring
    from segkit.analysis.report.run_data import RunData
    from segkit.core.types import Pixels

_MAX_MODELS = 5
_MAX_PANE = 1.7  # inches
_CONTOURS = "Lines: contours of the ground truth and of the prediction."


@dataclass(frozen=True)
class _Row:
    label: str
    panes: Sequence[Pixels]  # RGB
    below: Sequence[str] = ()  # texts below the panes


def run_samples_figure(data: RunData, scoring: Scoring, of_seed: str) -> PaperFigure | None:
    """The best, a median and the worst of the run's samples; None if it saved none."""
    first = {sample.record.rank: sample for sample in reversed(data.samples)}
    last = {sample.record.rank: sample for sample in data.samples}
    by_rank = first | ({"worst": last["worst"]} if "worst" in last else {})
    chosen = [by_rank[rank] for rank in get_args(Rank) if rank in by_rank]
    views = sample_views(replace(data, samples=chosen))
    if not views:
        return None
    titles = [pane.title for pane in views[0].panes]
    rows = [
        _Row(_ranked(view.rank, sample.record.score), [_decoded(pane.png) for pane in view.panes])
        for view, sample in zip(views, chosen, strict=True)
    ]
    caption = (
        f"The images with the best, a median and the worst {escape(views[0].metric)} of {scoring.scored}. "
        f"{_CONTOURS}{of_seed}"
    )
    return _figure(rows, titles, legend(data), caption)


def _ranked(rank: str, score: float | None) -> str:
    return rank if score is None else f"{rank}, {score_text(Score(score))}"


def fold_samples(data: RunData) -> list[ScoredSample]:
    """Best, median and worst image of a cross-validation, from the thumbnails of the folds' runs."""
    thumbnails = _thumbnails(data.fold_runs)
    scores = data.scores[data.first_metric]
    chosen = _chosen(scores, [name in thumbnails for name in data.names], data.higher_is_better)
    samples = []
    for place, (rank, index) in enumerate(chosen.items(), start=1):
        record = Sample(
            rank=rank, image=data.names[index], metric=data.first_metric, score=scores[index],
            files=Files.numbered(place),
        )  # fmt: skip
        samples.append(ScoredSample(record, *_pixels(thumbnails[data.names[index]])))
    return samples


def comparison_samples_figure(comparison: Comparison, scoring: Scoring) -> PaperFigure | None:
    """The images with the best, a median and the worst mean score of all models; None without thumbnails."""
    shown = comparison.candidates[:_MAX_MODELS]
    recipe, swatches = shown[0].recipe, class_swatches(shown[0].recipe)
    in_colors = len(swatches) > 2  # contours do not say of which class they are
    tables = [_thumbnails(candidate.shown or candidate.runs[:1]) for candidate in shown]
    scores = np.array([candidate.scores[comparison.metric][0] for candidate in shown])
    known = [all(name in table for table in tables) for name in comparison.images]
    chosen = _chosen(scores.mean(axis=0).tolist(), known, comparison.higher_is_better)
    rows, truths = [], []
    for rank, index in chosen.items():
        masks = [_pixels(table[comparison.images[index]]) for table in tables]
        image, truth, _ = masks[0]
        predictions = [_resized(prediction, truth) for _, _, prediction in masks]
        if in_colors:
            panes = [recipe_palette(recipe)[mask] for mask in (truth, *predictions)]
        else:
            panes = [overlay(image, truth, prediction) for prediction in predictions]
        picture = np.asarray(Image.fromarray(image).resize(panes[0].shape[1::-1], Image.Resampling.BICUBIC))
        texts = [score_text(Score(score)) for score in scores[:, index].tolist()]
        rows.append(_Row(rank, [picture, *panes], ["", *([""] if in_colors else []), *texts]))
        truths.append(truth)
    if not rows:
        return None
    label = escape(comparison.label(comparison.metric))
    caption = (
        f"The images with the best, a median and the worst mean {label} of all models, of {scoring.scored}; "
        f"below each prediction its {label}."
    )
    if any(len(candidate.seeds) > 1 for candidate in shown):
        caption += " Of models with several seeds, predictions and scores are those of the first."
    names = [figure_text(candidate.name) for candidate in shown]
    if in_colors:
        return _figure(
            rows, ["Image", "Ground truth", *names], [*swatches, *ignored_swatches(truths)], caption
        )
    return _figure(rows, ["Image", *names], contour_swatches(), f"{caption} {_CONTOURS}")


def _chosen(scores: Sequence[float], known: Sequence[bool], higher_is_better: bool) -> dict[Rank, int]:
    """Index of the best, the median and the worst score, each image once."""
    defined = [index for index, score in enumerate(scores) if known[index] and math.isfinite(score)]
    ranking = sorted(defined, key=lambda index: scores[index], reverse=higher_is_better)
    places: dict[Rank, int] = {"best": 0, "median": len(ranking) // 2, "worst": len(ranking) - 1}
    found: dict[Rank, int] = {}
    for rank, place in places.items():
        if ranking and ranking[place] not in found.values():
            found[rank] = ranking[place]
    return found


def _thumbnails(runs: Sequence[RunDir]) -> dict[str, tuple[Thumbnail, Path]]:
    return {
        name: (thumbnail, run.thumbnails)
        for run in runs
        for name, thumbnail in thumbnails_by_name(run).items()
    }


def _pixels(found: tuple[Thumbnail, Path]) -> tuple[Pixels, Pixels, Pixels]:
    """Image (H, W, 3), true and predicted mask (H, W)."""
    thumbnail, source = found
    try:
        image = Image.open(io.BytesIO(thumbnail.image), formats=["WEBP"])
        if max(image.size) > MAX_SIDE:
            raise ValueError(f"an image of {image.size}")
        pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise corrupt_file(source, f"an image cannot be read: {error}") from error
    truth, prediction = (
        np.asarray(read_mask(source, mask)) for mask in (thumbnail.truth, thumbnail.prediction)
    )
    return pixels, _resized(truth, pixels), _resized(prediction, pixels)


def _resized(mask: Pixels, like: Pixels) -> Pixels:
    if mask.shape == like.shape[:2]:
        return mask
    return np.asarray(Image.fromarray(mask).resize(like.shape[1::-1], Image.Resampling.NEAREST))


def _decoded(png: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGB"))


def _figure(
    rows: Sequence[_Row], titles: Sequence[str], swatches: Sequence[Swatch], caption: str
) -> PaperFigure:
    columns = len(titles)
    side = min(PAGE / columns, _MAX_PANE)
    heights = [max(pane.shape[0] / pane.shape[1] for pane in row.panes) for row in rows]
    beside = 1 if columns < 3 else min(columns, 4)  # entries of the legend
    legend_height = 0.17 * -(-len(swatches) // beside) + 0.2
    below = 0.15 * len(rows) if rows[0].below else 0
    figure = new_figure(side * columns, side * sum(heights) + below + legend_height)
    for index, row in enumerate(rows):
        for column, pane in enumerate(row.panes):
            axes = figure.add_subplot(len(rows), columns, index * columns + column + 1)
            axes.imshow(pane, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
            if index == 0:
                axes.set_title(titles[column])
            if column == 0:
                axes.set_ylabel(row.label.capitalize())
            if row.below:
                axes.set_xlabel(row.below[column], labelpad=2)
    handles = [_handle(swatch) for swatch in swatches]
    figure.legend(handles=handles, loc="outside lower center", ncols=beside, frameon=False, handlelength=1.2)
    return PaperFigure("samples", caption, figure)


def _handle(swatch: Swatch) -> Artist:
    label = figure_text(swatch.label)
    if swatch.line:
        return Line2D([], [], color=swatch.color, linewidth=THICK, label=label)
    return Patch(facecolor=swatch.color, edgecolor=LIGHT.muted, linewidth=0.4, label=label)
