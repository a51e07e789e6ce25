"""Checks of masks: empty, full, inverted, interpolated, JPEG, repeated, vanishing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from segkit.analysis.dataset.duplicates import MIN_SIMILARITY, copies, crops, in_parts, similarities
from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import MaskStats, SampleStats
from segkit.core.types import Task
from segkit.utils.record_file import RecordFile

# An inverted mask has foreground along the border and a hole in the centre; an object that fills its image
# has no hole: in ISIC 2016 the border exceeds the centre by 0.01 at most (docs/check_data.md).
_INVERTED_BORDER, _INVERTED_MARGIN = 0.5, 0.1
_USUAL_BORDER = 0.25  # if objects often touch the border, inverted masks cannot be told apart
_MIN_SHAPE = 32  # pixels; smaller masks are equal by chance
_MIN_BETWEEN = 20  # pixels; fewer are chance
_NEAREST = "resize masks with nearest-neighbour"


def check_masks(stats: Sequence[SampleStats], looks: RecordFile, task: Task) -> Iterator[Finding]:
    """Problems of masks that can be read; `looks` are those of the images."""
    read = [item for item in stats if item.mask]
    for item in read:
        yield from _check_empty_or_full(item, task)
        yield from _check_vanishing(item, task)
        if any(header and header.lossy for header in item.headers[1:]):
            message = "the mask is a JPEG, which changes values: it is thresholded at half brightness"
            yield Finding("jpeg_mask", "warning", item.masks, message, "save masks as PNG")
    if task.kind == "binary":
        yield from _check_inverted(read)
    yield from _check_interpolated(read, task)
    yield from _check_repeated(stats, looks)


def _check_empty_or_full(item: SampleStats, task: Task) -> Iterator[Finding]:
    assert item.mask
    counts, pixels = item.mask.counts, item.mask.pixels
    foreground = counts if task.kind == "multilabel" else counts[1:]
    if not pixels:
        message, hint = "every pixel of the mask is ignored", "remove the image: it has no effect on training"
        yield Finding("empty", "warning", item.masks, message, hint)
    elif not any(foreground):
        name = task.classes[0] if task.kind == "binary" else "any class"
        message, hint = f"the mask is empty: no pixel is {name}", "correct if the image shows no object"
        yield Finding("empty", "warning", item.masks, message, hint)
    elif pixels in counts:
        name = "foreground" if task.kind == "binary" else task.classes[counts.index(pixels)]
        message, hint = f"the mask is full: every pixel is {name}", "correct if the image shows nothing else"
        yield Finding("full", "warning", item.masks, message, hint)


def _check_vanishing(item: SampleStats, task: Task) -> Iterator[Finding]:
    assert item.mask
    names = [task.classes[0]] * 2 if task.kind == "binary" else task.classes
    first = 0 if task.kind == "multilabel" else 1
    if lost := [names[label] for label in item.mask.lost if label >= first]:
        message = f"at the recipe's size, no pixel of {', '.join(lost)} is left"
        hint = "a larger data.size, or data.fit: crop, which keeps the resolution"
        yield Finding("vanishes", "warning", item.masks, message, hint)


def _check_inverted(stats: Sequence[SampleStats]) -> Iterator[Finding]:
    masks = [item.mask for item in stats if item.mask]
    if not masks:
        return
    usual = float(np.median([mask.border for mask in masks]))
    inverted = [item for item in stats if item.mask and _looks_inverted(item.mask)]
    if 2 * len(inverted) > len(masks) and len(masks) > 1:
        message = f"in {len(inverted)} of {len(masks)} masks, foreground surrounds a hole: are they inverted?"
        yield Finding(
            "inverted", "warning", _mask_files(inverted), message, "exchange black and white in all"
        )
    elif usual < _USUAL_BORDER:
        for item in inverted:
            message = (
                "the mask looks inverted: foreground along the border, where other masks have background"
            )
            yield Finding("inverted", "warning", item.masks, message, "exchange black and white in it")


def _looks_inverted(mask: MaskStats) -> bool:
    return mask.border > _INVERTED_BORDER and mask.border - mask.centre > _INVERTED_MARGIN


def _check_interpolated(stats: Sequence[SampleStats], task: Task) -> Iterator[Finding]:
    """Masks in which class 1 lies wherever classes 0 and 2 meet, and is an area of its own elsewhere."""
    solid: frozenset[int] = frozenset().union(*(item.mask.solid for item in stats if item.mask))
    blended = [item for item in stats if item.mask and _is_blended(item.mask) and item.mask.rims <= solid]
    if len(blended) > 1 and 2 * len(blended) > len(stats):
        message = f"in {len(blended)} of {len(stats)} masks, a class forms thin rims: is that correct?"
        hint = f"{_NEAREST}, if they were resized"
        yield Finding("interpolated", "warning", _mask_files(blended), message, hint)
        return
    for item in blended:
        assert item.mask
        names = ", ".join(task.classes[value] for value in sorted(item.mask.rims))
        message = f"thin rims of {names} along the edges of other classes, as after interpolation"
        yield Finding("interpolated", "warning", item.masks, message, _NEAREST)


def _is_blended(mask: MaskStats) -> bool:
    return mask.between >= _MIN_BETWEEN and mask.jumps < mask.between / 4


def _check_repeated(stats: Sequence[SampleStats], looks: RecordFile) -> Iterator[Finding]:
    digests = (
        (index, item.mask.digest)
        for index, item in enumerate(stats)
        if item.mask and sorted(item.mask.counts)[-2:][0] >= _MIN_SHAPE
    )
    for group in copies(digests):
        if not _show_the_same_scene(np.array(group), looks):
            message = f"{len(group)} different images have the same mask"
            hint = "was one saved under the other's name?"
            yield Finding(
                "same_mask", "warning", _mask_files([stats[index] for index in group]), message, hint
            )


def _show_the_same_scene(indices: npt.NDArray[np.intp], looks: RecordFile) -> bool:
    first = crops(looks.read(indices[:1])["details"])
    return all(
        (similarities(first, looks.read(part)["details"]) >= MIN_SIMILARITY).all()
        for part in in_parts(indices)
    )


def _mask_files(stats: Sequence[SampleStats]) -> tuple[str, ...]:
    return tuple(chain.from_iterable(item.masks for item in stats))
