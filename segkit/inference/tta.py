"""One question to a network, in several ways: mirrored, and as the mean of several networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.network import Network, Probabilities

Box = tuple[float, float, float, float]
_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))  # axes of B H W C


def predict_tta(network: Network, pixels: Pixels, *, flips: bool) -> Probabilities:
    """What a network says of some images; with flips, the mean of what it says of their mirror images.

    Shape:
        pixels: (B, H, W, C) uint8.
        output: (B, K, H, W).
    """
    answers = []
    for axes in _FLIPS if flips else _FLIPS[:1]:
        answer = network(np.ascontiguousarray(np.flip(pixels, axes)))
        answers.append(np.flip(answer, tuple(axis + 1 for axis in axes)))  # H and W of B K H W
    return ensemble(answers)


def ensemble(answers: Sequence[Probabilities]) -> Probabilities:
    """Of several answers of one shape; a single one is given back as it is."""
    return answers[0] if len(answers) == 1 else np.mean(answers, axis=0, dtype=np.float32)


def resized(probabilities: Probabilities, size: tuple[int, int], box: Box | None = None) -> Probabilities:
    """(K, h, w) -> (K, height, width), bilinear: the centres of pixels meet, as when images are resized.

    Args:
        probabilities: of one image.
        size: (height, width).
        box: (left, upper, right, lower): the part that is taken, by default all.
    """
    height, width = size
    if box is None and probabilities.shape[1:] == size:
        return probabilities
    planes = [
        Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), Image.Resampling.BILINEAR, box)
        for plane in probabilities
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def scaled(size: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    """A size that a network takes, near a multiple of another one.

    Args:
        size: (height, width).
        scale: that multiple.
        multiple: what its sides have to be multiples of.
    """
    if scale == 1:
        return size
    height, width = (max(1, round(side * scale / multiple)) * multiple for side in size)
    return height, width
