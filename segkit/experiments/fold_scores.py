"""Scores of the model of a fold on the images that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.class_scores import never_trained
from segkit.core.events import Event, RunEnded
from segkit.recipe import load_dumped
from segkit.runs.run_dir import RunDir

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segkit.experiments.restore_run import FinishedRun
    from segkit.recipe.postprocess_settings import PostprocessSettings
    from segkit.training.evaluate import Scores

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FoldScores:
    """Scores of a fold's model on the images that it was not trained on.

    Args:
        names: names of the images.
        groups: their groups; None without `data.split.group`.
        rows: (N, S) rows of `Metric.per_image`, by metric.
        pixels: pixels of the classes in every image, as in `PixelCounts`.
        confusion: likewise of all images.
        metrics: score over these images, by metric.
        digests: digest of each image with its mask.
        warnings: what has changed since training, as sentences.
        trials: of each image, rows of the first metric with every candidate of the post-processing, as
            `Trials.rows` has them; empty if none is to be chosen.
    """

    names: list[str]
    groups: list[str] | None
    rows: Mapping[str, Floats]
    pixels: npt.NDArray[Any]
    confusion: npt.NDArray[Any]
    metrics: Mapping[str, float]
    digests: list[bytes]
    warnings: list[str]
    trials: Sequence[Sequence[Floats]] = ()


def score_fold(run: Path, plugins: Sequence[Path], try_postprocess: bool) -> Iterator[FoldScores]:
    """In a child: score the model of a fold on the images that it was not trained on.

    Args:
        run: run of the fold.
        plugins: files or folders with the parts that it used.
        try_postprocess: whether to score every candidate of the post-processing too.
    """
    from segkit.experiments.choose_postprocess import Trials
    from segkit.experiments.postprocess import trial_rows

    finished = _restore(run, plugins)
    scores, assembly, trials = finished.scores(), finished.assembly, []
    if try_postprocess:
        rows = trial_rows(assembly, "val", Trials(assembly.recipe))
        trials = [[table.numpy() for table in of_image] for of_image in rows]
    yield _fold_scores(finished, scores, trials)


def train_fold(text: str, runs: Path, run: Path | None) -> Iterator[Event | FoldScores]:
    """In a child: train the model of a fold, if need be, and score it on the images it was not trained on.

    Args:
        text: recipe of the fold.
        runs: folder of all runs.
        run: its finished run, or an interrupted one.
    """
    from segkit.experiments.train_runs import train_recipe

    load_dumped(text)  # loads the plugins that it names
    if not run or not RunDir(run).has_ended:
        for event in train_recipe(text, runs, run):
            yield event
            run = event.directory if isinstance(event, RunEnded) else run
    assert run
    yield from score_fold(run, (), try_postprocess=False)


def score_masks(run: Path, plugins: Sequence[Path], settings: PostprocessSettings) -> Iterator[FoldScores]:
    """In a child: score the post-processed masks of these images."""
    from segkit.experiments.postprocess import postprocessed_scores

    finished = _restore(run, plugins)
    scores = postprocessed_scores(finished.assembly, settings, lambda label, done, total: None)
    yield _fold_scores(finished, scores)


def _restore(run: Path, plugins: Sequence[Path]) -> FinishedRun:
    from segkit.experiments.restore_run import read_run, restore, use_available_device
    from segkit.recipe.dataset import find_samples

    directory = RunDir.open(run)
    recipe, changed = read_run(directory, (), plugins)
    recipe, warnings = use_available_device(recipe)
    finished = restore(directory, recipe, changed, scored={"val": find_samples(recipe)["val"]})
    return replace(finished, warnings=[*warnings, *finished.warnings])


def _fold_scores(
    finished: FinishedRun, scores: Scores, trials: Sequence[Sequence[Floats]] = ()
) -> FoldScores:
    assembly, counts = finished.assembly, scores.classes
    assert counts is not None, "pixels are counted in every evaluation"
    prepared = assembly.splits["val"]
    return FoldScores(
        names=[*prepared.names],
        groups=assembly.scored_groups,
        rows={name: rows.numpy() for name, rows in scores.rows.items()},
        pixels=counts.pixels,
        confusion=counts.confusion,
        metrics=scores.metrics,
        digests=prepared.sample_digests,
        warnings=[*finished.warnings, *never_trained(finished.run.read_summary().untrained_classes)],
        trials=trials,
    )
