"""Findings of a comparison in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from segkit.analysis.comparison.findings_costs import cost_sentences
from segkit.analysis.comparison.findings_curves import curve_sentences
from segkit.analysis.comparison.format import (
    adjusted_p,
    better,
    coverage,
    format_difference,
    format_interval,
    join_names,
    leaders,
    wins_ties_losses,
)
from segkit.analysis.comparison.learning_curve import learning_curve_sentence
from segkit.analysis.comparison.result import Comparison, PairwiseTest, Ranking
from segkit.analysis.report.format import difference, few_images_note, number, whole

# The factors are quantiles of Student's t at 2 and 8 degrees of freedom.
TWO_SEEDS = (
    "Two seeds measure the variation between seeds only roughly, so a difference must be large to be "
    "significant: about 4.3 times its standard error with two seeds each, where seeds matter more than "
    "images, and 2.3 times with five. A smaller one may be real all the same: more seeds can show it."
)
MAX_PUBLISHED = 3  # numbers in one sentence


def analyse(comparison: Comparison) -> list[str]:
    """Sentences: verdict, learning curve, epochs, published numbers, costs; the last states the limits."""
    findings = {1: _single, 2: _two}.get(len(comparison.ranking), _several)
    verdict, *others = findings(comparison)
    curve = learning_curve_sentence(comparison)
    return [
        verdict,
        *([curve] if curve else []),
        *others,
        *curve_sentences(comparison),
        *_published(comparison),
        *([] if _few_images(comparison) else cost_sentences(comparison)),
        _limits(comparison),
    ]


def _single(comparison: Comparison) -> list[str]:
    scores, images = _scores(comparison, comparison.ranking), whole(len(comparison.images))
    name = comparison.candidates[0].name
    return [f"{name} has {scores} on {images} images; there is no other recipe to compare it with."]


def _two(comparison: Comparison) -> list[str]:
    pair = comparison.pairs[0]
    first, second = comparison.ranking
    if winner := better(pair):
        order = [first, second] if first.candidate.name == winner else [second, first]
        scores = _scores(comparison, order, " against ")
        verdict = f"{winner} is better than {order[1].candidate.name}: {scores}."
    else:
        scores = _scores(comparison, [first, second], " and ")
        verdict = f"No significant difference between {pair.a} and {pair.b}: {scores}."
    return [verdict, _image_by_image(pair)]


def _several(comparison: Comparison) -> list[str]:
    leading = leaders(comparison)
    leader, count, pairs = leading[0].candidate.name, len(comparison.ranking), comparison.pairs
    worse = [pair.b for pair in pairs if pair.a == leader == better(pair)]
    if len(worse) == count - 1:
        verdict = f"{leader} is better than each of the {count - 1} others: {_scores(comparison, leading)}."
    elif len(leading) == 1:
        scores, part = _scores(comparison, leading), f"{len(worse)} of the {count - 1} others"
        verdict = f"{leader} leads with {scores}, and is significantly better than {part}."
    else:
        names = join_names([ranking.candidate.name for ranking in leading])
        recipes = f"the {count} recipes" if len(leading) == count else f"the leading recipes {names}"
        scores = _scores(comparison, [leading[0], leading[-1]], " to ")
        verdict = f"No significant difference between {recipes}: {scores}."
    nearest = next(pair for pair in pairs if leader in (pair.a, pair.b))
    return [verdict, _image_by_image(nearest), *_significant_pairs(comparison, leader, worse)]


def _significant_pairs(comparison: Comparison, leader: str, worse: Sequence[str]) -> list[str]:
    significant = sum(better(pair) is not None for pair in comparison.pairs)
    if not significant:
        return []
    some = 0 < len(worse) < len(comparison.ranking) - 1
    names = f"Significantly worse than {leader}: {join_names(worse)}; " if some else ""
    verb = "differs" if significant == 1 else "differ"
    return [f"{names}{significant} of {len(comparison.pairs)} pairs {verb} significantly."]


def _image_by_image(pair: PairwiseTest) -> str:
    if not math.isfinite(pair.difference):
        return f"The difference between {pair.a} and {pair.b} is undefined."
    return (
        f"{pair.a} against {pair.b}, image by image: {wins_ties_losses(pair)}; "
        f"mean difference {format_difference(pair)}, {adjusted_p(pair)}."
    )


def _scores(comparison: Comparison, rankings: Sequence[Ranking], separator: str = "") -> str:
    """``IoU 0.8643 [0.8571, 0.8712] against 0.8284 [0.8203, 0.8361] (95% intervals)``."""
    intervals = [ranking.metrics[comparison.metric] for ranking in rankings]
    notes = []
    if any(math.isfinite(interval.high - interval.low) for interval in intervals):
        notes.append(f"{coverage(comparison)} interval{'s' if len(rankings) > 1 else ''}")
    if not comparison.higher_is_better:
        notes.append("lower is better")
    note = f" ({'; '.join(notes)})" if notes else ""
    return f"{comparison.label(comparison.metric)} {separator.join(map(format_interval, intervals))}{note}"


def _published(comparison: Comparison) -> list[str]:
    texts = []
    for ranking in comparison.ranking:
        published = ranking.candidate.published
        score = published.metrics.get(comparison.metric) if published else None
        if published and (text := difference(ranking.metrics[comparison.metric].mean, score)):
            text = "the same to four decimals as" if text == "equal" else text
            source = f" ({published.source})" if published.source else ""
            texts.append(f"{ranking.candidate.name} is {text} {number(score)}{source}")
    if not texts:
        return []
    more = [f"{len(texts) - MAX_PUBLISHED} more"] if len(texts) > MAX_PUBLISHED else []
    listed = "; ".join(texts[:MAX_PUBLISHED] + more)
    return [f"Compared with the published {comparison.label(comparison.metric)}, without a test: {listed}."]


def _limits(comparison: Comparison) -> str:
    counts = {len(candidate.seeds) for candidate in comparison.candidates}
    note = few_images_note(len(comparison.images), comparison.groups or None)
    return " ".join(
        [
            *_few_images(comparison),
            *([note] if note else []),
            _seeds(comparison),
            *([TWO_SEEDS] if 2 in counts else []),
        ]
    )


def _few_images(comparison: Comparison) -> list[str]:
    images, pairs = len(comparison.images), len(comparison.pairs)
    if comparison.groups:  # p is that of a t-test
        return []
    smallest = min(1.0, pairs * 2.0 ** (1 - images))  # of Wilcoxon's test, adjusted
    if not pairs or smallest < comparison.alpha or any(len(one.seeds) > 1 for one in comparison.candidates):
        return []
    return [
        f"With {whole(images)} images no difference can be significant, as the smallest possible p-value is "
        f"{smallest:.3g}: more test images are needed."
    ]


def _seeds(comparison: Comparison) -> str:
    candidates = comparison.candidates
    once = [candidate.name for candidate in candidates if len(candidate.seeds) == 1]
    if not once:
        counts = sorted({len(candidate.seeds) for candidate in candidates})
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"Trained with {seeds} seeds each: intervals and p-values include the variation between seeds."
    if len(candidates) == 1:
        return (
            f"{once[0]} was trained once; repeat with --seeds 0,1,2 to measure the variation between seeds."
        )
    names = f"{join_names(once)} {'were' if len(once) > 1 else 'was'}"
    who = "Each was" if len(once) == len(candidates) else names
    return f"{who} trained once; repeat with --seeds 0,1,2 before claiming that one method is better."
