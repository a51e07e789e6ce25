"""How often intervals hold the truth, and how often a difference is shown where there is none: by simulation.

    python tests/pages/intervals.py

simulates comparisons whose truth is known, and writes what it finds into compare.md (some minutes).
`groups` behind it writes only what is found where images are in groups.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segkit.analysis.comparison.statistics import compare_pairs, intervals

Scores = npt.NDArray[np.float64]
Limits = tuple[float, float]

SIMULATIONS = 1000
QUICK = 500  # resamples: the limits are a little rougher, and what they hold on average is the same
MEAN = 0.85
PAGE = Path(__file__).parents[2] / "docs" / "compare.md"
# Seeds whose means lie about as far apart as the mean of the images is uncertain (0.01), further, and nearer.
LAYOUTS = [
    (1, 100, 0.0), (1, 379, 0.0), (2, 200, 0.03), (2, 200, 0.01),
    (3, 200, 0.03), (3, 200, 0.01), (5, 200, 0.03), (5, 200, 0.005),
]  # fmt: skip
# Where seeds change nothing at all, what little they seem to change makes intervals a little too wide.
ALIKE = [(2, 200, 0.0), (3, 200, 0.0), (5, 200, 0.0)]
GROUPED = [(1, 20), (1, 60), (5, 60)]
EQUALS = [(2, 1, 0.0), (5, 1, 0.0), (2, 2, 0.01), (4, 2, 0.01), (2, 3, 0.01), (4, 3, 0.01)]


def simulated(
    rng: np.random.Generator,
    seeds: Sequence[int],
    images: int,
    *,
    spread: float,
    noise: float = 0.05,
    means: Sequence[float] = (),
) -> list[Scores]:
    """Scores of candidates as IoUs are: skewed, most of them high, some images hard for all; never cut off.

    Args:
        rng: draws.
        seeds: of each candidate.
        images: scored by all.
        spread: standard deviation of the seeds' means.
        noise: of every single score.
        means: of the candidates, in truth; all the same by default.
    """
    hard = (rng.beta(8, 1.5, images) - 8 / 9.5) * 1.2
    return [
        mean + hard + rng.normal(0, spread, (count, 1)) + rng.normal(0, noise, (count, images))
        for mean, count in zip(means or [MEAN] * len(seeds), seeds, strict=True)
    ]


def of_a_mean(scores: Sequence[Scores]) -> Limits:
    """The interval of one candidate."""
    (interval,) = intervals(scores, resamples=QUICK)
    return interval.low, interval.high


def of_a_difference(scores: Sequence[Scores]) -> Limits:
    """The interval of the difference of two."""
    (pair,) = compare_pairs(scores, higher_is_better=True, resamples=QUICK)
    return pair.low, pair.high


def held(
    limits: Callable[[Sequence[Scores]], Limits],
    truth: float,
    seeds: Sequence[int],
    images: int,
    spread: float,
    simulations: int = SIMULATIONS,
) -> float:
    """How often the limits hold the truth."""
    rng = np.random.default_rng(2026)
    count = 0
    for _ in range(simulations):
        low, high = limits(simulated(rng, seeds, images, spread=spread))
        count += low <= truth <= high
    return count / simulations


def shown(
    candidates: int,
    seeds: int,
    spread: float,
    *,
    means: Sequence[float] = (),
    simulations: int = SIMULATIONS,
) -> float:
    """The share of comparisons, of 100 images, in which any pair is said to differ."""
    rng = np.random.default_rng(11)
    count = 0
    for _ in range(simulations):
        scores = simulated(rng, [seeds] * candidates, 100, spread=spread, means=means)
        pairs = compare_pairs(scores, higher_is_better=True, resamples=QUICK)
        count += any(pair.verdict != "no difference shown" for pair in pairs)
    return count / simulations


def grouped(rng: np.random.Generator, seeds: Sequence[int], groups: int) -> tuple[list[Scores], list[str]]:
    """Scores of candidates on images of groups, such as patients, and the group of each image.

    A group makes all its images easier or harder for each candidate, and a little more so for each of its
    seeds. Most groups are small and some are large, whatever their scores. Means of seeds lie 0.02 apart; one
    seed alone tells nothing of that.
    """
    sizes = 1 + rng.geometric(0.25, groups)
    group_of, images = np.repeat(np.arange(groups), sizes), int(sizes.sum())
    hard = ((rng.beta(8, 1.5, groups) - 8 / 9.5) * 1.2)[group_of] + rng.normal(0, 0.04, images)
    scores = [
        MEAN
        + hard
        + rng.normal(0, 0.02 if count > 1 else 0, (count, 1))
        + rng.normal(0, 0.05, groups)[group_of]
        + rng.normal(0, 0.02, (count, groups))[:, group_of]
        + rng.normal(0, 0.05, (count, images))
        for count in seeds
    ]
    return scores, [*map(str, group_of)]


def held_groups(
    seeds: int, groups: int, *, difference: bool, known: bool, simulations: int = SIMULATIONS
) -> float:
    """How often limits hold the truth on grouped images, with the groups `known` or not."""
    rng, count = np.random.default_rng(7), 0
    for _ in range(simulations):
        scores, names = grouped(rng, [seeds] * (1 + difference), groups)
        told = names if known else None
        if difference:
            (pair,) = compare_pairs(scores, higher_is_better=True, resamples=QUICK, groups=told)
            count += pair.low <= 0 <= pair.high
        else:
            (interval,) = intervals(scores, resamples=QUICK, groups=told)
            count += interval.low <= MEAN <= interval.high
    return count / simulations


def found_groups() -> str:
    """What is found with groups, as Markdown."""
    rows = [
        [
            str(seeds), str(groups), "a difference" if difference else "a mean",
            f"{held_groups(seeds, groups, difference=difference, known=True):.1%}",
            f"{held_groups(seeds, groups, difference=difference, known=False):.1%}",
        ]
        for seeds, groups in GROUPED
        for difference in (False, True)
    ]  # fmt: skip
    return _table([["seeds", "groups", "interval of", "groups known", "groups not known"], *rows])


def found() -> str:
    """What is found, as Markdown."""
    rows = [
        [
            str(seeds), str(images), f"{spread:g}", f"{held(of_a_mean, MEAN, [seeds], images, spread):.1%}",
            f"{held(of_a_difference, 0.0, [seeds, seeds], images, spread):.1%}",
        ]
        for seeds, images, spread in [*LAYOUTS, *ALIKE]
    ]  # fmt: skip
    head = ["seeds", "images", "spread over seeds", "interval of a mean", "interval of a difference"]
    equal = [
        [str(candidates), str(seeds), f"{spread:g}", f"{shown(candidates, seeds, spread):.1%}"]
        for candidates, seeds, spread in EQUALS
    ]
    below = ["recipes", "seeds", "spread over seeds", "any pair said to differ"]
    between = "Where recipes do not differ in truth, on 100 images:"
    return "\n\n".join([_table([head, *rows]), between, _table([below, *equal])])


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *others])


def main() -> None:
    """Simulate, and write it down."""
    if sys.argv[1:] != ["groups"]:
        _write("simulated", found())
    _write("simulated with groups", found_groups())


def _write(name: str, text: str) -> None:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    block = f"{begin}\n{text}\n{end}"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(f"{begin}.*?{end}", lambda _: block, page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
