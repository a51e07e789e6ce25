"""Class colours in mask files and reports."""

from __future__ import annotations

import colorsys

import numpy as np

from segkit.core.types import Pixels, Task

IGNORED = 255
BACKGROUND, FOREGROUND, VOID = (22, 27, 31), (240, 240, 236), (128, 134, 140)
# Okabe and Ito's colours, suitable for colour-blind readers.
_CLASSES = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
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


def mask_palette(task: Task) -> Pixels:
    """Colour of every value of a mask made by `flat`, (256, 3)."""
    return palette(len(task.classes) + (task.kind != "multiclass"))


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
