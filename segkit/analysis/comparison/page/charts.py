"""What the page's plots draw: curves and differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from segkit.analysis.comparison.epochs import LOSSES, mean_curve
from segkit.analysis.comparison.format import difference, verdict
from segkit.analysis.comparison.result import Candidate, Comparison, PairwiseTest
from segkit.analysis.report.format import metric_name, whole


def curves(comparison: Comparison) -> list[dict[str, Any]]:
    """Everything that runs record per epoch, the metric that ranks them first."""
    told = [name for e in comparison.entrants for name in e.summaries[0].metrics]
    names = dict.fromkeys([comparison.metric, *comparison.metrics, *told, *LOSSES])
    drawn = []
    for key in names:
        lines = [_lines(entrant, key) for entrant in comparison.entrants]
        if any(line["mean"] for line in lines):
            published = _published(comparison, key)
            label = LOSSES.get(key) or metric_name(key)
            drawn.append({"label": label, "lines": lines, "published": published})
    return drawn


def scores(comparison: Comparison) -> list[list[float | None]]:
    """Of every entrant and image, the mean over its seeds; undefined where one of them is."""
    means = [entrant.scores[comparison.metric].mean(axis=0) for entrant in comparison.entrants]
    return [[rounded(value) for value in row] for row in means]


def pairs(comparison: Comparison) -> list[dict[str, Any]]:
    """What stands beside the images' differences."""
    positions = {entrant.name: position for position, entrant in enumerate(comparison.entrants)}
    return [
        {
            "a": positions[pair.a],
            "b": positions[pair.b],
            "mean": rounded(pair.difference),
            "low": rounded(pair.low),
            "high": rounded(pair.high),
            "text": _pair_text(pair),
        }
        for pair in comparison.pairs
    ]


def rounded(value: float | None) -> float | None:
    """As many digits as anybody can see; JSON knows no NaN."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _pair_text(pair: PairwiseTest) -> str:
    same = f", both are the same on {whole(pair.ties)}" if pair.ties else ""
    return (
        f"Mean difference {difference(pair)}: {verdict(pair)}. "
        f"{pair.a} is better on {whole(pair.wins)} images, {pair.b} on {whole(pair.losses)}{same}."
    )


def _lines(entrant: Candidate, key: str) -> dict[str, Any]:
    """Points of the mean over seeds, and of every seed where there are several."""
    seeds = entrant.epochs if len(entrant.epochs) > 1 else ()
    return {
        "mean": _drawn(mean_curve(entrant, key)),
        "seeds": [_drawn(mean_curve(replace(entrant, epochs=(lines,)), key)) for lines in seeds],
    }


def _published(comparison: Comparison, key: str) -> list[dict[str, Any]]:
    """One line per source: entrants that refer to the same numbers share it."""
    found: list[dict[str, Any]] = []
    for position, entrant in enumerate(comparison.entrants):
        if not (theirs := entrant.published):
            continue
        points = _drawn(mean_curve(replace(entrant, epochs=(theirs.epochs,)), key))
        source = theirs.source or "published"
        if points and not any((line["source"], line["points"]) == (source, points) for line in found):
            found.append({"source": source, "points": points, "entrant": position})
    return found


def _drawn(curve: Mapping[int, float]) -> list[list[float | None]]:
    return [[epoch, rounded(value)] for epoch, value in sorted(curve.items())]
