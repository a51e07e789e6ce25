"""Costs of the leading candidate compared with the others, in a sentence."""

from __future__ import annotations

from segkit.analysis.comparison.format import better, join_names, leaders
from segkit.analysis.comparison.result import Candidate, Comparison

# The first cost that all candidates have decides which one is the cheapest.
LESS = {
    "parameters": "fewer parameters",
    "macs": "fewer multiply-adds",
    "latency_ms": "less time per image",
    "train_seconds": "less training time",
}


def cost_sentences(comparison: Comparison) -> list[str]:
    """The leader against the cheapest not significantly worse candidate, or else against the next one."""
    leader = leaders(comparison)[0].candidate
    others = [candidate for candidate in comparison.candidates if candidate is not leader]
    key = next((key for key in LESS if all(_cost(entry, key) for entry in comparison.candidates)), None)
    if not key or not others:
        return []
    worse = {pair.b for pair in comparison.pairs if pair.a == leader.name == better(pair)}
    rivals = [candidate for candidate in others if candidate.name not in worse]
    if not rivals:
        return [f"{others[0].name}, significantly worse, has {_cost_ratios(others[0], leader)}."]
    cheapest = min(rivals, key=lambda candidate: _cost(candidate, key))
    if len(rivals) > 1 and _cost(cheapest, key) >= _cost(leader, key):
        return [f"No recipe without a significant difference from {leader.name} has {LESS[key]}."]
    ratios = _cost_ratios(cheapest, leader)
    return [f"{cheapest.name} is not significantly worse than {leader.name} and has {ratios}."]


def _cost_ratios(candidate: Candidate, reference: Candidate) -> str:
    """``4.2 times fewer parameters, but 1.3 times the training time``."""
    less, more = [], []
    for key, text in LESS.items():
        cost, reference_cost = _cost(candidate, key), _cost(reference, key)
        if not cost or not reference_cost:
            continue
        ratio = max(cost / reference_cost, reference_cost / cost)
        amount = f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"
        if amount == "1.0":
            continue
        if cost < reference_cost:
            less.append(f"{amount} times {text}")
        else:
            more.append(f"{amount} times the {text.split(' ', 1)[1]}")
    return ", but ".join(join_names(part) for part in (less, more) if part) or "about the same cost"


def _cost(candidate: Candidate, key: str) -> float:
    cost: float | None = getattr(candidate.costs, key)
    return cost or 0.0
