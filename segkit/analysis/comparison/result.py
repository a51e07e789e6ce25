"""What a comparison found, as plain values: every page, table and file draws from this. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from segkit.runs.schema import Costs, Published, Summary

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segkit.runs.run_dir import RunDir

    Scores = npt.NDArray[np.float64]

Verdict = Literal["a is better", "b is better", "no difference shown"]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval.

    Args:
        mean: over images, and over seeds where there are several.
        low: NaN where no interval can be given, as for scores that are no mean over images.
        high: likewise.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """A recipe in the comparison, with a finished run for each of its seeds.

    Args:
        name: unlike that of any other entrant.
        runs: one for each seed, in the seeds' order.
        seeds: of the runs.
        recipe: of the first run, as plain data.
        summaries: `summary.json` of every run.
        epochs: the lines of `metrics.jsonl` of every run.
        scores: by metric (seeds, images), in the order of the comparison's images; NaN where undefined.
        costs: what is known of them.
        published: the numbers its recipe refers to.
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


@dataclass(frozen=True)
class Ranking:
    """An entrant's place in the ranking.

    Args:
        entrant: who.
        rank: 1 + the number of entrants that are shown to be better.
        metrics: by name.
    """

    entrant: Candidate
    rank: int
    metrics: Mapping[str, Interval]


@dataclass(frozen=True)
class Difference:
    """What the scores of two entrants, a and b, show image by image.

    Args:
        difference: mean of a - b over the images.
        low: of its 95% interval.
        high: likewise.
        p: probability of such a difference by chance: the larger of the next two.
        p_wilcoxon: of the signed-rank test over images.
        p_seeds: of a t-test that takes the spread over seeds in; None where both have one seed.
        p_adjusted: p after Holm's correction for the number of pairs.
        wins: images on which a is better.
        ties: images on which both are the same.
        losses: images on which b is better.
        verdict: in words; "no difference shown" unless p_adjusted and the interval both show one.
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


@dataclass(frozen=True)
class PairwiseTest(Difference):
    """Two entrants by name, and their difference.

    Args:
        a: the one that stands higher in the ranking.
        b: the other.
        metric: what is compared.
    """

    a: str
    b: str
    metric: str


@dataclass(frozen=True)
class Comparison:
    """Which of several recipes is better, by how much, how surely, and at what cost.

    Args:
        metric: what they are ranked by.
        higher_is_better: of that metric.
        alpha: what p_adjusted must fall below; intervals cover 1 - alpha.
        images: names of the images that all were scored on.
        ranking: best first.
        pairs: every two of them, in the ranking's order.
        warnings: whole sentences for the reader.
        costs_measured: how the costs were measured, in a sentence; empty where nobody has measured.
        command: that makes this comparison again.
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

    @property
    def entrants(self) -> list[Candidate]:
        """Best first."""
        return [place.entrant for place in self.ranking]

    @property
    def metrics(self) -> list[str]:
        """What all of them were scored with, the one that ranks them first."""
        return list(self.ranking[0].metrics)

    def as_json(self) -> dict[str, Any]:
        """The document of `segkit compare --json`."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "alpha": self.alpha,
            "images": len(self.images),
            "ranking": [
                {
                    "name": place.entrant.name,
                    "rank": place.rank,
                    "runs": [str(run.path) for run in place.entrant.runs],
                    "seeds": list(place.entrant.seeds),
                    "metrics": {name: asdict(interval) for name, interval in place.metrics.items()},
                    "costs": place.entrant.costs.model_dump(),
                }
                for place in self.ranking
            ],
            "pairs": [{"a": pair.a, "b": pair.b, **asdict(pair)} for pair in self.pairs],
            "warnings": self.warnings,
            "costs_measured": self.costs_measured,
            "command": self.command,
        }

    def records(self) -> list[dict[str, Any]]:
        """One flat row per entrant, as `pandas.DataFrame` takes them."""
        return [
            {
                "rank": place.rank,
                "name": place.entrant.name,
                "seeds": len(place.entrant.seeds),
                **_flat(place.metrics),
                **place.entrant.costs.model_dump(),
            }
            for place in self.ranking
        ]


def _flat(metrics: Mapping[str, Interval]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, interval in metrics.items():
        flat |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return flat
