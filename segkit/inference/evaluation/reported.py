"""Scores that a run reports, and which of them an evaluation may be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segkit.experiments.metric_details import metric_details

if TYPE_CHECKING:
    from segkit.data.fit import Fit
    from segkit.recipe import Recipe
    from segkit.recipe.postprocess_settings import PostprocessSettings
    from segkit.runs.run_dir import RunDir

    Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Reported:
    """Scores that a run reports.

    Args:
        comparable: those of the same metric, options, images and size as the evaluation's, by metric.
        others: all others, by metric.
        details: what names of the run's metrics do not say, by metric.
        scored: images and size of these scores in words.
    """

    comparable: Figures
    others: Figures
    details: Mapping[str, str]
    scored: str


def reported_scores(
    run: RunDir,
    trained: Recipe,
    recipe: Recipe,
    *,
    same_images: bool,
    postprocess: PostprocessSettings | None = None,
) -> Reported:
    """Scores that a run reports: those of masks with the same post-processing.

    Args:
        run: complete run directory.
        trained: recipe of the run, without overrides.
        recipe: recipe of the evaluation.
        same_images: whether the evaluation scores the same pixels, at the same size and in the same way.
        postprocess: post-processing of the evaluation; if the run reports none of it, nothing is comparable.
    """
    summary = run.read_summary()
    as_scored = summary.scores
    if postprocess and summary.postprocessed and summary.postprocess == postprocess:
        as_scored = summary.postprocessed
    elif postprocess:
        same_images = False
    alike = same_images and all(
        then == now
        for then, now in (
            (trained.model, recipe.model),
            (trained.data.goal, recipe.data.goal),
            (trained.data.normalize, recipe.data.normalize),
            (trained.data.geometry, recipe.data.geometry),
        )
    )
    same = {part.key for part in trained.metrics if alike and part in recipe.metrics}
    scores, split = as_scored.metrics, summary.reported_on
    count = summary.images.get(split)
    images = f"{split} images" if count is None else f"{count:,} {split} image{'' if count == 1 else 's'}"
    return Reported(
        comparable={name: score for name, score in scores.items() if name in same},
        others={name: score for name, score in scores.items() if name not in same},
        details=metric_details(trained.metrics),
        scored=f"{images}, at {size_text(trained.data.geometry)}",
    )


def size_text(fit: Fit, *, native: bool = False) -> str:
    """Size of scored images: ``128x128``, ``128x192 (height x width)``, ``the images' own size``."""
    if native or fit.is_native:
        return "the images' own size"
    height, width = fit.size
    limit = "up to " if fit.kind == "letterbox" else ""
    return f"{limit}{height}x{width}" + (" (height x width)" if height != width else "")
