"""Tasks, and files of every encoding, for the tests of data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import DataError
from segkit.core.types import Sample, Task

BINARY = Task("binary", ("lesion",))
MULTICLASS = Task("multiclass", ("skin", "lesion", "hair"))
IGNORING = replace(BINARY, ignore_index=255)
MULTILABEL = Task("multilabel", ("lesion", "hair"))
SHAPE = (12, 10)
# Options without which a transform cannot be built, does too little to be seen, or takes long.
NEEDED = {
    "Affine": {"rotate": [10, 40], "scale": [0.8, 1.2]},
    "CropAndPad": {"percent": -0.1},
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 5},
    "RandomResizedCrop": {"size": [32, 32]},
    "RandomSizedCrop": {"size": [32, 32], "min_max_height": [16, 24]},
    "ConstrainedCoarseDropout": {"mask_indices": [1, 2]},
    "RandomSunFlare": {"src_radius": 10},
    "PiecewiseAffine": {"nb_rows": 2, "nb_cols": 2},
    "Superpixels": {"n_segments": [10, 10], "max_size": 16},
    "PixelDropout": {"dropout_prob": 0.2},
    "ElasticTransform": {"alpha": 60, "sigma": 5},
    "CoarseDropout": {"hole_height_range": [4, 8], "hole_width_range": [0.1, 0.5]},
}
HALF = np.zeros(SHAPE, np.uint8)
HALF[3:9, 2:7] = 1  # a binary mask: what the files below mean
LOSSLESS = ["png", "bmp", "tif", "gif", "webp"]
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def fails(message: str):
    return pytest.raises(DataError, match=message)


def stack(pixels: np.ndarray) -> np.ndarray:
    return np.stack([pixels] * 3, axis=-1)


def picture(height: int = SHAPE[0], width: int = SHAPE[1], channels: int = 3) -> np.ndarray:
    """A gradient, so that every flip and turn of it differs."""
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 15 + columns * 3 + 40 * channel for channel in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


INDICES = HALF + (picture()[..., 0] > 100)  # 0, 1 and 2


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
