"""The tables of a comparison, as rows of text; templates only draw them."""

from __future__ import annotations

from segkit.analysis.comparison.cost_types import COSTS
from segkit.analysis.comparison.format import difference, probability, verdict, with_ends
from segkit.analysis.comparison.result import Candidate, Comparison, PairwiseTest
from segkit.analysis.report.format import NOTHING, metric_name, number, whole
from segkit.analysis.report.tables import Table, flat

MAX_METRICS = 4  # the one that ranks, and three more
SAID = ("name", "description", "reference", "seed", "plugins")  # of a recipe, and changes nothing
MAX_PAIRS = 15  # of more, those with the first one only


def ranking_table(comparison: Comparison) -> Table:
    """Rank, name, scores with intervals, what was published, seeds; who leads alone stands out."""
    metrics = comparison.metrics[:MAX_METRICS]
    theirs = [_published(entrant, comparison.metric) for entrant in comparison.entrants]
    published = [f"Published {metric_name(comparison.metric)}"] if any(theirs) else []
    rows = [
        [
            whole(place.rank),
            place.entrant.name,
            *(with_ends(place.metrics[name]) for name in metrics),
            *(number(score) for _ in published),
            whole(len(place.entrant.seeds)),
        ]
        for place, score in zip(comparison.ranking, theirs, strict=True)
    ]
    columns = ["Rank", "Recipe", *map(metric_name, metrics), *published, "Seeds"]
    alone = [place.rank for place in comparison.ranking].count(1) == 1 < len(rows)
    numeric = [title != "Recipe" for title in columns]
    return Table("The ranking", columns, rows, numeric, 0 if alone else None)


def cost_table(comparison: Comparison) -> Table:
    """Every cost that anything is known of; without rows where nothing is."""
    known = [cost for cost in COSTS if any(getattr(one.costs, cost.key) for one in comparison.entrants)]
    rows = [
        [entrant.name, *(cost.text(getattr(entrant.costs, cost.key)) for cost in known)]
        for entrant in comparison.entrants
    ]
    columns = ["Recipe", *(cost.label for cost in known)]
    return Table("What they cost", columns, rows if known else [], [False, *(True for _ in known)])


def pair_table(comparison: Comparison) -> Table:
    """Differences with their intervals, and what they show."""
    rows = [
        [
            pair.a,
            pair.b,
            difference(pair),
            probability(pair.p_adjusted),
            " / ".join(map(whole, (pair.wins, pair.ties, pair.losses))),
            verdict(pair),
        ]
        for pair in shown_pairs(comparison)
    ]
    columns = ["A", "B", "A \N{MINUS SIGN} B", "Adjusted p", "A better / same / B better", "Verdict"]
    return Table("Differences", columns, rows, [False, False, True, True, True, False])


def recipe_table(comparison: Comparison) -> Table:
    """Where the recipes differ; without rows for a single one."""
    recipes = [
        dict(flat({key: value for key, value in entrant.recipe.items() if key not in SAID}))
        for entrant in comparison.entrants
    ]
    paths = dict.fromkeys(path for recipe in recipes for path in recipe)
    rows = [[path, *(recipe.get(path, NOTHING) for recipe in recipes)] for path in paths]
    differing = [row for row in rows if len(set(row[1:])) > 1]
    columns = ["In the recipe", *(entrant.name for entrant in comparison.entrants)]
    return Table("Where the recipes differ", columns, differing, [False] * len(columns))


def shown_pairs(comparison: Comparison) -> list[PairwiseTest]:
    """All pairs, or of very many those with the first one."""
    if len(comparison.pairs) <= MAX_PAIRS:
        return comparison.pairs
    first = comparison.entrants[0].name
    return [pair for pair in comparison.pairs if first in (pair.a, pair.b)]


def _published(entrant: Candidate, metric: str) -> float | None:
    return entrant.published.metrics.get(metric) if entrant.published else None
