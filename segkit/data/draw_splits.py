"""Random division of samples or groups into splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]


def nearest_sizes(sizes: Sequence[int], targets: Mapping[str, int], rest: str) -> list[str]:
    """Split of each group: each target in turn is filled with the groups that bring it closer to its size.

    Args:
        sizes: images of each group, in random order.
        targets: images wanted by split.
        rest: split of the other groups.
    """
    splits = [rest] * len(sizes)
    for split, target in targets.items():
        drawn = 0
        for index, size in enumerate(sizes):
            if splits[index] == rest and abs(target - drawn - size) < abs(target - drawn):
                splits[index] = split
                drawn += size
    return splits


def even_sizes(sizes: Sequence[int], parts: int) -> list[int]:
    """Part of each group: the largest first, each into the part with the fewest images so far."""
    filled = [0] * parts
    found = [0] * len(sizes)
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        found[index] = filled.index(min(filled))
        filled[found[index]] += sizes[index]
    return found


def balanced(features: Features, shares: Sequence[float], sizes: Sequence[int] | None = None) -> list[int]:
    """Split of each unit, such that every split has its share of every feature.

    Greedy: the units that hold most of a feature come first, and each joins the split that then deviates
    least: the sum of (part - share)^2 / share over splits and features, where part is what a split has of a
    feature's total. (After iterative stratification, Sechidis et al. 2011, with numbers in place of labels.)

    Args:
        features: (N, F) numbers from 0, in random order of the units; equal ones keep it.
        shares: share of each split; they sum to 1.
        sizes: units of each split, if they are fixed.
    """
    totals = features.sum(axis=0)
    parts = features[:, totals > 0] / totals[totals > 0]
    wanted = np.asarray(shares)[:, None]
    reached = np.zeros((len(shares), parts.shape[1]))
    space = np.asarray(sizes if sizes is not None else [len(parts)] * len(shares))
    splits = [0] * len(parts)
    for index in np.argsort(-parts.max(axis=1), kind="stable").tolist():
        gain = (parts[index] * (2 * (wanted - reached) - parts[index]) / wanted).sum(axis=1)
        split = int(np.where(space > 0, gain, -np.inf).argmax())
        reached[split] += parts[index]
        space[split] -= 1
        splits[index] = split
    return splits
