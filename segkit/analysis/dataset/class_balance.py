"""Classes that a model can hardly learn, or that nothing scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import SampleStats
from segkit.core.types import Task

FEW_PIXELS = 0.002  # of all pixels
FEW_IMAGES = 0.01  # of all images
_NONE = "add images that show it, or leave the class out"
_RARE = "a loss that copes (dice, focal, tversky), or more images that show it"


def class_faults(looks: Sequence[SampleStats], task: Task) -> Iterator[Finding]:
    """Classes without a pixel, in all splits or in one, and classes with hardly any."""
    read = [look for look in looks if look.mask]
    if not read:
        return
    counts = np.array([look.mask.counts for look in read if look.mask], np.int64)  # (images, classes)
    pixels = sum(look.mask.pixels for look in read if look.mask)
    splits = np.array([look.split for look in read])
    for label, name in _names(task):
        if not counts[:, label].any():
            yield Finding("absent", "warning", (), f"no mask has any {name}", _NONE)
            continue
        for split in dict.fromkeys(splits.tolist()):
            if not counts[splits == split, label].any():
                yield Finding("absent", "warning", (), f"no mask of {split} has any {name}", _NONE)
        share, images = counts[:, label].sum() / max(pixels, 1), int((counts[:, label] > 0).sum())
        if share < FEW_PIXELS or images < FEW_IMAGES * len(read):
            message = f"{name} is {share:.2%} of all pixels, in {images:,} of {len(read):,} images"
            files = tuple(look.file for look, count in zip(read, counts[:, label], strict=True) if count)
            yield Finding("imbalance", "warning", files, message, _RARE)


def _names(task: Task) -> list[tuple[int, str]]:
    """The place of every class among the counts, and its name."""
    if task.kind == "binary":
        return [(0, "background"), (1, task.classes[0])]
    return [*enumerate(task.classes)]
