"""What a report is made of: all that a run directory holds, and the published numbers it refers to."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from segkit.core.errors import SegkitError
from segkit.runs.run_dir import RunDir, ScoredSample
from segkit.runs.schema import Environment, Published, Scores, Summary
from segkit.utils.safe_read import corrupt_file


@dataclass(frozen=True)
class RunData:
    """A run, read.

    Args:
        run: its directory.
        names: of the scored images.
        scores: of every metric, in the order of the names; NaN where undefined.
        published: None where the recipe refers to nothing.
    """

    run: RunDir
    recipe: dict[str, Any]
    environment: Environment
    summary: Summary
    epochs: list[dict[str, Any]]
    names: list[str]
    scores: dict[str, list[float]]
    samples: list[ScoredSample]
    published: Published | None

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, the one that chose the best epoch first."""
        return self.summary.metrics

    @property
    def first_metric(self) -> str:
        """The metric that chose the best epoch."""
        return self.summary.first_metric or self.metrics[0]

    @property
    def higher_is_better(self) -> bool:
        """Whether a high score of the first metric is a good one.

        Where the summary does not tell, the best epoch does: its score lies on the good side of the others.
        """
        if self.summary.higher_is_better is not None:
            return self.summary.higher_is_better
        best = self.summary.best.metrics.get(self.first_metric)
        scores = [score for line in self.epochs if (score := line.get(self.first_metric)) is not None]
        return best is None or not scores or bool(best >= statistics.median(scores))


def read_run_data(run: RunDir) -> RunData:
    """Read a run directory.

    Raises:
        SegkitError: naming the file that is missing or damaged.
    """
    for path in (run.recipe, run.environment, run.summary, run.metrics, run.scores):
        if not path.is_file():
            raise SegkitError("the report needs a file that the run did not write", where=str(path))
    recipe, summary = run.read_recipe(), run.read_summary()
    names, scores = run.read_scores()
    _check_scores(run, [*summary.metrics, *filter(None, [summary.first_metric])], scores)
    return RunData(
        run=run,
        recipe=recipe,
        environment=run.read_environment(),
        summary=summary,
        epochs=run.read_epochs(),
        names=names,
        scores=scores,
        samples=run.read_samples(),
        published=_published(summary.reference, recipe),
    )


def _published(kept: Published | None, recipe: dict[str, Any]) -> Published | None:
    """What the run kept. The file that its recipe names is not opened: it may be anyone's recipe."""
    if kept is None:
        return None
    named, note = (recipe.get("reference") or {}).get("epochs"), kept.note
    if named and "epochs" not in kept.model_fields_set:
        note = f"The published epochs in {named} are not shown: the run kept no copy of them."
    return kept.model_copy(update={"metrics": kept.metrics or _best_of(kept.epochs), "note": note})


def _check_scores(run: RunDir, metrics: Iterable[str], scores: dict[str, list[float]]) -> None:
    """Every metric that the run names has its column.

    Raises:
        SegkitError: if one has not.
    """
    if lacking := [name for name in metrics if name not in scores]:
        raise corrupt_file(run.scores, f"it has no column {lacking[0]}")


def _best_of(epochs: list[Scores]) -> Scores:
    """Scores of the published epoch with the highest IoU, else Dice: both are better when higher."""
    for metric in ("iou", "dice"):
        if rows := [row for row in epochs if row.get(metric) is not None]:
            best = max(rows, key=lambda row: row[metric] or 0.0)
            return {name: value for name in ("iou", "dice") if (value := best.get(name)) is not None}
    return {}
