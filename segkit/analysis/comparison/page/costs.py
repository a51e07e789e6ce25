"""Data of the plot of quality against cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from segkit.analysis.comparison.costs import COSTS
from segkit.analysis.comparison.result import Comparison

LOG_FROM = 10  # ratio of the largest to the smallest cost from which the axis is logarithmic


def cost_plots(comparison: Comparison) -> list[dict[str, Any]]:
    """One plot for each cost known of at least two candidates."""
    scores = [ranking.metrics[comparison.metric].mean for ranking in comparison.ranking]
    plots = []
    for cost in (cost for cost in COSTS if cost.unit):
        values = [getattr(candidate.costs, cost.key) for candidate in comparison.candidates]
        known = [v for v, score in zip(values, scores, strict=True) if v is not None and math.isfinite(score)]
        if len(known) < 2:
            continue
        plots.append(
            {
                "label": cost.label,
                "axis": f"{cost.label} ({cost.unit})",
                "values": [None if value is None else value / cost.size for value in values],
                "texts": [cost.text(value) for value in values],
                "front": pareto_front(values, scores, higher_is_better=comparison.higher_is_better),
                "log": min(known) > 0 and max(known) / min(known) >= LOG_FROM,
            }
        )
    return plots


def pareto_front(
    costs: Sequence[float | None], scores: Sequence[float], *, higher_is_better: bool
) -> list[int]:
    """Positions of the Pareto-optimal candidates, cheapest first."""
    sign = 1 if higher_is_better else -1
    points = [
        (cost, -sign * score, position)
        for position, (cost, score) in enumerate(zip(costs, scores, strict=True))
        if cost is not None and math.isfinite(score)
    ]
    front = [
        point
        for point in points
        if not any(p[0] <= point[0] and p[1] <= point[1] and p[:2] != point[:2] for p in points)
    ]
    return [position for *_, position in sorted(front)]
