"""Checks of classes: absent or rare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import SampleStats
from segkit.core.types import Task

MIN_PIXELS = 0.002  # fraction of all pixels
MIN_IMAGES = 0.01  # fraction of all images
_ADD = "add images that show it, or remove the class"
_REBALANCE = "a loss for imbalanced classes (dice, focal, tversky), or more images that show it"


def check_classes(stats: Sequence[SampleStats], task: Task) -> Iterator[Finding]:
    """Classes without pixels in all splits or in one, and classes with few pixels."""
    read = [item for item in stats if item.mask]
    if not read:
        return
    counts = np.array([item.mask.counts for item in read if item.mask], np.int64)  # (images, classes)
    pixels = sum(item.mask.pixels for item in read if item.mask)
    splits = np.array([item.split for item in read])
    # The first count of a binary task is the background.
    for label, name in enumerate(("background", *task.classes) if task.kind == "binary" else task.classes):
        if not counts[:, label].any():
            yield Finding("absent", "warning", (), f"no mask has a pixel of {name}", _ADD)
            continue
        for split in dict.fromkeys(splits.tolist()):
            if not counts[splits == split, label].any():
                yield Finding("absent", "warning", (), f"no mask in {split} has a pixel of {name}", _ADD)
        fraction, images = counts[:, label].sum() / max(pixels, 1), int((counts[:, label] > 0).sum())
        if fraction < MIN_PIXELS or images < MIN_IMAGES * len(read):
            message = f"{name} is {fraction:.2%} of all pixels, in {images:,} of {len(read):,} images"
            files = tuple(item.file for item, count in zip(read, counts[:, label], strict=True) if count)
            yield Finding("imbalance", "warning", files, message, _REBALANCE)
