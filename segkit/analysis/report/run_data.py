"""Contents of a run directory, read for a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from segkit.analysis.comparison.compatibility import metric_name, registered_name
from segkit.analysis.comparison.result import Interval
from segkit.analysis.comparison.statistics import intervals
from segkit.analysis.report.format import OWN_SIZE, image_label, is_mean, score_label, scored_size
from segkit.analysis.score_range import Range, score_range
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import Floats, RunDir, ScoredSample, TrainingSample
from segkit.runs.schema import Environment, NativeScores, Published, Scores, SplitScores, Summary
from segkit.utils.public_text import public_names
from segkit.utils.safe_read import corrupt_file


@dataclass(frozen=True)
class RunData:
    """Contents of a run directory."""

    run: RunDir
    recipe: dict[str, Any]
    environment: Environment
    summary: Summary
    epochs: list[dict[str, Any]]
    names: list[str]  # of the scored images; none if the run has not ended
    scores: dict[str, list[float]]  # by metric, in the order of `names`; NaN where undefined
    samples: list[ScoredSample]
    published: Published | None
    class_iou: Floats | None = None  # (classes, images), as `RunDir.read_class_iou`; read for comparisons
    groups: Mapping[str, str] = field(default_factory=dict)  # by name; empty without groups
    training: Sequence[TrainingSample] = ()  # a few images as the model saw them
    cross_validation: Path | None = None  # directory, if the scores are those of all images out of fold
    fold_runs: Sequence[RunDir] = ()  # and the runs of its folds
    native: NativeScores | None = None  # if `scores` are these instead of the run's own; for comparisons

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics in the recipe's order."""
        return self.summary.metrics

    @property
    def first_metric(self) -> str:
        """Metric that chose the best epoch."""
        return self.summary.first_metric or self.metrics[0]

    def label(self, metric: str) -> str:
        """Display name of a metric's score over all images."""
        return score_label(metric, self.summary.metric_details)

    def image_label(self, metric: str) -> str:
        """Display name of a metric's score of one image."""
        return image_label(self.label(metric), is_mean=self.is_mean(metric))

    def is_mean(self, metric: str) -> bool:
        """Whether the reported score is the mean over images; one over all images together is not."""
        return is_mean(self.scores.get(metric, ()), self.summary.scores.metrics.get(metric))

    def interval(self, metric: str) -> Interval:
        """Reported score of a metric with its 95% interval over images; NaN if it has none.

        Runs of older versions recorded no intervals; those of means are computed from the scores.
        """
        scores, possible = self.summary.scores, self.range_of(metric)
        if self.scores.get(metric) and metric not in scores.intervals and self.is_mean(metric):
            return intervals([np.array([self.scores[metric]])])[0].within(possible)
        values = (scores.metrics.get(metric), *scores.intervals.get(metric, (None, None)))
        return Interval(*(math.nan if value is None else value for value in values)).within(possible)

    def range_of(self, metric: str) -> Range:
        """Lowest and highest score that a metric can give."""
        names = {metric_name(part): registered_name(part) for part in self.recipe.get("metrics") or ()}
        return score_range(names.get(metric, metric))

    @cached_property
    def public_names(self) -> dict[str, str]:
        """Names of the scored images without folders of this machine, by name."""
        return dict(zip(self.names, public_names(self.names), strict=True))

    @property
    def size(self) -> str:
        """Size of the scored images in words; empty if unknown."""
        return OWN_SIZE if self.native else scored_size(self.recipe.get("data") or {})

    @property
    def defined_scores(self) -> list[float]:
        """Defined scores of the first metric."""
        return [score for score in self.scores.get(self.first_metric, []) if math.isfinite(score)]

    @property
    def higher_is_better(self) -> bool:
        """Whether higher scores of the first metric are better.

        If the summary does not record it, it is inferred from the score of the best epoch.
        """
        if self.summary.higher_is_better is not None:
            return self.summary.higher_is_better
        best = self.summary.best.metrics.get(self.first_metric)
        scores = [score for line in self.epochs if (score := line.get(self.first_metric)) is not None]
        return best is None or not scores or bool(best >= statistics.median(scores))

    def at_native_size(self, native: NativeScores) -> RunData:
        """The same run with its scores at the images' own size."""
        scores = SplitScores(split=native.split, metrics=native.metrics, intervals=native.intervals)
        update = {
            "reported_on": native.split,
            "scores": scores,
            "classes": [*native.class_iou] or self.summary.classes,
            "warnings": [*dict.fromkeys([*self.summary.warnings, *native.warnings])],
        }
        return replace(
            self,
            names=native.names,
            scores={name: _numbers(column) for name, column in native.per_image.items()},
            summary=self.summary.model_copy(update=update),
            class_iou=np.array([*map(_numbers, native.class_iou.values())]) if native.class_iou else None,
            native=native,
        )


def read_run_data(run: RunDir) -> RunData:
    """Read a run directory.

    Raises:
        SegkitError: if a file is missing or damaged.
    """
    for path in (run.recipe, run.environment, run.metrics, *([run.scores] if run.has_ended else [])):
        if not path.is_file():
            raise SegkitError("the report needs a file that the run did not write", where=str(path))
    recipe, summary = run.read_recipe(), run.read_summary()
    # Images are scored when a run ends.
    names, scores = run.read_scores() if run.has_ended else ([], {name: [] for name in summary.metrics})
    for metric in (*summary.metrics, summary.first_metric):
        if metric and metric not in scores:
            raise corrupt_file(run.scores, f"it has no column {metric}")
    return RunData(
        run=run,
        recipe=recipe,
        environment=run.read_environment(),
        summary=summary,
        epochs=run.read_epochs(),
        names=names,
        scores=scores,
        samples=run.read_samples() if run.has_ended else [],
        groups=run.read_groups() if ((recipe.get("data") or {}).get("split") or {}).get("group") else {},
        training=run.read_training_samples() if run.has_ended else [],
        published=_published(summary.reference, recipe),
    )


def _numbers(column: Sequence[float | None]) -> list[float]:
    return [math.nan if score is None else score for score in column]


def _published(reference: Published | None, recipe: dict[str, Any]) -> Published | None:
    # Only the copy in the summary: a recipe of somebody else must not open files of this machine.
    if reference is None:
        return None
    file, note = (recipe.get("reference") or {}).get("epochs"), reference.note
    if file and "epochs" not in reference.model_fields_set:
        note = f"The published epochs in {file} are not shown: the run kept no copy of them."
    metrics = reference.metrics or _best_of(reference.epochs)
    return reference.model_copy(update={"metrics": metrics, "note": note})


def _best_of(epochs: list[Scores]) -> Scores:
    """Scores of the epoch with the highest IoU, else Dice."""
    for metric in ("iou", "dice"):
        if rows := [row for row in epochs if row.get(metric) is not None]:
            best = max(rows, key=lambda row: row[metric] or 0.0)
            return {name: value for name in ("iou", "dice") if (value := best.get(name)) is not None}
    return {}
