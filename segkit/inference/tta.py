"""Test-time augmentation and ensembling."""

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
    """Predict a batch; with flips, average over the predictions of the flipped images.

    Shape:
        pixels: (B, H, W, C).
        output: (B, K, H, W).
    """
    predictions = []
    for axes in _FLIPS if flips else _FLIPS[:1]:
        prediction = network(np.ascontiguousarray(np.flip(pixels, axes)))
        predictions.append(np.flip(prediction, tuple(axis + 1 for axis in axes)))  # H and W of B K H W
    return ensemble(predictions)


def ensemble(predictions: Sequence[Probabilities]) -> Probabilities:
    """Mean of predictions of one shape; a single prediction is returned unchanged."""
    return predictions[0] if len(predictions) == 1 else np.mean(predictions, axis=0, dtype=np.float32)


def resize_probabilities(
    probabilities: Probabilities, size: tuple[int, int], box: Box | None = None
) -> Probabilities:
    """(K, h, w) -> (K, height, width), bilinear, with pixel centres aligned as when images are resized.

    `box` is the region (left, upper, right, lower) to resize, by default all.
    """
    height, width = size
    if box is None and probabilities.shape[1:] == size:
        return probabilities
    planes = [
        Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), Image.Resampling.BILINEAR, box)
        for plane in probabilities
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def scaled_size(size: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    """(height, width) scaled and rounded to a multiple; a scale of 1 leaves it unchanged."""
    if scale == 1:
        return size
    height, width = (max(1, round(side * scale / multiple)) * multiple for side in size)
    return height, width
