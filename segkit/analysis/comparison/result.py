"""Result of a comparison: ranking, pairwise tests, costs. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from segkit.analysis.comparison.compatibility import has_one_definition
from segkit.analysis.report.format import score_label
from segkit.runs.schema import Costs, Published, Summary

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segkit.analysis.comparison.learning_curve import LearningCurve
    from segkit.analysis.score_range import Range
    from segkit.runs.run_dir import RunDir

    Scores = npt.NDArray[np.float64]

Verdict = Literal["a is better", "b is better", "no difference shown"]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% confidence interval.

    Args:
        mean: mean over images and seeds.
        low: lower limit; NaN if there is no interval, as for a score over all images together.
        high: upper limit, likewise.
    """

    mean: float
    low: float
    high: float

    def within(self, score_range: Range) -> Interval:
        """The interval clipped to the range of the score; undefined limits stay NaN.

        It contains the true score as often as before, since that lies in the range.
        """
        lowest, highest = score_range
        return replace(self, low=max(self.low, lowest), high=min(self.high, highest))


@dataclass(frozen=True)
class Candidate:
    """A recipe with a finished run for each of its seeds.

    Args:
        name: unique name.
        runs: run directories, in the order of the seeds.
        seeds: seeds of the runs.
        recipe: recipe of the first run, as plain data.
        summaries: `summary.json` of every run.
        epochs: lines of `metrics.jsonl` of every run.
        scores: arrays (seeds, images) by metric, in the order of the comparison's images; NaN if undefined.
        class_iou: likewise the IoU by class; empty if unknown.
        costs: mean costs of the runs.
        published: published numbers that the recipe refers to.
        shown: runs whose images and masks are shown: the first one, or those of the first seed's folds.
    """

    name: str
    runs: tuple[RunDir, ...]
    seeds: tuple[int, ...]
    recipe: Mapping[str, Any]
    summaries: tuple[Summary, ...]
    epochs: tuple[list[dict[str, Any]], ...]
    scores: Mapping[str, Scores]
    costs: Costs = field(default_factory=Costs)
    published: Published | None = None
    class_iou: Mapping[str, Scores] = field(default_factory=dict)
    shown: tuple[RunDir, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """A candidate with its rank.

    Args:
        candidate: recipe with its runs.
        rank: 1 + number of significantly better candidates.
        metrics: means with intervals, by metric.
    """

    candidate: Candidate
    rank: int
    metrics: Mapping[str, Interval]


@dataclass(frozen=True)
class PairwiseTest:
    """Paired test of two candidates, a and b; a is the higher-ranked one.

    Args:
        difference: mean of a - b over images.
        low: lower limit of its 95% confidence interval.
        high: upper limit.
        p: `p_seeds`, or `p_wilcoxon` if that is None.
        p_wilcoxon: p-value of the signed-rank test over images, or over the means of their groups.
        p_seeds: p-value of a t-test with the standard error of the interval, over seeds and images or groups;
            None with one seed each and no groups.
        p_adjusted: p after Holm's correction for the number of pairs.
        wins: images on which a is better.
        ties: images with equal scores.
        losses: images on which b is better.
        verdict: "no difference shown" unless `p_adjusted` and the interval are both significant.
        a: name of a.
        b: name of b.
        metric: compared metric.
    """

    difference: float
    low: float
    high: float
    p: float
    p_wilcoxon: float
    p_seeds: float | None
    p_adjusted: float
    wins: int
    ties: int
    losses: int
    verdict: Verdict
    a: str = ""
    b: str = ""
    metric: str = ""


@dataclass(frozen=True)
class ClassScore:
    """Mean IoU of a class, or the difference of two, with its interval and number of images."""

    interval: Interval
    images: int


@dataclass(frozen=True)
class ClassComparison:
    """IoU by class.

    Args:
        names: names of the classes.
        means: mean IoU by class, for every candidate of the ranking.
        differences: differences by class, for every pair.
    """

    names: list[str]
    means: list[dict[str, ClassScore]]
    differences: list[dict[str, ClassScore]]


@dataclass(frozen=True)
class Comparison:
    """Comparison of recipes: ranking, pairwise tests and costs.

    Args:
        metric: metric that ranks the candidates.
        higher_is_better: direction of that metric.
        alpha: significance level; intervals cover 1 - alpha.
        images: names of the compared images.
        ranking: candidates, best first.
        pairs: tests of all pairs, in the order of the ranking.
        warnings: complete sentences.
        costs_measured: sentences on how the costs were measured; empty if they were not.
        command: command line that repeats the comparison.
        classes: IoU by class; None for binary tasks, or if a run has no scores of its classes.
        native: whether scores are at the images' own size though not all recipes score there.
        learning_curve: if the candidates differ in `data.fraction` alone.
        groups: number of groups of images, over which the intervals are; 0 if each image is one of its own.
    """

    metric: str
    higher_is_better: bool
    alpha: float
    images: list[str]
    ranking: list[Ranking]
    pairs: list[PairwiseTest]
    warnings: list[str] = field(default_factory=list)
    costs_measured: str = ""
    command: str = ""
    classes: ClassComparison | None = None
    native: bool = False
    learning_curve: LearningCurve | None = None
    groups: int = 0

    @property
    def candidates(self) -> list[Candidate]:
        """Candidates, best first."""
        return [ranking.candidate for ranking in self.ranking]

    @property
    def details(self) -> dict[str, str]:
        """What names of metrics do not say, by metric."""
        summaries = [summary for candidate in self.candidates for summary in candidate.summaries]
        details = {name: text for summary in summaries for name, text in summary.metric_details.items()}
        if not has_one_definition([c.recipe.get("metrics") or [] for c in self.candidates], self.metric):
            details[self.metric] = "with different options"  # compared by force
        return details

    def label(self, metric: str) -> str:
        """Display name of a metric."""
        return score_label(metric, self.details)

    @property
    def metrics(self) -> list[str]:
        """Metrics that all candidates have, the ranking metric first."""
        return list(self.ranking[0].metrics)

    def as_json(self) -> dict[str, Any]:
        """Content of `comparison.json`."""
        return {
            "metric": self.metric,
            "metric_details": self.details,
            "higher_is_better": self.higher_is_better,
            "alpha": self.alpha,
            "images": len(self.images),
            "groups": self.groups,
            "native": self.native,
            "ranking": [
                {
                    "name": ranking.candidate.name,
                    "rank": ranking.rank,
                    "runs": [str(run.path) for run in ranking.candidate.runs],
                    "seeds": list(ranking.candidate.seeds),
                    "metrics": {name: asdict(interval) for name, interval in ranking.metrics.items()},
                    "costs": ranking.candidate.costs.model_dump(),
                    **_per_class(means, "mean"),
                }
                for ranking, means in zip_longest(self.ranking, self.classes.means if self.classes else ())
            ],
            "pairs": [
                {"a": pair.a, "b": pair.b, **asdict(pair), **_per_class(differences, "difference")}
                for pair, differences in zip_longest(
                    self.pairs, self.classes.differences if self.classes else ()
                )
            ],
            **({"learning_curve": self.learning_curve.as_json()} if self.learning_curve else {}),
            "warnings": self.warnings,
            "costs_measured": self.costs_measured,
            "command": self.command,
        }

    def records(self) -> list[dict[str, Any]]:
        """One flat row per candidate, for `pandas.DataFrame`."""
        return [
            {
                "rank": ranking.rank,
                "name": ranking.candidate.name,
                "seeds": len(ranking.candidate.seeds),
                **_flat(ranking.metrics),
                **ranking.candidate.costs.model_dump(),
            }
            for ranking in self.ranking
        ]


def _per_class(scores: Mapping[str, ClassScore] | None, key: str) -> dict[str, Any]:
    """``{"per_class": {"iou": {"road": {key: ..., "low": ..., "high": ..., "images": ...}}}}``."""
    if scores is None:
        return {}
    iou = {
        name: {
            key: score.interval.mean,
            "low": score.interval.low,
            "high": score.interval.high,
            "images": score.images,
        }
        for name, score in scores.items()
    }
    return {"per_class": {"iou": iou}}


def _flat(metrics: Mapping[str, Interval]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, interval in metrics.items():
        flat |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return flat
