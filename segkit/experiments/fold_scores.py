"""Scores of the model of a fold on the images that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.class_scores import never_trained
from segkit.runs.run_dir import RunDir

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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
    """

    names: list[str]
    groups: list[str] | None
    rows: Mapping[str, Floats]
    pixels: npt.NDArray[Any]
    confusion: npt.NDArray[Any]
    metrics: Mapping[str, float]
    digests: list[bytes]
    warnings: list[str]


def score_fold(run: Path, plugins: Sequence[Path]) -> Iterator[FoldScores]:
    """In a child: score the model of a fold on the images that it was not trained on."""
    from segkit.experiments.restore_run import read_run, restore, use_available_device
    from segkit.recipe.dataset import find_samples

    directory = RunDir.open(run)
    recipe, changed = read_run(directory, (), plugins)
    recipe, warnings = use_available_device(recipe)
    finished = restore(directory, recipe, changed, scored={"val": find_samples(recipe)["val"]})
    assembly, scores = finished.assembly, finished.scores()
    prepared, counts = assembly.splits["val"], scores.classes
    assert counts is not None, "pixels are counted in every evaluation"
    untrained = never_trained(directory.read_summary().untrained_classes)
    yield FoldScores(
        names=[*prepared.names],
        groups=assembly.scored_groups,
        rows={name: rows.numpy() for name, rows in scores.rows.items()},
        pixels=counts.pixels,
        confusion=counts.confusion,
        metrics=scores.metrics,
        digests=prepared.sample_digests,
        warnings=[*warnings, *finished.warnings, *untrained],
    )
