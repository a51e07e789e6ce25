"""Tasks, and files of every encoding, for the tests of data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.contracts import Sample, Task

BINARY = Task("binary", ("lesion",))
MULTICLASS = Task("multiclass", ("skin", "lesion", "hair"))
MULTILABEL = Task("multilabel", ("lesion", "hair"))
SHAPE = (12, 10)
HALF = np.zeros(SHAPE, np.uint8)
HALF[3:9, 2:7] = 1  # a binary mask: what the files below mean


def picture(height: int = SHAPE[0], width: int = SHAPE[1], channels: int = 3) -> np.ndarray:
    """A gradient, so that every flip and turn of it differs."""
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 15 + columns * 3 + 40 * channel for channel in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def save_pair(image: Path, mask: Path) -> None:
    save(image, picture())
    save(mask, HALF * 255)


def palette(pixels: np.ndarray, colours: Sequence[tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(pixels).convert("L")
    image.putpalette([value for colour in colours for value in colour])
    return image


def generated(name: str) -> Sample:
    return Sample(name, lambda: (picture(), HALF))


def names(samples: Sequence[Sample]) -> list[str]:
    return [sample.name for sample in samples]
