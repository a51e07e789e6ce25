"""Evaluation of finished runs: images, models, warnings and scores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING

from segkit.core.class_scores import never_trained
from segkit.core.errors import DataError, SegkitError
from segkit.data.images import hints_for_model
from segkit.data.preprocess import decode, layout_of
from segkit.data.scales import boundary_density, sampled_scales, some_samples
from segkit.data.split_groups import groups_of
from segkit.experiments.confidence import confidence_intervals
from segkit.experiments.metric_details import metric_details
from segkit.experiments.restore_run import read_run, use_available_device
from segkit.inference.evaluation.evaluation import EvaluateOptions, Evaluation, run_name
from segkit.inference.evaluation.leaks import leak_warnings
from segkit.inference.evaluation.reported import reported_scores
from segkit.inference.evaluation.scored_model import scored_model
from segkit.inference.evaluation.select_images import ScoredImages, choose_images, replaces_source
from segkit.inference.scale_warnings import scale_warnings
from segkit.inference.seen_numbers import SeenNumbers, number_warnings

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.core.types import Progress, Sample
    from segkit.data.fit import Fit
    from segkit.data.pixel_range import PixelRange
    from segkit.inference.options import PredictOptions
    from segkit.recipe import Recipe
    from segkit.runs.run_dir import RunDir
    from segkit.training.evaluate import Scores


def evaluate_runs(
    runs: Sequence[RunDir],
    options: EvaluateOptions,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
    cross_validated: Path | None = None,
) -> Evaluation:
    """Score the best checkpoint of a run, or the mean probabilities of several runs.

    A single run with default options repeats its final evaluation. Otherwise metrics take the logits of the
    probabilities at the scored size.

    Args:
        runs: complete run directories.
        options: evaluation options.
        overrides: recipe changes, as for `--set`; images and metrics are those of the first run.
        plugins: files or folders with the parts they used.
        on_progress: callback of (label, done, total).
        cross_validated: directory of the cross-validation that runs are of, if any: between them, its models
            were trained on all images but the source's test images.

    Raises:
        SegkitError: if the runs cannot be scored with these options, or runs or images are damaged.
    """
    started = time.perf_counter()
    trained_with = [read_run(run, (), plugins)[0] for run in runs]
    recipe, changed = read_run(runs[0], overrides, plugins)
    recipe, warnings = use_available_device(recipe, overrides)
    if overrides:
        _check_same_classes(runs[0], trained_with[0], recipe)
    images = choose_images(recipe, overrides, options.split)
    if cross_validated and not replaces_source(overrides):
        _check_unseen(images, cross_validated)
    scored = scored_model(runs, recipe, changed, options, overrides, plugins, images, on_progress)
    warnings = [*warnings, *scored.warnings]
    with hints_for_model(recipe.data.file_channels):
        for run, trained, fit in zip(runs, trained_with, scored.fits, strict=True):
            warnings += leak_warnings(run_name(run), trained, images.samples, recipe)
            warnings += _scale_warnings(run, images.samples, fit, options.predict)
        warnings += _number_warnings(images.samples, recipe, scored.ranges)
        scores, *of_members = scored.scorer.scores(on_progress)
    warnings += class_warnings(runs, scores, images)
    groups = None if replaces_source(overrides) else groups_in_split(images.samples, recipe)
    reported = reported_scores(
        runs[0], trained_with[0], recipe,
        same_images=scored.scorer.as_reported, postprocess=scored.postprocess,
    )  # fmt: skip
    return Evaluation(
        runs=[*runs],
        recipe=recipe,
        options=options,
        images=images,
        scores=scores,
        members=of_members,
        postprocess=scored.postprocess,
        intervals=confidence_intervals(recipe.metrics, scored.metrics, scores.rows, groups),
        groups=len({*groups}) if groups else None,
        details=metric_details(recipe.metrics),
        reported=None if of_members else reported,
        warnings=warnings,
        seconds=time.perf_counter() - started,
        scorer=scored.scorer,
    )


def _check_unseen(images: ScoredImages, cross_validated: Path) -> None:
    if images.split != "test":
        raise SegkitError(
            "each of these images trained some fold of the cross-validation: scores on them are not those of "
            "unseen images",
            where=str(cross_validated),
            hint="--split out-of-fold scores each image by the models that have not seen it; "
            "--set data.source=... scores other images",
        )


def groups_in_split(samples: Sequence[Sample], recipe: Recipe) -> list[str] | None:
    """Group of each image as `data.split.group` says; None without, or if images have none."""
    if not (group := recipe.data.split.group):
        return None
    with suppress(DataError):  # other images than the recipe's
        found = groups_of(samples, group)
        return [found[sample.name] for sample in samples]
    return None


def class_warnings(runs: Sequence[RunDir], scores: Scores, images: ScoredImages) -> list[str]:
    """Sentences about classes that were never trained, are never predicted, or are in no scored image."""
    untrained = [name for run in runs for name in run.read_summary().untrained_classes]
    found = scores.classes.warnings(images.words) if scores.classes else []
    return [*never_trained([*dict.fromkeys(untrained)]), *found]


def _scale_warnings(run: RunDir, scored: Sequence[Sample], fit: Fit, options: PredictOptions) -> list[str]:
    if fit.is_native:  # images have the scale of the training images
        return []
    sampled = sampled_scales(scored, fit)
    scales = [median(options.scales) * scale for _, scale in sampled]

    def density_of(index: int) -> float:
        return boundary_density(sampled[index][0].read()[1])

    return scale_warnings(run.read_environment(), scales, density_of, "sampled images")


def _number_warnings(scored: Sequence[Sample], recipe: Recipe, ranges: Sequence[PixelRange]) -> list[str]:
    data = recipe.data
    layout, images = layout_of(data.size, data.goal, data.in_channels), []
    for sample in some_samples(scored):
        images.append((sample.name, numbers := SeenNumbers(*ranges)))
        with suppress(DataError):  # reported by the scorer
            numbers.add(decode(sample, layout, data.bands)[0])
    return number_warnings(ranges, images, "sampled images")


def _check_same_classes(run: RunDir, trained_with: Recipe, recipe: Recipe) -> None:
    trained, changed = trained_with.data.goal, recipe.data.goal
    if (trained.kind, trained.classes) != (changed.kind, changed.classes):
        raise SegkitError(
            f"{run_name(run)} was trained for {trained.kind} {', '.join(trained.classes)}, "
            f"but --set changes this to {changed.kind} {', '.join(changed.classes)}",
            hint="do not change data.classes and data.task",
        )
