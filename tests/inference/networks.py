"""Networks of numpy, whose answers can be foretold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from segkit.core.types import Pixels
from segkit.inference.model_info import ModelInfo

if TYPE_CHECKING:
    from segkit.inference.network import Probabilities

LESION = ModelInfo(
    format=1, kind="binary", classes=("lesion",), name="drawn", channels=3, size=(64, 64),
    mean=(0.5,) * 3, std=(0.25,) * 3, multiple=32,
)  # fmt: skip
PARTS = replace(LESION, kind="multiclass", classes=("skin", "lesion", "hair"))
LABELS = replace(LESION, kind="multilabel", classes=("lesion", "dark hair"))


class Blocks:
    """Means of blocks of 32 x 32 pixels, blurred with the blocks around them: sees up to 64 pixels far.

    Args:
        facts: what it is taken for; one probability per class, each of another channel.
    """

    def __init__(self, facts: ModelInfo = LESION) -> None:
        self.info = facts
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, pixels: Pixels) -> Probabilities:
        self.asked.append(pixels.shape)
        batch, height, width, channels = pixels.shape
        blocks = pixels.reshape(batch, height // 32, 32, width // 32, 32, channels).mean((2, 4)) / 255
        padded = np.pad(blocks, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        blurred = (
            padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
        ) / 4
        maps = blurred.repeat(32, 1).repeat(32, 2)
        return np.moveaxis(maps[..., : self.info.task.channels], -1, 1).astype(np.float32)


class Brightness:
    """Each pixel's own channels are its probabilities."""

    def __init__(self, facts: ModelInfo = LESION) -> None:
        self.info = facts

    def __call__(self, pixels: Pixels) -> Probabilities:
        return np.moveaxis(pixels[..., : self.info.task.channels] / np.float32(255), -1, 1).astype(np.float32)


class Leftness:
    """Sees nothing of the image: what is on the left is probable."""

    info = LESION

    def __call__(self, pixels: Pixels) -> Probabilities:
        row = np.linspace(1, 0, pixels.shape[2], dtype=np.float32)
        return np.broadcast_to(row, (len(pixels), 1, *pixels.shape[1:3])).copy()


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """An image of smooth noise, so that a seam would be seen."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
    return coarse.repeat(16, 0).repeat(16, 1)[:height, :width]
