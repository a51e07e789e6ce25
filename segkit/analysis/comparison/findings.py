"""What a comparison says, in a few plain sentences: never more than its numbers do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from segkit.analysis.comparison.findings_costs import cost_sentences
from segkit.analysis.comparison.findings_curves import curve_sentences
from segkit.analysis.comparison.format import (
    better,
    coverage,
    difference,
    leading_places,
    listed,
    probability_in,
    with_ends,
)
from segkit.analysis.comparison.result import Comparison, PairwiseTest, Ranking
from segkit.analysis.report.format import difference as apart
from segkit.analysis.report.format import metric_name, number, whole

MAX_PUBLISHED = 3  # numbers in one sentence


def analyse(comparison: Comparison) -> list[str]:
    """Who leads and how surely, the curves, published numbers, costs, limits: the verdict comes first."""
    find = {1: _alone, 2: _two}.get(len(comparison.ranking), _many)
    return [
        *find(comparison),
        *curve_sentences(comparison),
        *_published(comparison),
        *cost_sentences(comparison),
        _limits(comparison),
    ]


def _alone(comparison: Comparison) -> list[str]:
    scores, images = _scores(comparison, comparison.ranking), whole(len(comparison.images))
    return [
        f"{comparison.entrants[0].name} has {scores} on {images} images; there is nothing to compare it with."
    ]


def _two(comparison: Comparison) -> list[str]:
    pair = comparison.pairs[0]
    first, second = comparison.ranking
    if winner := better(pair):
        places = [first, second] if first.entrant.name == winner else [second, first]
        scores = _scores(comparison, places, " against ")
        verdict = f"{winner} is better than {places[1].entrant.name}: {scores}."
    else:
        scores = _scores(comparison, [first, second], " and ")
        verdict = f"No difference is shown between {pair.a} and {pair.b}: {scores}."
    return [verdict, _image_by_image(comparison, pair)]


def _many(comparison: Comparison) -> list[str]:
    leading = leading_places(comparison)
    leader, count, pairs = leading[0].entrant.name, len(comparison.ranking), comparison.pairs
    behind = [pair.b for pair in pairs if pair.a == leader == better(pair)]
    if len(behind) == count - 1:
        verdict = f"{leader} is better than each of the {count - 1} others: {_scores(comparison, leading)}."
    elif len(leading) == 1:
        of = f"{len(behind)} of the {count - 1} others"
        verdict = f"{leader} leads with {_scores(comparison, leading)}, and is shown to be better than {of}."
    else:
        names = listed([place.entrant.name for place in leading])
        whom = f"the {count} recipes" if len(leading) == count else f"{names}, which lead"
        among = "between" if len(leading) == 2 else "among"
        scores = _scores(comparison, [leading[0], leading[-1]], " to ")
        verdict = f"No difference is shown {among} {whom}: {scores}."
    nearest = next(pair for pair in pairs if leader in (pair.a, pair.b))
    return [verdict, _image_by_image(comparison, nearest), *_shown(comparison, leader, behind)]


def _shown(comparison: Comparison, leader: str, behind: Sequence[str]) -> list[str]:
    """Who is surely behind, where that is not said, and how many pairs show a difference."""
    shown = sum(better(pair) is not None for pair in comparison.pairs)
    if not shown:
        return []
    some = 0 < len(behind) < len(comparison.ranking) - 1
    worse = f"Shown to be worse than {leader}: {listed(behind)}; of" if some else "Of"
    verb = "shows" if shown == 1 else "show"
    return [f"{worse} all {len(comparison.pairs)} pairs, {shown} {verb} a difference."]


def _image_by_image(comparison: Comparison, pair: PairwiseTest) -> str:
    if not math.isfinite(pair.difference):
        return f"The difference between {pair.a} and {pair.b} is not defined."
    same = f", and both are the same on {whole(pair.ties)}" if pair.ties else ""
    return (
        f"Image by image, {pair.a} is better on {whole(pair.wins)} of "
        f"{whole(pair.wins + pair.ties + pair.losses)}, {pair.b} on {whole(pair.losses)}{same}: "
        f"the mean difference is {difference(pair)}, {probability_in(comparison, pair)}."
    )


def _scores(comparison: Comparison, places: Sequence[Ranking], between: str = "") -> str:
    """``IoU 0.8643 [0.8571, 0.8712] against 0.8284 [0.8203, 0.8361] (95% intervals)``."""
    intervals = [place.metrics[comparison.metric] for place in places]
    notes = []
    if any(math.isfinite(interval.high - interval.low) for interval in intervals):
        notes.append(f"{coverage(comparison)} interval{'s' if len(places) > 1 else ''}")
    if not comparison.higher_is_better:
        notes.append("lower is better")
    note = f" ({'; '.join(notes)})" if notes else ""
    return f"{metric_name(comparison.metric)} {between.join(map(with_ends, intervals))}{note}"


def _published(comparison: Comparison) -> list[str]:
    """Numbers of others, perhaps of other images: there is nothing to test."""
    said = []
    for place in comparison.ranking:
        published, ours = place.entrant.published, place.metrics[comparison.metric].mean
        theirs = published.metrics.get(comparison.metric) if published else None
        if published and (words := apart(ours, theirs)):
            words = "the same to four decimals as" if words == "equal" else words
            source = f" ({published.source})" if published.source else ""
            said.append(f"{place.entrant.name} is {words} {number(theirs)}{source}")
    if not said:
        return []
    more = [f"{len(said) - MAX_PUBLISHED} more refer to such numbers"] if len(said) > MAX_PUBLISHED else []
    told = "; ".join(said[:MAX_PUBLISHED] + more)
    return [f"Beside published {metric_name(comparison.metric)}, single numbers that allow no test: {told}."]


def _limits(comparison: Comparison) -> str:
    entrants = comparison.entrants
    once = [entrant.name for entrant in entrants if len(entrant.seeds) == 1]
    if not once:
        counts = sorted({len(entrant.seeds) for entrant in entrants})
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"Trained with {seeds} seeds each: intervals and p-values take their spread in."
    every = len(once) == len(entrants) > 1
    who = "Each recipe was" if every else f"{listed(once)} {'were' if len(once) > 1 else 'was'}"
    whose = "their recipes" if len(once) > 1 else "its recipe"
    models = "these trained models" if len(once) > 1 else "this trained model"
    return f"{who} trained with one seed: what is said holds for {models}, not for {whose}."
