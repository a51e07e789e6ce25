"""Training curves of a comparison in two sentences: which one leads, and where they settle."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, takewhile

from segkit.analysis.comparison.epochs import Curve, mean_curve, scored_in_epochs
from segkit.analysis.comparison.result import Comparison
from segkit.analysis.report.format import number

TOLERANCE = 0.005  # absolute for scores in 0..1, otherwise relative to the best
STABLE_SHARE = 1 / 4  # of the epochs: curves that crossed later than that may cross again
MAX_SETTLING = 3  # curves in one sentence


def curve_sentences(comparison: Comparison) -> list[str]:
    """Sentences on the mean curves of the ranking metric; empty if there are none."""
    curves = {
        candidate.name: mean_curve(candidate.epochs, comparison.metric) for candidate in comparison.candidates
    }
    settling = curves if len(curves) <= MAX_SETTLING else dict(list(curves.items())[:1])
    return [
        *_leading(comparison, curves),
        *_settling(settling, higher_is_better=comparison.higher_is_better),
    ]


def _leading(comparison: Comparison, curves: Mapping[str, Curve]) -> list[str]:
    scored_on = scored_in_epochs(comparison)
    common = sorted(set.intersection(*map(set, curves.values())))
    leaders = _leaders(curves, common, higher_is_better=comparison.higher_is_better)
    if len(curves) == 1 or len(leaders) < 2 or len(scored_on) > 1 or comparison.native:
        return []
    changes = [epoch for before, epoch in pairwise(leaders) if leaders[before] != leaders[epoch]]
    word = ("high" if comparison.higher_is_better else "low") + ("er" if len(curves) == 2 else "est")
    images = f" on {scored_on[0]}" if scored_on else ""
    first, last = min(leaders), max(leaders)
    curve = f"{comparison.label(comparison.metric)} curve of {leaders[first]}{images}"
    if not changes:
        every = len(leaders) == len(common)
        epochs = f"all {len(common)} epochs" if every else f"{len(leaders)} of {len(common)} epochs"
        ties = "" if every else "; the others are ties"
        scope = "" if all(len(values) == len(common) for values in curves.values()) else " that all runs have"
        return [f"The {curve} is the {word} one in {epochs}{scope}{ties}."]
    if sum(epoch >= changes[-1] for epoch in leaders) < max(2, STABLE_SHARE * len(leaders)):
        count = "once," if len(changes) == 1 else f"{len(changes)} times, last"
        return [f"The leading curve{images} changes {count} at epoch {changes[-1]}."]
    count = f" ({len(changes)} changes)" if len(changes) > 1 else ""
    return [
        f"The {curve} is the {word} one at first, that of {leaders[last]} from epoch {changes[-1]} on{count}."
    ]


def _leaders(curves: Mapping[str, Curve], epochs: list[int], *, higher_is_better: bool) -> dict[int, str]:
    """Name of the leading curve by epoch, without epochs where the best are equal."""
    leaders = {}
    for epoch in epochs:
        first, *rest = sorted(curves, key=lambda name: curves[name][epoch], reverse=higher_is_better)
        if not rest or curves[first][epoch] != curves[rest[0]][epoch]:
            leaders[epoch] = first
    return leaders


def _settling(curves: Mapping[str, Curve], *, higher_is_better: bool) -> list[str]:
    absolute = all(0 <= value <= 1 for curve in curves.values() for value in curve.values())
    side = "below" if higher_is_better else "above"
    texts = []
    for name, curve in curves.items():
        if len(curve) < 2:
            continue
        best = (max if higher_is_better else min)(curve, key=lambda epoch: curve[epoch])
        tolerance = TOLERANCE if absolute else TOLERANCE * abs(curve[best])
        settled = _settled(curve, curve[best], tolerance)
        if not settled:
            distance = number(abs(curve[max(curve)] - curve[best]))
            texts.append(f"{name} ends {distance} {side} its best (epoch {best})")
        elif len(settled) < STABLE_SHARE * len(curve):
            texts.append(f"{name} only from epoch {settled[-1]} of {max(curve)} on")
        else:
            texts.append(f"{name} from epoch {settled[-1]} on")
    tolerance_text = f"{TOLERANCE}" if absolute else f"{100 * TOLERANCE:g}%"
    return [f"Within {tolerance_text} of the best score: {'; '.join(texts)}."] if texts else []


def _settled(curve: Curve, best: float, tolerance: float) -> list[int]:
    """Final epochs within the tolerance of the best value, last one first."""
    return list(takewhile(lambda epoch: abs(curve[epoch] - best) <= tolerance, sorted(curve, reverse=True)))
