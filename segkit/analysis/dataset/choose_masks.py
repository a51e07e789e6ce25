"""Choice of the folder of masks where several have such a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from segkit.core.errors import DataError
from segkit.data.masks import read_values
from segkit.data.resize import resize_mask

_WORDS = ("manual", "mask", "label", "gt", "annot")  # in the order of preference
_MAX_MASKS = 5  # of each folder that are looked at
_SIDE = 64  # pixels to which they are resized
_ALIKE = 0.8  # share of the foreground of any mask that is foreground in all


def choose_masks(candidates: Mapping[str, Sequence[Path]]) -> tuple[str, str]:
    """The likeliest folder of masks, and words for the others.

    Masks that are nearly the same for all images, such as those of a camera's field of view, and pictures in
    colour beside masks of numbers come last. Of the others the folder with most masks is chosen, then by its
    name.

    Args:
        candidates: mask files by the name of their folder.
    """
    notes = {name: _content(files) for name, files in candidates.items()}
    chosen = min(candidates, key=lambda name: (bool(notes[name]), -len(candidates[name]), _rank(name), name))
    others = [f"{name} ({notes[name]})" if notes[name] else name for name in candidates if name != chosen]
    return chosen, f"other masks are left out: {', '.join(others)}"


def _rank(name: str) -> int:
    words = [number for number, word in enumerate(_WORDS) if word in name.lower()]
    return min(words, default=len(_WORDS))


def _content(files: Sequence[Path]) -> str:
    """What speaks against masks of objects, as far as a few of them tell; "" if nothing does."""
    masks = []
    for file in files[:: -(-len(files) // _MAX_MASKS) or 1]:
        try:
            values = read_values(file)
        except DataError:
            continue
        if values is None:
            return "in colour"
        masks.append(resize_mask(values, (_SIDE, _SIDE)) != 0)
    if len(masks) > 1 and np.all(masks, axis=0).sum() >= _ALIKE * np.any(masks, axis=0).sum():
        return "nearly the same for all images"
    return ""
