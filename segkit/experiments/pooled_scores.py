"""Out-of-fold scores of all folds of a cross-validation, pooled."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.analysis.comparison.result import Interval
from segkit.analysis.comparison.statistics import intervals, means
from segkit.analysis.cross_validation.out_of_fold import SPLIT
from segkit.analysis.report.format import scored_size
from segkit.analysis.score_range import FRACTION, score_range
from segkit.core.class_scores import PixelCounts
from segkit.core.types import Task
from segkit.data.preprocess import digest_of
from segkit.experiments.cv_postprocess import CHOSEN_ON_SCORED
from segkit.experiments.fold_classes import fold_without
from segkit.experiments.metric_details import metric_details
from segkit.recipe import entry_for
from segkit.runs.cv_schema import CvRecord, Fold, Pooled, PooledScores, Seed, Spread
from segkit.runs.schema import SplitScores
from segkit.utils.hashing import file_digest

if TYPE_CHECKING:
    import numpy.typing as npt

    from segkit.core.types import Metric
    from segkit.experiments.cv_plan import CvPlan
    from segkit.experiments.cv_postprocess import CvPostprocess
    from segkit.experiments.fold_scores import FoldScores
    from segkit.experiments.study_plan import PlannedRun
    from segkit.recipe import Recipe
    from segkit.training.evaluate import Scores

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CrossValidated:
    """The cross-validation is complete, and its directory not yet written.

    Args:
        recipe: the recipe, without a fold.
        record: content of `cv.json`; the runs have absolute paths.
        names: names of all images, in order.
        rows: image, seed, fold and group of every out-of-fold prediction.
        scores: their scores, by metric.
        counts: pixels of all images by class, for each seed.
    """

    recipe: Recipe
    record: CvRecord
    names: list[str]
    rows: list[tuple[str, int, int, str]]
    scores: Mapping[str, Floats]
    counts: list[PixelCounts]


def pool(
    plan: CvPlan,
    completed: Sequence[PlannedRun],
    scored: Sequence[FoldScores],
    command: str,
    postprocess: CvPostprocess,
) -> CrossValidated:
    """Pool the scores of all folds: of every seed, the images in the order of their names.

    Args:
        plan: plan of the cross-validation.
        completed: finished runs of all folds, seed by seed.
        scored: their out-of-fold scores.
        command: command line that repeats the cross-validation.
        postprocess: post-processing, with the scores of its masks.
    """
    first = completed[0].recipe
    assert first is not None
    task = first.data.padded_goal
    metrics = _build_metrics(first)
    folds = [_FoldOf(planned, scores) for planned, scores in zip(completed, scored, strict=True)]
    seeds = _by_seed(folds, task, metrics)
    with_masks = completed if postprocess.settings else ()
    masks = [_FoldOf(*each) for each in zip(with_masks, postprocess.scored, strict=True)]
    cleaned = _by_seed(masks, task, metrics)
    names, groups = seeds[0].names, seeds[0].groups
    recipe = plan.recipe
    split = first.data.split
    record = CvRecord(
        format=1,
        recipe=recipe.name,
        description=recipe.description,
        metrics=[*metrics],
        metric_details=metric_details(recipe.metrics),
        higher_is_better=bool(entry_for(recipe.metrics[0]).traits["higher_is_better"]),
        classes=[*task.classes],
        folds=[fold.record for fold in folds],
        pooled=_pooled(recipe, seeds, metrics, task),
        **_postprocess(postprocess, recipe, cleaned, metrics, task),
        spread={name: _spread([fold.scores.metrics[name] for fold in folds]) for name in metrics},
        seeds=[raw.record(recipe, metrics, of_masks) for raw, of_masks in zip_longest(seeds, cleaned)],
        images=len(names),
        size=scored_size(first.data.model_dump(mode="json")),
        group=split.group and str(split.group),
        groups=len({*groups}) if groups else None,
        pixels=seeds[0].digest,
        notes=plan.notes,
        warnings=[
            *dict.fromkeys(
                [
                    *seeds[0].absent(),
                    *(text for fold in folds for text in fold.warnings),
                    *([CHOSEN_ON_SCORED] if postprocess.choice and postprocess.settings else []),
                ]
            )
        ],
        command=command,
    )
    return CrossValidated(
        recipe=recipe,
        record=record,
        names=names,
        rows=[row for pool in seeds for row in pool.rows],
        scores={name: np.concatenate([pool.scores.per_image[name] for pool in seeds]) for name in metrics},
        counts=[pool.counts for pool in seeds],
    )


def _by_seed(folds: Sequence[_FoldOf], task: Task, metrics: Mapping[str, Metric]) -> list[_Pool]:
    return [_Pool([*of_seed], task, metrics) for _, of_seed in groupby(folds, key=lambda fold: fold.seed)]


def _pooled(
    recipe: Recipe, seeds: Sequence[_Pool], metrics: Mapping[str, Metric], task: Task
) -> PooledScores:
    groups = seeds[0].groups
    return PooledScores(
        metrics={part.key: _interval(part.key, part.name, seeds, metrics, groups) for part in recipe.metrics},
        per_class=_per_class(seeds, task, groups),
    )


def _postprocess(
    postprocess: CvPostprocess,
    recipe: Recipe,
    seeds: Sequence[_Pool],
    metrics: Mapping[str, Metric],
    task: Task,
) -> dict[str, Any]:
    """Keys of `cv.json` about post-processing; none if the recipe has none."""
    settings, choice = postprocess.settings, postprocess.choice
    found: dict[str, Any] = {"postprocess": settings} if settings or choice else {}
    if choice:
        found["postprocess_choice"] = choice
    if settings:
        found["postprocessed"] = _pooled(recipe, seeds, metrics, task)
    return found


def _build_metrics(recipe: Recipe) -> dict[str, Metric]:
    from segkit.experiments.objectives import build_metric  # loads torch

    return {part.key: build_metric(part, recipe.data.padded_goal) for part in recipe.metrics}


@dataclass(frozen=True)
class _FoldOf:
    """A fold with its scores."""

    planned: PlannedRun
    scores: FoldScores

    @property
    def seed(self) -> int:
        assert self.planned.recipe
        return self.planned.recipe.seed

    @property
    def number(self) -> int:
        assert self.planned.recipe
        return self.planned.recipe.data.split.fold or 0

    @property
    def warnings(self) -> list[str]:
        return [f"Fold {self.number + 1}, seed {self.seed}: {text}" for text in self.scores.warnings]

    @property
    def record(self) -> Fold:
        assert self.planned.run
        return Fold(
            run=str(self.planned.run.path.resolve()),
            fold=self.number,
            seed=self.seed,
            weights=file_digest(self.planned.run.weights).hex(),
            images=len(self.scores.names),
            metrics=dict(self.scores.metrics),
        )


class _Pool:
    """Out-of-fold scores of all images by the models of one seed."""

    def __init__(self, folds: Sequence[_FoldOf], task: Task, metrics: Mapping[str, Metric]) -> None:
        import torch

        from segkit.training.evaluate import scores_of

        self.folds, self.task = folds, task
        names = [name for fold in folds for name in fold.scores.names]
        order = sorted(range(len(names)), key=names.__getitem__)
        self.names = [names[index] for index in order]
        in_groups = all(fold.scores.groups for fold in folds)
        groups = [name for fold in folds for name in fold.scores.groups or ()]
        self.groups = [groups[index] for index in order] if in_groups else None
        numbers = [fold.number for fold in folds for _ in fold.scores.names]
        self.rows = [
            (names[index], folds[0].seed, numbers[index], groups[index] if in_groups else "")
            for index in order
        ]
        pixels = np.concatenate([fold.scores.pixels for fold in folds])[order]
        self.counts = PixelCounts(task, pixels, np.sum([fold.scores.confusion for fold in folds], axis=0))
        digests = [digest for fold in folds for digest in fold.scores.digests]
        self.digest = digest_of(self.names, [digests[index] for index in order])
        rows = {
            name: torch.from_numpy(np.concatenate([fold.scores.rows[name] for fold in folds])[order])
            for name in metrics
        }
        self.scores: Scores = scores_of(metrics, rows, self.counts)

    def absent(self) -> list[str]:
        """Warnings about classes that no image of a fold shows."""
        warnings: list[str] = []
        for fold in self.folds:
            absent = np.flatnonzero(~np.any(fold.scores.pixels[..., 2] > 0, axis=0)).tolist()
            classes = [self.task.classes[k] for k in absent]
            warnings += fold_without(fold.number, len(fold.scores.names), classes)
        return warnings

    def record(self, recipe: Recipe, metrics: Mapping[str, Metric], masks: _Pool | None) -> Seed:
        """Record of the seed, with the scores of post-processed masks, if there are any."""
        found: dict[str, Any] = {}
        if masks:
            groups = len({*masks.groups}) if masks.groups else None
            scores = masks._record(recipe, metrics)
            found["postprocessed"] = SplitScores(split=SPLIT, groups=groups, **scores)
        return Seed(seed=self.folds[0].seed, **self._record(recipe, metrics), **found)

    def _record(self, recipe: Recipe, metrics: Mapping[str, Metric]) -> dict[str, Any]:
        from segkit.experiments.confidence import confidence_intervals

        found = confidence_intervals(recipe.metrics, metrics, self.scores.rows, self.groups)
        return {
            "metrics": self.scores.metrics,
            "intervals": {name: (interval.low, interval.high) for name, interval in found.items()},
            **self.counts.as_json(),
        }


def _interval(
    key: str,
    name: str,
    seeds: Sequence[_Pool],
    metrics: Mapping[str, Metric],
    groups: Sequence[str] | None,
) -> Pooled:
    """Score over all images and seeds; one over all images together has no interval with several seeds."""
    from segkit.experiments.confidence import confidence_interval

    metric, rows = metrics[key], [pool.scores.rows[key] for pool in seeds]
    if len(seeds) == 1:
        interval = confidence_interval(metric, rows[0], groups)
    elif metric.score is None and rows[0].shape[1] == 1:
        (interval,) = intervals([np.array([table.numpy()[:, 0] for table in rows])], groups=groups)
    else:
        interval = Interval(statistics.fmean(map(metric.reduce, rows)), np.nan, np.nan)
    interval = interval.within(score_range(name))
    return Pooled(mean=interval.mean, low=interval.low, high=interval.high)


def _per_class(
    seeds: Sequence[_Pool], task: Task, groups: Sequence[str] | None
) -> dict[str, dict[str, Pooled]]:
    """IoU per image of every class, over the images that have it in ground truth or prediction."""
    if len(task.classes) < 2:
        return {}
    tables = np.array([pool.counts.iou_by_image() for pool in seeds])  # seeds, classes, images
    found = means([tables[:, k] for k in range(len(task.classes))], groups=groups)
    scores = [(score.interval.within(FRACTION), score.images) for score in found]
    return {
        "iou": {
            name: Pooled(mean=interval.mean, low=interval.low, high=interval.high, images=images)
            for name, (interval, images) in zip(task.classes, scores, strict=True)
        }
    }


def _spread(scores: Sequence[float]) -> Spread:
    defined = [score for score in scores if np.isfinite(score)]
    if not defined:
        return Spread(sd=None, lowest=None, highest=None)
    sd = statistics.stdev(defined) if len(defined) > 1 else None
    return Spread(sd=sd, lowest=min(defined), highest=max(defined))
