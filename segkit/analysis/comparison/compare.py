"""Comparison of finished runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from segkit.analysis.comparison.candidates import RunResult, group_candidates
from segkit.analysis.comparison.classes import compare_classes
from segkit.analysis.comparison.compatibility import (
    check_compatible,
    has_one_definition,
    metric_name,
    registered_name,
)
from segkit.analysis.comparison.costs import how_measured
from segkit.analysis.comparison.result import Candidate, Comparison, Interval, PairwiseTest, Ranking
from segkit.analysis.comparison.statistics import compare_pairs, intervals
from segkit.analysis.score_range import Range, range_of_differences
from segkit.core.errors import SegkitError, worded

ALPHA = 0.05


def compare_runs(
    results: Sequence[RunResult],
    directions: Mapping[str, bool],
    *,
    metric: str = "",
    force: bool = False,
    command: str = "",
) -> Comparison:
    """Compare finished runs, image by image.

    Args:
        results: finished runs; those that differ only in the seed become one candidate.
        directions: for each metric, whether a higher score is better.
        metric: metric to rank by; by default the first run's first one with a score per image.
        force: compare incompatible runs on their common images, with warnings.
        command: command line that repeats this comparison.

    Raises:
        SegkitError: if runs are incompatible (lists every difference), or the metric is unknown or not a mean
            over images.
    """
    metric = metric or _first_comparable_metric(results)
    images, warnings = check_compatible([result.scored for result in results], metric, force=force)
    higher_is_better = _direction(results, metric, directions)
    candidates, duplicates = group_candidates(results, images)
    groups, ungrouped = _groups_of(results, images)
    candidates = _best_first(candidates, metric, higher_is_better=higher_is_better)
    differences = range_of_differences(results[0].data.range_of(metric))
    pairs = [
        _within(pair, differences)
        for pair in _pairs(candidates, metric, groups, higher_is_better=higher_is_better)
    ]
    unlike = _unlike_metrics(results, metric)
    left_out = (f"{name} is left out: its options differ between the recipes." for name in unlike)
    means = _means(results, candidates, metric, images, groups, unlike)
    return Comparison(
        metric=metric,
        higher_is_better=higher_is_better,
        alpha=ALPHA,
        images=images,
        ranking=[
            Ranking(candidate, _rank(candidate, pairs), {name: column[i] for name, column in means.items()})
            for i, candidate in enumerate(candidates)
        ],
        pairs=pairs,
        warnings=[
            *warnings,
            *duplicates,
            *left_out,
            *ungrouped,
            *_of_folds(results),
            *_run_warnings(candidates),
        ],
        costs_measured=how_measured([run for candidate in candidates for run in candidate.runs]),
        command=command,
        classes=compare_classes(candidates, ALPHA, groups),
        groups=len({*groups}) if groups else 0,
        native=any(result.data.native for result in results),
    )


def _groups_of(results: Sequence[RunResult], images: Sequence[str]) -> tuple[list[str] | None, list[str]]:
    """Group of each image as the first run with groups has it, and a warning if another run has others."""
    found = {
        str(result.run.path): [result.data.groups[name] for name in images]
        for result in results
        if result.data.groups and all(name in result.data.groups for name in images)
    }
    if not found:
        return None, []
    (first, groups), *others = found.items()
    unlike = [path for path, other in others if not _same_groups(groups, other)]
    warning = f"Intervals are over the groups of {first}; those of {', '.join(unlike)} are others."
    return groups, [warning] if unlike else []


def _of_folds(results: Sequence[RunResult]) -> list[str]:
    names = dict.fromkeys(result.name for result in results if result.data.cross_validation)
    return [
        f"{name} is a cross-validation: its scores are those of all images, each by models that were not "
        "trained on it; its curves and costs are those of the model of its first fold."
        for name in names
    ]


def _same_groups(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether they divide the images alike, by whatever names."""
    return len({*first}) == len({*second}) == len({*zip(first, second, strict=True)})


def _run_warnings(candidates: Sequence[Candidate]) -> list[str]:
    """Warnings of the runs, with names unless all candidates have them."""
    names_by_warning: dict[str, list[str]] = {}
    for candidate in candidates:
        for warning in dict.fromkeys(text for summary in candidate.summaries for text in summary.warnings):
            names_by_warning.setdefault(warning, []).append(candidate.name)
    return [
        warning if len(names) == len(candidates) else f"{', '.join(names)}: {warning}"
        for warning, names in names_by_warning.items()
    ]


def _first_comparable_metric(results: Sequence[RunResult]) -> str:
    data = results[0].data
    names = (name for name in data.metrics if all(result.data.is_mean(name) for result in results))
    return next(names, data.first_metric)


def _direction(results: Sequence[RunResult], metric: str, directions: Mapping[str, bool]) -> bool:
    """Whether a higher score is better; checks that the metric can be compared."""
    parts = (part for result in results for part in result.scored.metrics if metric_name(part) == metric)
    registered = registered_name(next(parts, metric))
    hint = worded("--metric", "the argument metric") + " with a score per image, such as iou or dice"
    if registered not in directions:
        raise SegkitError(
            f"unknown metric {registered!r}: the plugin that defines it is not loaded",
            hint=f"{worded('--plugins', 'the argument plugins')} with the path of the plugin, or {hint}",
        )
    if not all(result.data.is_mean(metric) for result in results):
        raise SegkitError(
            f"{metric} is computed over all images together and cannot be compared image by image", hint=hint
        )
    return directions[registered]


def _best_first(candidates: Sequence[Candidate], metric: str, *, higher_is_better: bool) -> list[Candidate]:
    def sort_key(candidate: Candidate) -> tuple[bool, float]:
        scores = candidate.scores[metric]
        mean = float(np.nanmean(scores)) if np.isfinite(scores).any() else math.nan
        return math.isnan(mean), -mean if higher_is_better else mean

    return sorted(candidates, key=sort_key)


def _pairs(
    candidates: Sequence[Candidate], metric: str, groups: Sequence[str] | None, *, higher_is_better: bool
) -> list[PairwiseTest]:
    scores = [candidate.scores[metric] for candidate in candidates]
    tests = compare_pairs(scores, higher_is_better=higher_is_better, alpha=ALPHA, groups=groups)
    pairs = zip(combinations(candidates, 2), tests, strict=True)
    return [replace(test, a=a.name, b=b.name, metric=metric) for (a, b), test in pairs]


def _within(pair: PairwiseTest, differences: Range) -> PairwiseTest:
    interval = Interval(pair.difference, pair.low, pair.high).within(differences)
    return replace(pair, low=interval.low, high=interval.high)


def _rank(candidate: Candidate, pairs: Sequence[PairwiseTest]) -> int:
    losers = [{"a is better": pair.b, "b is better": pair.a}.get(pair.verdict) for pair in pairs]
    return 1 + losers.count(candidate.name)


def _unlike_metrics(results: Sequence[RunResult], metric: str) -> list[str]:
    """Other metrics whose options differ between the runs."""
    names = dict.fromkeys(name for result in results for name in result.data.scores if name != metric)
    sections = [result.scored.metrics for result in results]
    return [name for name in names if not has_one_definition(sections, name)]


def _means(
    results: Sequence[RunResult],
    candidates: Sequence[Candidate],
    metric: str,
    images: Sequence[str],
    groups: Sequence[str] | None,
    unlike: Sequence[str],
) -> dict[str, list[Interval]]:
    """Means of every metric that all candidates have, the ranking metric first.

    Scores over all images together are taken from the summaries, and only if the runs were scored on exactly
    the compared images; with several seeds they have no interval.
    """
    others = (name for name in candidates[0].scores if name != metric and name not in unlike)
    same_images = all(len(result.data.names) == len(images) for result in results)
    means = {}
    for name in (metric, *others):
        if not all(name in candidate.scores for candidate in candidates):
            continue
        if all(result.data.is_mean(name) for result in results):
            means[name] = intervals(
                [candidate.scores[name] for candidate in candidates], alpha=ALPHA, groups=groups
            )
        elif same_images:
            means[name] = [_reported(candidate, name) for candidate in candidates]
        else:
            continue
        score_range = results[0].data.range_of(name)
        means[name] = [interval.within(score_range) for interval in means[name]]
    return means


def _reported(candidate: Candidate, metric: str) -> Interval:
    scores = [summary.scores.metrics.get(metric) for summary in candidate.summaries]
    mean = statistics.fmean(math.nan if score is None else score for score in scores)
    limits = candidate.summaries[0].scores.intervals.get(metric) if len(scores) == 1 else None
    low, high = (math.nan if limit is None else limit for limit in limits or (None, None))
    return Interval(mean, low, high)
