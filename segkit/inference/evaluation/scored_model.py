"""What is scored: one run as it was trained, or the mean of several, or with other options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.experiments.objectives import build_metric
from segkit.experiments.restore_run import postprocess_of, restore
from segkit.inference.evaluation.evaluation import AS_TRAINED, EvaluateOptions, run_name
from segkit.inference.evaluation.score_images import PredictorScorer, ResizedScorer, Scorer
from segkit.inference.predictor import Predictor
from segkit.inference.torch_network import TorchNetwork, open_network

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.core.types import Metric, Progress
    from segkit.data.fit import Fit
    from segkit.data.pixel_range import PixelRange
    from segkit.inference.evaluation.select_images import ScoredImages
    from segkit.recipe import Recipe
    from segkit.recipe.postprocess_settings import PostprocessSettings
    from segkit.runs.run_dir import RunDir

_TAKEN = {"stretch": "images", "letterbox": "letterboxed images", "crop": "windows"}


@dataclass(frozen=True)
class ScoredModel:
    """A model with the scorer of its images.

    Args:
        scorer: scores the images.
        metrics: metrics by name.
        postprocess: steps from probabilities to masks.
        warnings: about the model, as sentences.
        fits: how images come to the model of each run.
        ranges: numbers that become 0 and 1, of each run.
    """

    scorer: Scorer
    metrics: Mapping[str, Metric]
    postprocess: PostprocessSettings | None
    warnings: list[str]
    fits: list[Fit]
    ranges: list[PixelRange]


def scored_model(
    runs: Sequence[RunDir],
    recipe: Recipe,
    changed: Sequence[str],
    options: EvaluateOptions,
    overrides: Sequence[str],
    plugins: Sequence[Path],
    images: ScoredImages,
    on_progress: Progress,
) -> ScoredModel:
    """A run as in its final evaluation, if options allow it; else with the prediction pipeline.

    Args:
        runs: complete run directories.
        recipe: recipe of the first one, with changes.
        changed: warnings about changed plugins.
        options: evaluation options.
        overrides: recipe changes.
        plugins: files or folders with the parts they used.
        images: what is scored.
        on_progress: callback of (label, done, total).

    Raises:
        SegkitError: if the runs cannot be scored together, or with these options.
    """
    scores_anew = options.native and not recipe.data.geometry.is_native
    if len(runs) > 1 or scores_anew or replace(options.predict, postprocess=True) != AS_TRAINED:
        return as_predicted(runs, recipe, options, overrides, plugins, images)
    postprocess = options.predict.postprocess
    return as_trained(runs[0], recipe, changed, images, postprocess=postprocess, on_progress=on_progress)


def as_trained(
    run: RunDir,
    recipe: Recipe,
    changed: Sequence[str],
    images: ScoredImages,
    *,
    postprocess: bool,
    on_progress: Progress,
) -> ScoredModel:
    """A run whose final evaluation is repeated.

    Args:
        run: complete run directory.
        recipe: its recipe, with changes.
        changed: warnings about changed plugins.
        images: what is scored.
        postprocess: whether masks are post-processed.
        on_progress: callback of (label, done, total).
    """
    restored = restore(run, recipe, changed, on_progress, {images.split: images.samples})
    applied = postprocess_of(run, recipe) if postprocess else None
    return ScoredModel(
        ResizedScorer(restored, applied), restored.assembly.metrics, applied, restored.warnings,
        [recipe.data.geometry], [recipe.data.pixel_range],
    )  # fmt: skip


def as_predicted(
    runs: Sequence[RunDir],
    recipe: Recipe,
    options: EvaluateOptions,
    overrides: Sequence[str],
    plugins: Sequence[Path],
    images: ScoredImages,
) -> ScoredModel:
    """Runs that predict as with `segkit predict`; several have the mean of their probabilities.

    Args:
        runs: complete run directories.
        recipe: recipe of the first one, with changes.
        options: evaluation options.
        overrides: recipe changes.
        plugins: files or folders with the parts they used.
        images: what is scored.

    Raises:
        SegkitError: if the runs cannot be scored together, or with these options.
    """
    networks = _open_networks(runs, options, overrides, plugins, recipe)
    metrics = {part.key: build_metric(part, recipe.data.goal) for part in recipe.metrics}
    model = Predictor(networks, [warning for network in networks for warning in network.warnings])
    steps = [model.postprocess]
    if len(runs) > 1:
        steps += [network.info.postprocess for network in networks]
    applied = steps if options.predict.postprocess else [None] * len(steps)
    label = f"scoring {images}"
    scorer = PredictorScorer(
        networks, images.samples, metrics, options.predict, options.native, label, applied
    )
    return ScoredModel(
        scorer, metrics, applied[0], [*dict.fromkeys(model.warnings)],
        [network.info.geometry for network in networks], [network.info.pixel_range for network in networks],
    )  # fmt: skip


def _open_networks(
    runs: Sequence[RunDir],
    options: EvaluateOptions,
    overrides: Sequence[str],
    plugins: Sequence[Path],
    recipe: Recipe,
) -> list[TorchNetwork]:
    training = recipe.training
    changes = [*overrides, f"training.precision={training.precision}"]
    networks = [
        open_network(run, plugins, accelerator=training.accelerator, overrides=changes) for run in runs
    ]
    Predictor(networks)  # checks that they predict the same classes
    first, *others = (network.info.geometry for network in networks)
    for run, fit in zip(runs[1:], others, strict=True):
        alike = fit == first or (fit.is_native and first.is_native)
        if not alike and not options.native:
            raise SegkitError(
                f"{run_name(runs[0])} takes {_TAKEN[first.kind]} of {_sides(first)} pixels, {run_name(run)} "
                f"{'' if fit.kind == first.kind else f'{_TAKEN[fit.kind]} '}of {_sides(fit)}: "
                "their scores are not comparable",
                hint="use --native to score at the images' own size",
            )
    for network in networks:
        options.predict.check(network.info)
    return networks


def _sides(fit: Fit) -> str:
    height, width = fit.size
    return f"{width}x{height}"
