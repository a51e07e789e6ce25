"""Polygons and run-length codes, painted into masks.

The rule is that of COCO's tools, so that masks equal theirs. Coordinates count from the upper left corner of
the image: the pixel in row 0 and column 0 covers 0 to 1, its middle is at 0.5. Corners are rounded to fifths
of a pixel. A pixel belongs to a polygon if its middle lies inside; a middle on the boundary belongs to the
polygon above and to the left of it. Where a polygon crosses itself, an area enclosed twice is outside.
What lies beyond the image is cut off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from segkit.core.types import Pixels

Points = npt.NDArray[np.float64]  # (N, 2): x, y
Runs = npt.NDArray[np.int64]  # lengths of background, foreground, background, ..., column after column
Extent = tuple[int, int]  # (height, width)

_STEPS = 5  # per pixel, of a boundary
_MAX_STEPS = 2**25  # of one boundary: limits memory to 1 GB
_MAX_COORDINATE = 2**24
_SAGITTA, _MAX_CORNERS = 0.05, 10_000  # of the polygon that stands for an ellipse
_MAX_CHARACTERS = 7  # of a number in a compressed code, 5 bits each: more than any image has pixels


def polygon_runs(points: Points, extent: Extent) -> Runs:
    """Runs of a polygon with at least three corners, in an image of that size.

    Raises:
        ValueError: if a corner is too far away, or the boundary too long.
    """
    if len(points) < 3:
        raise ValueError(f"a polygon needs three corners, this one has {len(points)}")
    # Not clipped before: that would change the pixels along the border.
    if not (np.abs(points) <= _MAX_COORDINATE).all():  # also refuses NaN
        raise ValueError(f"a corner of its polygon is more than {_MAX_COORDINATE:,} pixels away")
    sides = np.abs(points - np.roll(points, -1, axis=0)).max(axis=1)
    if _STEPS * sides.sum() + 2 * len(points) > _MAX_STEPS:
        raise ValueError(f"the boundary of its polygon is longer than {_MAX_STEPS // _STEPS:,} pixels")
    (code,) = coco.frPyObjects([points.ravel()], *extent)
    return rle_runs(code["counts"].decode(), extent)


def rle_runs(counts: str | Sequence[int], extent: Extent) -> Runs:
    """Runs of a COCO run-length code, compressed (a string) or not.

    Raises:
        ValueError: if it is damaged, or not one of an image of that size.
    """
    # Not pycocotools: it reads beyond the end of a damaged string.
    runs = _decompressed(counts) if isinstance(counts, str) else np.array(counts, np.int64)
    pixels = extent[0] * extent[1]
    if len(runs) and (runs.min() < 0 or runs.max() > pixels):
        raise ValueError("its run-length code is damaged: a run is negative, or longer than the image")
    if (total := int(runs.sum())) != pixels:
        raise ValueError(
            f"its run-length code has {total:,} pixels, an image of {extent[1]}x{extent[0]} has {pixels:,}"
        )
    return runs


def box_runs(counts: Sequence[int], box: tuple[int, int, int, int], extent: Extent) -> list[int]:
    """Runs in an image of a run-length code that counts row after row inside a box.

    Args:
        counts: lengths of background, foreground, background, ...
        box: left, top, width and height.
        extent: (height, width) of the image.

    Raises:
        ValueError: if the box is not inside the image, or the code not one of the box.
    """
    left, top, width, height = box
    if min(left, top, width - 1, height - 1) < 0 or left + width > extent[1] or top + height > extent[0]:
        raise ValueError(
            f"its box {left},{top},{width},{height} is not inside {extent[1]}x{extent[0]} pixels"
        )
    runs = rle_runs(counts, (height, width))
    bits = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
    # A row of background below, so that each run ends in its column.
    columns = np.pad(bits, ((0, 1), (0, 0))).T
    changes = np.flatnonzero(np.diff(columns.ravel(), prepend=0))
    column, row = np.divmod(changes, height + 1)
    places = (left + column) * extent[0] + top + row
    found: list[int] = np.diff(places, prepend=0, append=extent[0] * extent[1]).tolist()
    return found


def paint(columns: Pixels, runs: Runs, value: int) -> None:
    """Set the pixels of runs in a mask (W, H), the transpose of an image's mask, in place."""
    flat = columns.reshape(-1)
    ends = np.cumsum(runs)
    for start, end in zip(ends[:-1:2].tolist(), ends[1::2].tolist(), strict=True):
        flat[start:end] = value


def ellipse(middle: tuple[float, float], radii: tuple[float, float]) -> Points:
    """Corners of a polygon within a twentieth of a pixel of an ellipse, at most 10,000."""
    bend = math.acos(1 - min(1, _SAGITTA / max(*radii, _SAGITTA)))
    angles = np.linspace(
        0, 2 * math.pi, min(_MAX_CORNERS, max(12, math.ceil(math.pi / bend))), endpoint=False
    )
    corners: Points = np.array(middle) + np.array(radii) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return corners


def _decompressed(text: str) -> Runs:
    # Characters "0" to "o" hold 5 bits each, lowest first, and a sixth one if the number goes on; the highest
    # bit is the sign. From the fourth number on, each is the difference from the one before the previous.
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(codes & 32 == 0)
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or not len(last) or last[-1] != len(codes) - 1:
        raise ValueError("its run-length code is damaged: it holds other characters, or is cut off")
    starts = np.concatenate([[0], last[:-1] + 1])
    lengths = last - starts + 1
    if lengths.max() > _MAX_CHARACTERS:
        raise ValueError("its run-length code is damaged: a run is longer than any image")
    bits = (codes & 31) << 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    runs: Runs = np.add.reduceat(bits, starts)
    runs -= (codes[last] >> 4) << 5 * lengths
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
