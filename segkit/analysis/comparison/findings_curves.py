"""How the curves of a comparison run, in two sentences: which one is higher when, and where they settle."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, takewhile

from segkit.analysis.comparison.epochs import Curve, mean_curve
from segkit.analysis.comparison.result import Comparison
from segkit.analysis.report.format import metric_name, number

NEAR = 0.005  # of scores in 0..1; of others, this share of the best
LASTING = 1 / 4  # of the epochs: what has crossed later than that may cross again
MAX_SETTLING = 3  # curves in one sentence


def curve_sentences(comparison: Comparison) -> list[str]:
    """What the mean curves of the ranking metric show; nothing where there are none."""
    curves = {entrant.name: mean_curve(entrant, comparison.metric) for entrant in comparison.entrants}
    higher = comparison.higher_is_better
    told = {name: curves[name] for name in list(curves)[: MAX_SETTLING if len(curves) <= MAX_SETTLING else 1]}
    return [*_leading(comparison, curves), *_settling(told, higher_is_better=higher)]


def _leading(comparison: Comparison, curves: Mapping[str, Curve]) -> list[str]:
    """Which curve leads at first and in the end; of what lies between, only how often that changes."""
    scored_on = {summary.scored_on for one in comparison.entrants for summary in one.summaries}
    reported_on = {summary.reported_on for one in comparison.entrants for summary in one.summaries}
    shared = sorted(set.intersection(*map(set, curves.values())))
    leaders = _leaders(curves, shared, higher_is_better=comparison.higher_is_better)
    if len(curves) == 1 or len(leaders) < 2 or len(scored_on) > 1:
        return []
    changes = [epoch for before, epoch in pairwise(leaders) if leaders[before] != leaders[epoch]]
    word = ("high" if comparison.higher_is_better else "low") + ("er" if len(curves) == 2 else "est")
    curve, (first, *_, last) = f"{metric_name(comparison.metric)} curve", leaders
    if scored_on != reported_on:
        curve = f"{scored_on.pop()} {curve}"  # what the curves show are not the images that are compared
    if not changes:
        every = len(leaders) == len(shared)
        epochs = f"all {len(shared)} epochs" if every else f"{len(leaders)} of {len(shared)} epochs"
        level = "" if every else ", and level with another in the rest"
        common = "" if all(len(one) == len(shared) for one in curves.values()) else " that all have"
        return [f"The {curve} of {leaders[first]} is the {word} one in {epochs}{common}{level}."]
    if sum(epoch >= changes[-1] for epoch in leaders) < max(2, LASTING * len(leaders)):
        neither = "neither" if len(curves) == 2 else "none"
        return [
            f"Which {curve} is the {word} one changes {_times(len(changes))}, for the last time at epoch "
            f"{changes[-1]} of {last}: {neither} stays so."
        ]
    after = f"after {len(changes)} changes, " if len(changes) > 1 else ""
    return [
        f"At first the {curve} of {leaders[first]} is the {word} one; {after}from epoch {changes[-1]} on "
        f"it is that of {leaders[last]}."
    ]


def _leaders(curves: Mapping[str, Curve], epochs: list[int], *, higher_is_better: bool) -> dict[int, str]:
    """By epoch; a curve that is level with another one does not lead."""
    leaders = {}
    for epoch in epochs:
        first, *others = sorted(curves, key=lambda name: curves[name][epoch], reverse=higher_is_better)
        if not others or curves[first][epoch] != curves[others[0]][epoch]:
            leaders[epoch] = first
    return leaders


def _settling(curves: Mapping[str, Curve], *, higher_is_better: bool) -> list[str]:
    """From which epoch on each stays near its best value, if it does."""
    shares = all(0 <= value <= 1 for curve in curves.values() for value in curve.values())
    side = "below" if higher_is_better else "above"
    said = []
    for name, curve in curves.items():
        if len(curve) < 2:
            continue
        best = (max if higher_is_better else min)(curve, key=lambda epoch: curve[epoch])
        near = _near_the_end(curve, curve[best], NEAR if shares else NEAR * abs(curve[best]))
        if not near:
            away = number(abs(curve[max(curve)] - curve[best]))
            said.append(f"{name} not, for it ends {away} {side} its best, that of epoch {best}")
        elif len(near) < LASTING * len(curve):
            said.append(f"{name} only from epoch {near[-1]} of {max(curve)} on")
        else:
            said.append(f"{name} from epoch {near[-1]} on")
    near_best = f"{NEAR}" if shares else f"{100 * NEAR:g}%"
    return [f"Settled within {near_best} of its best: {'; '.join(said)}."] if said else []


def _near_the_end(curve: Curve, best: float, room: float) -> list[int]:
    """The epochs at the curve's end that are all near its best value, the last one first."""
    return list(takewhile(lambda epoch: abs(curve[epoch] - best) <= room, sorted(curve, reverse=True)))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
