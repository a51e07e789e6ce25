"""Checks of classes: absent or rare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import SampleStats
from segkit.core.types import Task
from segkit.data.class_counts import ClassCounts, counted_names, mixture_problem

MIN_PIXELS = 0.002  # fraction of all pixels
MIN_IMAGES = 0.01  # fraction of all images
_ADD = "add images that show it, or remove the class"
_SPREAD = f"data.split.balance: true spreads classes over the splits; or {_ADD}"


def count_read_classes(stats: Sequence[SampleStats], task: Task, split: str | None = None) -> ClassCounts:
    """Pixels and images of each class in the masks that could be read, of all splits or of one.

    Masks are counted as they are examined: with at most `MAX_SIDE` pixels per side.
    """
    names = counted_names(task)
    masks = [item.mask for item in stats if item.mask and split in (None, item.split)]
    counts = np.array([mask.counts[: len(names)] for mask in masks], np.int64).reshape(-1, len(names))
    known = sum(mask.pixels for mask in masks)
    return ClassCounts(
        names,
        tuple(counts.sum(axis=0).tolist()),
        tuple((counts > 0).sum(axis=0).tolist()),
        (known,) * len(names),
        sum(mask.ignored for mask in masks),
    )


def check_classes(stats: Sequence[SampleStats], task: Task) -> Iterator[Finding]:
    """Nothing to learn; classes without pixels in all splits or in one, and classes with few pixels."""
    read = [item for item in stats if item.mask]
    if not read:
        return
    by_split = {
        split: count_read_classes(stats, task, split) for split in dict.fromkeys(i.split for i in read)
    }
    if problem := mixture_problem(by_split.get("train", next(iter(by_split.values()))), task):
        yield Finding("labels", "error", (), problem.problem, problem.hint)
        return
    counts = count_read_classes(stats, task)
    for label, name in enumerate(counts.names):
        if not counts.pixels[label]:
            yield Finding("absent", "warning", (), f"no mask has a pixel of {name}", _ADD)
            continue
        for split, found in by_split.items():
            if not found.pixels[label]:
                yield Finding("absent", "warning", (), f"no mask in {split} has a pixel of {name}", _SPREAD)
        fraction, images = counts.fractions[name], counts.images[label]
        if fraction < MIN_PIXELS or images < MIN_IMAGES * len(read):
            message = f"{name} is {fraction:.2%} of all pixels, in {images:,} of {len(read):,} images"
            files = tuple(item.file for item in read if item.mask and item.mask.counts[label])
            hint = _rebalance(task, is_in_all=images == len(read))
            yield Finding("imbalance", "warning", files, message, hint)


def _rebalance(task: Task, *, is_in_all: bool) -> str:
    weights, classes = "class_weights", " and crop.classes: balanced"
    if task.kind == "binary":
        weights, classes = "pos_weight", ""
    sample = "" if is_in_all else "data.sample.balance: class, "
    return (
        f"{weights}: balanced, another loss (dice, focal, tversky), {sample}data.fit: crop with "
        f"crop.foreground{classes}, or more images that show it"
    )
