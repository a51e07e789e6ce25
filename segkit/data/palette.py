"""Class colours in mask files and reports."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np

from segkit.core.types import Pixels, Task
from segkit.data.labels import BACKGROUND as BACKGROUND_CLASS

IGNORED = 255
BACKGROUND, FOREGROUND, VOID = (22, 27, 31), (240, 240, 236), (128, 134, 140)
# Okabe and Ito's seven colours, for colour-blind readers too. Each later one is the colour farthest, by
# CIEDE2000, from those before it, background and ignored pixels: in steps of 15, a lightness from 25 to 96.
_CLASSES = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
    (90, 90, 0), (150, 0, 45), (255, 240, 240), (195, 255, 240), (105, 0, 240), (0, 240, 75),
    (0, 90, 75), (90, 75, 105), (135, 150, 0), (255, 30, 75), (195, 180, 255), (255, 165, 150),
    (120, 60, 0), (180, 0, 135), (180, 180, 150), (195, 75, 255), (150, 120, 75), (0, 120, 15),
    (30, 195, 195), (0, 60, 135), (150, 105, 105), (0, 135, 150), (255, 210, 165), (105, 120, 90),
)  # fmt: skip


def palette(classes: int) -> Pixels:
    """Colour of every value of a mask, (256, 3); `classes` includes the background, not ignored pixels."""
    colors = [BACKGROUND, FOREGROUND] if classes <= 2 else [BACKGROUND, *_CLASSES]
    more = (colorsys.hsv_to_rgb(index * 0.618 % 1, 0.55, 0.9) for index in range(len(colors), 256))
    table = np.array(
        [*colors, *((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in more)], np.uint8
    )
    table[IGNORED] = VOID
    return table


def class_palette(names: Sequence[str], colors: Mapping[str, str]) -> Pixels:
    """Colour of every value of a mask, (256, 3).

    Args:
        names: class of each value from 0, with the background.
        colors: "#rrggbb" by class; other classes have the colours of `palette`.
    """
    table = palette(len(names))
    given = {name: [*bytes.fromhex(color[1:])] for name, color in colors.items() if name in names}
    spare = (color for color in table[len(names) :] if color.tolist() not in given.values())
    for value, name in enumerate(names):
        if name in given:
            table[value] = given[name]
        elif table[value].tolist() in given.values():
            table[value] = next(spare)
    return table


def mask_palette(task: Task) -> Pixels:
    """Colour of every value of a mask made by `flat`, (256, 3)."""
    names = task.classes if task.kind == "multiclass" else (BACKGROUND_CLASS, *task.classes)
    return class_palette(names, dict(task.colors))


def flat(mask: Pixels, task: Task) -> Pixels:
    """Reduce a mask to one value per pixel for display: 0 is background, 255 ignored.

    Args:
        mask: the task's integers, (H, W), or (H, W, K) for multilabel.
        task: kind of masks, classes and ignored value.

    Returns:
        (H, W): the mask, or for multilabel the number, from 1, of the pixel's last class. A pixel is ignored
        if all its classes are.
    """
    if task.kind != "multilabel":
        return np.where(mask == task.ignore_index, np.uint8(IGNORED), mask)
    numbers = (mask == 1) * np.arange(1, mask.shape[-1] + 1, dtype=np.uint8)
    ignored = (mask == task.ignore_index).all(axis=-1)
    return np.where(ignored, np.uint8(IGNORED), numbers.max(axis=-1).astype(np.uint8))
