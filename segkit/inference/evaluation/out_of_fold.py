"""Evaluation of a cross-validation on its own images, each by the models that were not trained on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import torch

from segkit.analysis.cross_validation.out_of_fold import SPLIT
from segkit.core.class_scores import PixelCounts
from segkit.core.errors import DataError
from segkit.data.split_file import SampleNames
from segkit.experiments.confidence import confidence_intervals
from segkit.experiments.cv_postprocess import CHOSEN_ON_SCORED
from segkit.experiments.metric_details import metric_details
from segkit.experiments.restore_run import read_run, use_available_device
from segkit.inference.evaluation.evaluate_runs import class_warnings, groups_in_split
from segkit.inference.evaluation.evaluation import EvaluateOptions, Evaluation
from segkit.inference.evaluation.scored_model import ScoredModel, scored_model
from segkit.inference.evaluation.select_images import ScoredImages
from segkit.recipe.dataset import find_samples
from segkit.training.evaluate import Scores, scores_of

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.core.types import Metric, Pixels, Progress, Sample
    from segkit.inference.evaluation.score_images import Scorer
    from segkit.recipe import Recipe
    from segkit.runs.cv_dir import CvDir
    from segkit.runs.run_dir import RunDir


@dataclass(frozen=True)
class _Fold:
    """The models of a fold, one for each seed, with the images that they were not trained on."""

    runs: list[RunDir]
    recipe: Recipe
    samples: list[Sample]
    model: ScoredModel
    warnings: list[str]


def evaluate_out_of_fold(
    cv: CvDir,
    options: EvaluateOptions,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> Evaluation:
    """Score every image of a cross-validation by the model that was not trained on it.

    With several seeds, by the mean probabilities of these models. With one seed and default options, the
    scores are those of the cross-validation, post-processed if it is.

    Args:
        cv: the cross-validation.
        options: evaluation options; images are those of the folds, whatever their split.
        overrides: recipe changes, as for `--set`.
        plugins: files or folders with the parts that its runs used.
        on_progress: callback of (label, done, total).

    Raises:
        SegkitError: if its runs or images are damaged or missing, or cannot be scored with these options.
    """
    started = time.perf_counter()
    record, by_fold = cv.read(), dict[int, list["RunDir"]]()
    for run, of in zip(cv.runs, record.folds, strict=True):
        by_fold.setdefault(of.fold, []).append(run)
    folds = [_fold(cv, runs, options, overrides, plugins, on_progress) for runs in by_fold.values()]
    first = folds[0]
    scorer = _FoldScorer(
        [fold.model.scorer for fold in folds], [fold.samples for fold in folds], first.model.metrics
    )
    images = ScoredImages(SPLIT, scorer.samples)
    (scores,) = scorer.scores(on_progress)
    groups, postprocess = groups_in_split(images.samples, first.recipe), first.model.postprocess
    runs = [run for fold in folds for run in fold.runs]
    warnings = [text for fold in folds for text in fold.warnings] + class_warnings(runs, scores, images)
    if record.postprocess_choice and postprocess and postprocess == record.postprocess:
        warnings.append(CHOSEN_ON_SCORED)
    return Evaluation(
        runs=runs,
        recipe=first.recipe,
        options=options,
        images=images,
        scores=scores,
        members=[],
        postprocess=postprocess,
        intervals=confidence_intervals(first.recipe.metrics, first.model.metrics, scores.rows, groups),
        groups=len({*groups}) if groups else None,
        details=metric_details(first.recipe.metrics),
        reported=None,
        warnings=[*dict.fromkeys(warnings)],
        seconds=time.perf_counter() - started,
        scorer=scorer,
        cross_validation=cv.path,
        models_per_image=len(first.runs),
    )


def _fold(
    cv: CvDir,
    runs: list[RunDir],
    options: EvaluateOptions,
    overrides: Sequence[str],
    plugins: Sequence[Path],
    on_progress: Progress,
) -> _Fold:
    recipe, changed = read_run(runs[0], overrides, plugins)
    recipe, of_device = use_available_device(recipe, overrides)
    samples = _samples(cv, runs[0], recipe)
    images = ScoredImages("val", samples)
    model = scored_model(runs, recipe, changed, options, overrides, plugins, images, on_progress)
    return _Fold(runs, recipe, samples, model, [*of_device, *model.warnings])


def _samples(cv: CvDir, run: RunDir, recipe: Recipe) -> list[Sample]:
    """The images that the run was not trained on, as it recorded: the source may have others by now."""
    names = SampleNames([sample for samples in find_samples(recipe).values() for sample in samples])
    found = {name: names.find(name) for name in run.read_names("val")}
    if missing := [name for name, samples in found.items() if len(samples) != 1]:
        raise DataError(
            f"{missing[0]}, an image of the cross-validation, is not among the images of the recipe any more",
            where=str(cv.path),
            hint="put it back, or repeat the cross-validation",
        )
    return [sample for samples in found.values() for sample in samples]


class _FoldScorer:
    """Scorer of the images of all folds, in the order of their names; see `Scorer`."""

    as_reported = False

    def __init__(
        self, scorers: Sequence[Scorer], samples: Sequence[Sequence[Sample]], metrics: Mapping[str, Metric]
    ) -> None:
        self._scorers, self._metrics = scorers, metrics
        self._counts = [len(own) for own in samples]
        every = [sample for own in samples for sample in own]
        self._order = sorted(range(len(every)), key=lambda index: every[index].name)
        self.samples = [every[index] for index in self._order]

    def scores(self, on_progress: Progress) -> list[Scores]:
        """See `Scorer`."""
        label, before = f"scoring {ScoredImages(SPLIT, self.samples)}", accumulate(self._counts, initial=0)
        folds = [
            scorer.scores(_shifted(on_progress, label, start, len(self.samples)))[0]
            for scorer, start in zip(self._scorers, before, strict=False)
        ]
        counts = [scores.classes for scores in folds if scores.classes]
        pixels = np.concatenate([each.pixels for each in counts])[self._order]
        confusion = np.sum([each.confusion for each in counts], axis=0)
        tables = {
            name: torch.cat([scores.rows[name] for scores in folds])[self._order] for name in self._metrics
        }
        loss = float(np.average([scores.loss for scores in folds], weights=self._counts))
        return [scores_of(self._metrics, tables, PixelCounts(counts[0].task, pixels, confusion), loss)]

    def image_and_masks(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """See `Scorer`."""
        index, fold = self._order[index], 0
        while index >= self._counts[fold]:
            index, fold = index - self._counts[fold], fold + 1
        return self._scorers[fold].image_and_masks(index)


def _shifted(on_progress: Progress, label: str, start: int, total: int) -> Progress:
    return lambda _, done, __: on_progress(label, start + done, total)
