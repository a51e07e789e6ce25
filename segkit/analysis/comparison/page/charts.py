"""Data of the page's plots of curves and differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from segkit.analysis.comparison.epochs import LOSSES, curve_label, mean_curve, points
from segkit.analysis.comparison.format import format_difference, verdict, wins_ties_losses
from segkit.analysis.comparison.result import Candidate, Comparison


def curves(comparison: Comparison) -> list[dict[str, Any]]:
    """Curves of every compared metric and loss, the ranking metric first."""
    plots = []
    for key in (*comparison.metrics, *LOSSES):
        lines = [_lines(candidate, key) for candidate in comparison.candidates]
        if any(line["mean"] for line in lines):
            label, published = curve_label(comparison, key), _published(comparison, key)
            plots.append({"label": label, "lines": lines, "published": published})
    return plots


def scores(comparison: Comparison) -> list[list[float | None]]:
    """For every candidate and image, the mean over seeds; None if undefined for a seed."""
    means = [candidate.scores[comparison.metric].mean(axis=0) for candidate in comparison.candidates]
    return [[rounded(value) for value in row] for row in means]


def pairs(comparison: Comparison) -> list[dict[str, Any]]:
    """Mean, interval and text of every pair."""
    positions = {candidate.name: position for position, candidate in enumerate(comparison.candidates)}
    return [
        {
            "a": positions[pair.a],
            "b": positions[pair.b],
            "mean": rounded(pair.difference),
            "low": rounded(pair.low),
            "high": rounded(pair.high),
            "text": f"Mean difference {format_difference(pair)}: {verdict(pair)}. "
            f"{pair.a} against {pair.b}: {wins_ties_losses(pair)}.",
        }
        for pair in comparison.pairs
    ]


def learning_curve_plot(comparison: Comparison) -> dict[str, Any] | None:
    """Training images of the candidates, and the fitted line: images, low, score, high."""
    if (curve := comparison.learning_curve) is None:
        return None
    return {
        "images": curve.images,
        "line": [[rounded(v) for v in (x, at.low, at.mean, at.high)] for x, at in curve.line],
    }


def rounded(value: float | None) -> float | None:
    """Six significant digits; None if undefined, because JSON has no NaN."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _lines(candidate: Candidate, key: str) -> dict[str, Any]:
    runs = candidate.epochs if len(candidate.epochs) > 1 else ()
    return {
        "mean": _coordinates(mean_curve(candidate.epochs, key)),
        "seeds": [_coordinates(points(run, key)) for run in runs],
    }


def _published(comparison: Comparison, key: str) -> list[dict[str, Any]]:
    """One line per source; candidates with the same published numbers share it."""
    lines: list[dict[str, Any]] = []
    for position, candidate in enumerate(comparison.candidates):
        if not (published := candidate.published):
            continue
        source, drawn = published.source or "published", _coordinates(points(published.epochs, key))
        if drawn and not any((line["source"], line["points"]) == (source, drawn) for line in lines):
            lines.append({"source": source, "points": drawn, "candidate": position})
    return lines


def _coordinates(curve: Mapping[int, float]) -> list[list[float | None]]:
    return [[epoch, rounded(value)] for epoch, value in sorted(curve.items())]
