"""Test-time augmentation and ensembling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.network import Network, Probabilities

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


def scaled_size(size: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    """(height, width) scaled and rounded to a multiple; a scale of 1 leaves it unchanged."""
    if scale == 1:
        return size
    height, width = (max(1, round(side * scale / multiple)) * multiple for side in size)
    return height, width
