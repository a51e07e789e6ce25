"""Masks that can be read, and are hardly what was meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from segkit.analysis.dataset.duplicates import correlations
from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import MaskLook, SampleStats
from segkit.core.types import Task

# An inverted mask has foreground all around and a hole in the middle. A lesion that fills its picture has
# none: over ISIC 2016, the border's share never exceeds the centre's by more than 0.01 (docs/check_data.md).
_BORDER, _MORE_THAN_CENTRE = 0.5, 0.1
_USUAL_BORDER = 0.25  # where foreground often touches the border, nothing can be said
_SPECK = 32  # pixels: smaller shapes are the same by chance
_VERSION = 0.95  # correlation of two versions of an image, or of two frames of a film
_LEAST = 20  # places where a value stands between two others; fewer are chance


def mask_faults(looks: Sequence[SampleStats], task: Task) -> Iterator[Finding]:
    """Masks that are empty, full, inverted, blended, lossy, another image's, or too fine for the recipe."""
    read = [look for look in looks if look.mask]
    for look in read:
        yield from _empty_or_full(look, task)
        yield from _lost(look, task)
        if any(header and header.lossy for header in look.headers[1:]):
            message = "the mask is a JPEG, which keeps no exact values: it is cut at half brightness"
            yield Finding("jpeg_mask", "warning", look.masks, message, "save masks as PNG")
    if task.kind == "binary":
        yield from _inverted(read)
    yield from _blended(read, task)
    yield from _same_masks(read)


def _empty_or_full(look: SampleStats, task: Task) -> Iterator[Finding]:
    assert look.mask
    counts, pixels = look.mask.counts, look.mask.pixels
    foreground = counts if task.kind == "multilabel" else counts[1:]
    name = task.classes[0] if task.kind == "binary" else "any class"
    if not pixels:
        message, hint = (
            "every pixel of the mask is ignored",
            "take the image away: it teaches nothing",
        )
        yield Finding("empty", "warning", look.masks, message, hint)
    elif not any(foreground):
        message, hint = f"the mask is empty: no pixel is {name}", "right if there is none in the image"
        yield Finding("empty", "warning", look.masks, message, hint)
    elif full := [label for label, count in enumerate(counts) if count == pixels]:
        which = "foreground" if task.kind == "binary" else task.classes[full[0]]
        message = f"the mask is full: every pixel is {which}"
        yield Finding("full", "warning", look.masks, message, "right if the image shows nothing else")


def _lost(look: SampleStats, task: Task) -> Iterator[Finding]:
    assert look.mask
    names = [task.classes[0]] * 2 if task.kind == "binary" else task.classes
    first = 0 if task.kind == "multilabel" else 1
    if lost := [names[label] for label in look.mask.lost if label >= first]:
        message = f"at the recipe's size, no pixel of {', '.join(lost)} is left"
        yield Finding("vanishes", "warning", look.masks, message, "a larger data.size, or tiles of the image")


def _inverted(looks: Sequence[SampleStats]) -> Iterator[Finding]:
    masks = [look.mask for look in looks if look.mask]
    if not masks:
        return
    usual = float(np.median([mask.border for mask in masks]))
    odd = [look for look in looks if look.mask and _is_framed(look.mask)]
    if 2 * len(odd) > len(masks) and len(masks) > 1:
        message = f"foreground is around a hole in {len(odd)} of {len(masks)} masks: is it the background?"
        files = tuple(chain.from_iterable(look.masks for look in odd))
        yield Finding("inverted", "warning", files, message, "exchange black and white in all masks")
    elif usual < _USUAL_BORDER:
        for look in odd:
            message = "the mask looks inverted: foreground all around, where others have background"
            yield Finding("inverted", "warning", look.masks, message, "exchange black and white in it")


def _is_framed(mask: MaskLook) -> bool:
    return mask.border > _BORDER and mask.border - mask.centre > _MORE_THAN_CENTRE


def _blended(looks: Sequence[SampleStats], task: Task) -> Iterator[Finding]:
    """Class 1 between classes 0 and 2, wherever these meet, and elsewhere as an area of its own."""
    solid: frozenset[int] = frozenset().union(*(look.mask.solid for look in looks if look.mask))
    odd = [look for look in looks if look.mask and _is_rimmed(look.mask) and look.mask.rims <= solid]
    hint = "resize masks by the nearest pixel"
    if len(odd) > 1 and 2 * len(odd) > len(looks):
        message = (
            f"a class lies in thin rims between others in {len(odd)} of {len(looks)} masks: is that meant?"
        )
        files = tuple(chain.from_iterable(look.masks for look in odd))
        yield Finding(
            "interpolated", "warning", files, message, f"{hint}, if they were made smaller or larger"
        )
        return
    for look in odd:
        assert look.mask
        names = ", ".join(task.classes[value] for value in sorted(look.mask.rims))
        message = f"{names} rims the edges of other classes, as after smooth resizing"
        yield Finding("interpolated", "warning", look.masks, message, hint)


def _is_rimmed(mask: MaskLook) -> bool:
    return mask.between >= _LEAST and mask.jumps < mask.between / 4


def _same_masks(looks: Sequence[SampleStats]) -> Iterator[Finding]:
    """One mask for several images that are not versions of each other; plain ones and specks say nothing."""
    together: dict[bytes, list[SampleStats]] = defaultdict(list)
    for look in looks:
        if look.mask and sorted(look.mask.counts)[-2:][0] >= _SPECK:
            together[look.mask.digest].append(look)
    for group in together.values():
        if len(group) > 1 and not _show_the_same(group):
            files = tuple(chain.from_iterable(look.masks for look in group))
            message = f"{len(group)} different images have this same mask"
            yield Finding("same_mask", "warning", files, message, "was one saved under the other's name?")


def _show_the_same(looks: Sequence[SampleStats]) -> bool:
    thumbs = np.array([look.image.thumb for look in looks if look.image]).reshape(len(looks), -1)
    alike = correlations(thumbs[:1].repeat(len(thumbs), axis=0), thumbs)
    return bool((alike >= _VERSION).all())
