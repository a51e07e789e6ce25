"""What the leader of a comparison costs beside the others, in a sentence."""

from __future__ import annotations

from segkit.analysis.comparison.format import better, leading_places, listed
from segkit.analysis.comparison.result import Candidate, Comparison

# How less of a cost is called; the first that is known of all says who is the cheapest.
FEWER = {
    "parameters": "fewer parameters",
    "macs": "fewer multiply-adds",
    "latency_ms": "less time per image",
    "train_seconds": "less training time",
}


def cost_sentences(comparison: Comparison) -> list[str]:
    """The leader beside the cheapest of those that are not shown to be worse; beside the next if all are."""
    leader = leading_places(comparison)[0].entrant
    others = [entrant for entrant in comparison.entrants if entrant is not leader]
    kind = next((kind for kind in FEWER if all(_cost(one, kind) for one in comparison.entrants)), None)
    if not kind or not others:
        return []
    worse = {pair.b for pair in comparison.pairs if pair.a == leader.name == better(pair)}
    rivals = [entrant for entrant in others if entrant.name not in worse]
    if not rivals:
        return [f"{others[0].name}, shown to be worse, has {_beside(others[0], leader)}."]
    cheapest = min(rivals, key=lambda entrant: _cost(entrant, kind))
    if len(rivals) > 1 and _cost(cheapest, kind) >= _cost(leader, kind):
        return [f"None of those that are not shown to be worse than {leader.name} has {FEWER[kind]}."]
    return [f"{cheapest.name} is not shown to be worse than {leader.name}, with {_beside(cheapest, leader)}."]


def _beside(one: Candidate, other: Candidate) -> str:
    """``4.2 times fewer parameters, but 1.3 times the training time``."""
    fewer, more = [], []
    for kind, words in FEWER.items():
        ours, theirs = _cost(one, kind), _cost(other, kind)
        if not ours or not theirs:
            continue
        times = max(ours / theirs, theirs / ours)
        amount = f"{times:.1f}" if times < 9.95 else f"{times:,.0f}"
        if amount == "1.0":
            continue
        if ours < theirs:
            fewer.append(f"{amount} times {words}")
        else:
            more.append(f"{amount} times the {words.split(' ', 1)[1]}")
    return ", but ".join(listed(part) for part in (fewer, more) if part) or "about the same cost"


def _cost(entrant: Candidate, kind: str) -> float:
    """0 where nobody has measured it."""
    cost: float | None = getattr(entrant.costs, kind)
    return cost or 0.0
