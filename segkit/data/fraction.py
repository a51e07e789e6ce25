"""A seeded part of the training images: a smaller one lies inside a larger one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Annotated
from unicodedata import normalize

from pydantic import Field

from segkit.core.errors import DataError
from segkit.core.types import Sample

Fraction = Annotated[float, Field(gt=0, le=1)]
FractionSeed = Annotated[int, Field(ge=0, le=2**32 - 1)]


def part_of(
    samples: Sequence[Sample], fraction: float, seed: int, groups: Mapping[str, str] | None = None
) -> list[Sample]:
    """As many whole groups as come closest to a fraction of the images, in the order of the samples.

    Groups are taken in the order of a digest of seed and name, so that other images and the order of files
    change nothing about those that are there.

    Args:
        samples: training images.
        fraction: share of them, above 0 and at most 1.
        seed: seed of the draw.
        groups: group of each sample by name; by default each image is its own.

    Raises:
        DataError: if the closest number of groups is none.
    """
    if fraction == 1 or not samples:
        return [*samples]
    members: dict[str, list[str]] = {}
    for sample in samples:
        members.setdefault(groups[sample.name] if groups else sample.name, []).append(sample.name)
    drawn = sorted(members, key=lambda group: _digest(seed, group))
    wanted = fraction * len(samples)
    sizes = [*accumulate((len(members[group]) for group in drawn), initial=0)]
    count = min(range(len(sizes)), key=lambda number: abs(sizes[number] - wanted))
    if not count:
        unit = "group" if groups else "image"
        problem = f"data.fraction: {fraction:g} of {len(samples):,} training images leaves no {unit}"
        raise DataError(problem, hint=f"use {sizes[1] / len(samples):.4g} or more")
    names = {name for group in drawn[:count] for name in members[group]}
    return [sample for sample in samples if sample.name in names]


def _digest(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{normalize('NFC', name)}".encode(errors="surrogateescape")).digest()
