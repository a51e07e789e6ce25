"""Values that only one mask has: slips of the annotation, which become classes unnoticed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from segkit.analysis.dataset.finding import Finding
from segkit.core.errors import DataError
from segkit.core.types import Progress
from segkit.data.decoding import MAX_THREADS
from segkit.data.masks import read_colors, read_values

_MIN_MASKS = 5  # of fewer, each may well have a class of its own
_MAX_VALUES = 5  # of one mask; more are blended edges or numbered objects
_AT_ONCE = 512  # masks waiting for a thread
_HINT = "correct the mask if it is a slip; else name it in data.labels, as a class or under 'ignore'"

Values = Mapping[str, int]  # pixels by value or colour


def find_stray_values(masks: Sequence[Path], on_progress: Progress, *, colors: bool) -> list[Finding]:
    """A warning for each mask with values that no other one has.

    Args:
        masks: mask files whose values are classes.
        on_progress: callback of (label, done, total).
        colors: whether the masks are in colour.
    """
    if len(masks) < _MIN_MASKS:
        return []
    owners: dict[str, int | None] = {}  # the only mask with a value; None of several
    pixels: dict[str, int] = {}
    remaining = iter(masks)
    done = 0
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        while batch := [*islice(remaining, _AT_ONCE)]:
            for values in pool.map(partial(count_values, colors=colors), batch):
                for value, count in values.items():
                    owners[value] = None if value in owners else done
                    pixels[value] = count
                done += 1
                on_progress("mask values", done, len(masks))
    strays: dict[int, list[str]] = {}
    for value, owner in owners.items():
        if owner is not None:
            strays.setdefault(owner, []).append(value)
    return [
        _finding(masks[owner], {value: pixels[value] for value in values})
        for owner, values in strays.items()
        if len(values) <= _MAX_VALUES
    ]


def count_values(mask: Path, *, colors: bool) -> Values:
    """Pixels of each value, or colour "#rrggbb", of a mask; {} if it cannot be read, which is reported."""
    try:
        if colors:
            return read_colors(mask)
        values = read_values(mask)
    except DataError:
        return {}
    if values is None:
        return {}
    if values.dtype == np.uint8:  # np.unique sorts, which is slow for millions of pixels
        pixels = np.bincount(values.ravel(), minlength=256)
        return {str(value): int(pixels[value]) for value in np.flatnonzero(pixels).tolist()}
    found, counts = np.unique(values, return_counts=True)
    return {f"{value:.15g}": count for value, count in zip(found.tolist(), counts.tolist(), strict=True)}


def _finding(mask: Path, values: Values) -> Finding:
    held = ", ".join(f"{value} ({count:,} pixel{'s' * (count > 1)})" for value, count in values.items())
    return Finding("labels", "warning", (str(mask),), f"only this mask holds {held}", _HINT)
