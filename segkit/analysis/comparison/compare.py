"""Finished runs become a `Comparison`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from segkit.analysis.comparison.compatibility import check_compatible
from segkit.analysis.comparison.costs import how_measured
from segkit.analysis.comparison.entries import RunResult, entrants_of
from segkit.analysis.comparison.result import Candidate, Comparison, Interval, PairwiseTest, Ranking
from segkit.analysis.comparison.statistics import compare_pairs, intervals
from segkit.core.errors import SegkitError

ALPHA = 0.05


def compare_runs(
    finished: Sequence[RunResult],
    directions: Mapping[str, bool],
    *,
    metric: str = "",
    force: bool = False,
    command: str = "",
) -> Comparison:
    """Compare finished runs, image by image.

    Args:
        finished: the runs; those of one experiment differ in their seed alone.
        directions: whether a larger score is better, by metric.
        metric: what to rank by; by default what chose the first run's best epoch.
        force: compare what cannot be compared fairly, on the images that all were scored on, with warnings.
        command: that makes this comparison again.

    Raises:
        SegkitError: if runs cannot be compared, with every difference; if there is no such metric, or it is
            no mean over images.
    """
    metric = metric or finished[0].material.first_metric
    images, warnings = check_compatible([one.scored for one in finished], metric, force=force)
    _check_metric(finished, metric, directions)
    entrants, left_out = entrants_of(finished, images)
    entrants = _best_first(entrants, metric, higher_is_better=directions[metric])
    pairs = _pairs(entrants, metric, higher_is_better=directions[metric])
    means = _means(finished, entrants, metric, images)
    return Comparison(
        metric=metric,
        higher_is_better=directions[metric],
        alpha=ALPHA,
        images=images,
        ranking=[
            Ranking(entrant, _rank(entrant, pairs), {name: column[i] for name, column in means.items()})
            for i, entrant in enumerate(entrants)
        ],
        pairs=pairs,
        warnings=[*warnings, *left_out, *_warnings(entrants)],
        costs_measured=how_measured([run for entrant in entrants for run in entrant.runs]),
        command=command,
    )


def _warnings(entrants: Sequence[Candidate]) -> list[str]:
    """What the runs warn of: what all of them do once, what some do with their names."""
    warned: dict[str, list[str]] = {}
    for entrant in entrants:
        for warning in dict.fromkeys(text for one in entrant.summaries for text in one.warnings):
            warned.setdefault(warning, []).append(entrant.name)
    return [
        text if len(names) == len(entrants) else f"{', '.join(names)}: {text}"
        for text, names in warned.items()
    ]


def _check_metric(finished: Sequence[RunResult], metric: str, directions: Mapping[str, bool]) -> None:
    hint = "--metric with a score that every image has, such as iou or dice"
    if metric not in directions:
        raise SegkitError(
            f"whether a larger {metric} is a better one is not known: its plugin is not loaded",
            hint=f"--plugins with the place of the plugin, or {hint}",
        )
    if not all(one.averages(metric) for one in finished):
        raise SegkitError(
            f"{metric} is a score of all images together, and cannot be compared image by image", hint=hint
        )


def _best_first(entrants: Sequence[Candidate], metric: str, *, higher_is_better: bool) -> list[Candidate]:
    """By their means; those without any score last."""

    def place(entrant: Candidate) -> tuple[bool, float]:
        scores = entrant.scores[metric]
        mean = float(np.nanmean(scores)) if np.isfinite(scores).any() else math.nan
        return math.isnan(mean), -mean if higher_is_better else mean

    return sorted(entrants, key=place)


def _pairs(entrants: Sequence[Candidate], metric: str, *, higher_is_better: bool) -> list[PairwiseTest]:
    scores = [entrant.scores[metric] for entrant in entrants]
    found = compare_pairs(scores, higher_is_better=higher_is_better, alpha=ALPHA)
    names = [(a.name, b.name) for i, a in enumerate(entrants) for b in entrants[i + 1 :]]
    return [
        PairwiseTest(a=a, b=b, metric=metric, **vars(one)) for (a, b), one in zip(names, found, strict=True)
    ]


def _rank(entrant: Candidate, pairs: Sequence[PairwiseTest]) -> int:
    """1 + the number of entrants that are shown to be better."""
    losers = [{"a is better": pair.b, "b is better": pair.a}.get(pair.verdict) for pair in pairs]
    return 1 + losers.count(entrant.name)


def _means(
    finished: Sequence[RunResult], entrants: Sequence[Candidate], metric: str, images: Sequence[str]
) -> dict[str, list[Interval]]:
    """Of every metric that all have, the one that ranks them first.

    What is a score of all images together comes as its runs report it, without an interval; and not at all
    where the runs were scored on other images than those that are compared.
    """
    names = [metric, *(name for name in entrants[0].scores if name != metric)]
    whole = all(len(one.material.names) == len(images) for one in finished)
    means = {}
    for name in names:
        if not all(name in entrant.scores for entrant in entrants):
            continue
        if all(one.averages(name) for one in finished):
            means[name] = intervals([entrant.scores[name] for entrant in entrants], alpha=ALPHA)
        elif whole:
            means[name] = [_reported(entrant, name) for entrant in entrants]
    return means


def _reported(entrant: Candidate, metric: str) -> Interval:
    scores = [summary.scores.metrics.get(metric) for summary in entrant.summaries]
    mean = statistics.fmean(math.nan if score is None else score for score in scores)
    return Interval(mean, math.nan, math.nan)
