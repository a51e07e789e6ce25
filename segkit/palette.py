"""Colours of classes, the same in mask files and reports."""

from __future__ import annotations

import colorsys

import numpy as np

from segkit.contracts import Pixels

IGNORED = 255
BACKGROUND, FOREGROUND, VOID = (22, 27, 31), (240, 240, 236), (128, 134, 140)
# Okabe and Ito's colours, told apart by colour-blind readers too.
_CLASSES = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def palette(classes: int) -> Pixels:
    """(256, 3): the colour of every value of a mask.

    Args:
        classes: how many values there are, background included, the ignored one not.
    """
    colors = [BACKGROUND, FOREGROUND] if classes <= 2 else [BACKGROUND, *_CLASSES]
    turns = range(len(colors), 256)
    more = (colorsys.hsv_to_rgb(turn * 0.618 % 1, 0.55, 0.9) for turn in turns)
    table = np.array(
        [*colors, *((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in more)], np.uint8
    )
    table[IGNORED] = VOID
    return table
