"""Scores of runs at the images' own size for comparisons, kept in the run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np

from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.core.plugins import load_plugin
from segkit.data.cache.store import pixel_digest
from segkit.data.decoding import run_in_threads
from segkit.data.fit import Fit
from segkit.data.preprocess import Prepared, decode, layout_of
from segkit.experiments.run_recipe import load_run_recipe
from segkit.inference.options import PredictOptions
from segkit.recipe import dump_recipe
from segkit.runs.fingerprint import metrics_digest
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import NativeScores
from segkit.utils.hashing import file_digest
from segkit.version import __version__

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe


def score_natively(run: Path, plugins: Sequence[Path]) -> Iterator[RunData]:
    """In a process of its own: a run with its scores at the images' own size, as `evaluate --native` gives.

    They are computed once, and kept in the run's `native_scores.json`.

    Raises:
        SegkitError: if the run, its images or plugins are damaged or missing.
    """
    directory = RunDir.open(run, stopped=True)
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    recipe = load_run_recipe(directory)
    of, code = _digest(directory, recipe), metrics_digest(recipe)
    scores = directory.read_native_scores()
    if not scores or (scores.of, scores.code) != (of, code):
        scores = _score(directory, of, code, plugins)
        with suppress(OSError):  # of a folder that is read-only: they are computed again the next time
            directory.write_native_scores(scores)
    yield read_run_data(directory).at_native_size(scores)


def _digest(run: RunDir, recipe: Recipe) -> str:
    """Digest of all that decides the scores, except the images and the code of the metrics."""
    text = "\n".join([file_digest(run.weights).hex(), dump_recipe(recipe), __version__])
    return hashlib.sha256(text.encode()).hexdigest()


def _score(run: RunDir, of: str, code: str, plugins: Sequence[Path]) -> NativeScores:
    from segkit.inference.evaluation.evaluate_runs import evaluate_runs  # loads torch
    from segkit.inference.evaluation.evaluation import EvaluateOptions

    evaluation = evaluate_runs(
        [run], EvaluateOptions(native=True, predict=PredictOptions(postprocess=False)), plugins=plugins
    )
    scores, samples = evaluation.scores, evaluation.images.samples
    assert scores.classes is not None, "pixels are counted in every evaluation"
    classes, iou = scores.classes.task.classes, scores.classes.iou_by_image().tolist()
    return NativeScores(
        of=of,
        code=code,
        split=evaluation.images.split,
        names=[normalize("NFC", sample.name) for sample in samples],
        per_image=scores.per_image,
        metrics=scores.metrics,
        intervals={name: (interval.low, interval.high) for name, interval in evaluation.intervals.items()},
        class_iou=dict(zip(classes, iou, strict=True)) if len(classes) > 1 else {},
        pixels=_pixels_digest(samples, evaluation.recipe),
        warnings=evaluation.warnings,
    )


def _pixels_digest(samples: Sequence[Sample], recipe: Recipe) -> str:
    """Digest of images and masks as they are: that of a run with fit: crop at their own scale."""
    data, digests = recipe.data, np.empty((len(samples), 32), np.uint8)
    layout = layout_of(Fit("crop", data.size), data.goal, data.in_channels)

    def read(index: int) -> None:
        pixels = pixel_digest(*decode(samples[index], layout, data.bands))
        digests[index] = np.frombuffer(pixels, np.uint8)

    run_in_threads(read, range(len(samples)), len(samples), lambda done, total: None)
    nothing = np.empty(0)
    return Prepared([sample.name for sample in samples], nothing, nothing, digests).digest()
