"""Tables and texts of a comparison for its templates."""

from __future__ import annotations

from typing import Any

from segkit.analysis.comparison.classes import NOTE, class_table
from segkit.analysis.comparison.compatibility import IGNORED
from segkit.analysis.comparison.costs import COSTS
from segkit.analysis.comparison.findings import analyse
from segkit.analysis.comparison.format import (
    coverage,
    format_difference,
    format_interval,
    format_p,
    headline,
    verdict,
)
from segkit.analysis.comparison.learning_curve import learning_curve_sentence, learning_curve_table
from segkit.analysis.comparison.result import Candidate, Comparison, PairwiseTest
from segkit.analysis.report.format import NOTHING, number, whole
from segkit.analysis.report.tables import TIMES, Table, flat, given_to_decoder, shape_text
from segkit.utils.public_text import public_command

MAX_METRICS = 4  # including the ranking metric
GIVEN = (
    "Encoder stages given to the decoder",
    f"Input of the decoder ({TIMES.join('Chw')})",
    f"Output of the decoder ({TIMES.join('Chw')})",
    "Precision",
    "Device",
)
MAX_PAIRS = 15  # more than that: only pairs with the first candidate


def common_context(comparison: Comparison) -> dict[str, Any]:
    """Template variables of both the page and the Markdown file."""
    first, *analysis = analyse(comparison)
    return {
        "title": headline(comparison),
        "verdict": first,
        "analysis": analysis,
        "metric": comparison.label(comparison.metric),
        "higher_is_better": comparison.higher_is_better,
        "alpha": f"{comparison.alpha:g}",
        "coverage": coverage(comparison),
        "how_computed": how_computed(comparison),
        "warnings": comparison.warnings,
        "recipes": recipe_table(comparison),
        "classes_table": class_table(comparison),
        "classes_note": NOTE,
        "learning_curve": learning_curve_table(comparison),
        "learning_curve_note": learning_curve_sentence(comparison),
        "costs_measured": comparison.costs_measured,
        "command": public_command(comparison.command),
    }


def ranking_table(comparison: Comparison) -> Table:
    """Ranks, names, scores with intervals, published scores, seeds; a sole leader is marked."""
    metrics = comparison.metrics[:MAX_METRICS]
    references = [candidate.published for candidate in comparison.candidates]
    scores = [published.metrics.get(comparison.metric) if published else None for published in references]
    published_column = [f"Published {comparison.label(comparison.metric)}"] if any(scores) else []
    rows = [
        [
            whole(ranking.rank),
            ranking.candidate.name,
            *(format_interval(ranking.metrics[name]) for name in metrics),
            *(number(score) for _ in published_column),
            whole(len(ranking.candidate.seeds)),
        ]
        for ranking, score in zip(comparison.ranking, scores, strict=True)
    ]
    columns = ["Rank", "Recipe", *map(comparison.label, metrics), *published_column, "Seeds"]
    sole_leader = [ranking.rank for ranking in comparison.ranking].count(1) == 1 < len(rows)
    numeric = [title != "Recipe" for title in columns]
    return Table("Ranking", columns, rows, numeric, 0 if sole_leader else None)


def cost_table(comparison: Comparison) -> Table:
    """Known costs; no rows if none are known."""
    known = [cost for cost in COSTS if any(getattr(c.costs, cost.key) for c in comparison.candidates)]
    rows = [
        [candidate.name, *(cost.text(getattr(candidate.costs, cost.key)) for cost in known)]
        for candidate in comparison.candidates
    ]
    columns = ["Recipe", *(cost.label for cost in known)]
    return Table("Costs", columns, rows if known else [], [False, *(True for _ in known)])


def pair_table(comparison: Comparison) -> Table:
    """Differences with intervals, adjusted p, wins, ties and losses, and verdicts."""
    rows = [
        [
            pair.a,
            pair.b,
            format_difference(pair),
            format_p(pair.p_adjusted),
            " / ".join(map(whole, (pair.wins, pair.ties, pair.losses))),
            verdict(pair),
        ]
        for pair in shown_pairs(comparison)
    ]
    columns = ["A", "B", "A \N{MINUS SIGN} B", "Adjusted p", "Wins / ties / losses", "Verdict"]
    return Table("Differences", columns, rows, [False, False, True, True, True, False])


def recipe_table(comparison: Comparison) -> Table:
    """Recipe options that differ, and what the parts were given; no rows for a single recipe."""
    candidates = comparison.candidates
    recipes = [
        dict(flat({key: value for key, value in candidate.recipe.items() if key not in IGNORED}))
        for candidate in candidates
    ]
    paths = dict.fromkeys(path for recipe in recipes for path in recipe)
    rows = [[path, *(recipe.get(path, NOTHING) for recipe in recipes)] for path in paths]
    given = zip(GIVEN, *map(_given, candidates), strict=True)
    rows += [[*row] for row in given if all(row)]  # stopped runs do not record all of it
    differing = [row for row in rows if len(set(row[1:])) > 1]
    columns = ["Option", *(candidate.name for candidate in candidates)]
    return Table("Where the recipes differ", columns, differing, [False] * len(columns))


def how_computed(comparison: Comparison) -> str:
    """How intervals and p-values were calculated, in sentences."""
    counts = {len(candidate.seeds) for candidate in comparison.candidates}
    if comparison.groups:
        also = " and seeds" if counts != {1} else ""
        return (
            f"Images of one group are not independent: intervals and p are those of a t-test over "
            f"{whole(comparison.groups)} groups of images{also}."
        )
    several = "Where a recipe has several seeds, intervals come from a t-test over images and seeds."
    once = "With one seed each, intervals are bootstrapped over images."
    if comparison.pairs:
        several = (
            "Where a recipe has several seeds, intervals and p come from one t-test over images and seeds: "
            f"p is below {comparison.alpha:g} exactly where the interval excludes zero."
        )
        once = f"{once[:-1]}, and p is that of Wilcoxon's signed-rank test over images."
    return " ".join([several] * (counts != {1}) + [once] * (1 in counts))


def shown_pairs(comparison: Comparison) -> list[PairwiseTest]:
    """All pairs, or only those with the first candidate if there are many."""
    if len(comparison.pairs) <= MAX_PAIRS:
        return comparison.pairs
    first = comparison.candidates[0].name
    return [pair for pair in comparison.pairs if first in (pair.a, pair.b)]


def _given(candidate: Candidate) -> tuple[str, ...]:
    """What options such as `features: auto` came to, in the order of `GIVEN`; empty where unknown."""
    summary = candidate.summaries[0]
    outputs = ", ".join(shape_text(stage) for stage in summary.stages if stage.part == "decoder")
    return *given_to_decoder(summary.stages), outputs, summary.precision, summary.device
