"""Transforms are tried on what they get in training."""

from pathlib import Path

import numpy as np
import pytest

from segkit.core.errors import PartError
from segkit.core.registry import TRANSFORMS
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.preprocess import Prepared
from segkit.experiments.augmentation import try_transforms
from segkit.recipe.transform_images import images_in_words
from tests.recipe.cases import loaded

DATA = """
  source: {name: folder, images: a, masks: b}
  size: [32, 32]
  fit: crop
  augment: [Mosaic, {name: Affine, translate_px: {x: [0, 9], y: 0}}, RandomRotate90, CopyPaste]
"""


def test_windows_are_tried_with_their_room_and_with_other_samples(tmp_path: Path) -> None:
    images, masks = np.zeros((1, 20, 90, 3), np.uint8), np.ones((1, 20, 90), np.uint8)
    rows = [IndexedArrays([array], np.zeros(1, int), np.zeros(1, int)) for array in (images, masks)]
    data = loaded(tmp_path, data=DATA).data
    for train in (Prepared(["wide"], *rows), None):
        try_transforms(data, train)  # a quarter turn of what was not square would change its shape
    # Behind it a window has its last size, whatever room it had before.
    fixed = "{name: RandomResizedCrop, size: [%d, 32]}"
    try_transforms(loaded(tmp_path, [f"data.augment.3={fixed % 32}"], data=DATA).data, None)
    with pytest.raises(PartError, match="RandomResizedCrop changes the shape of images") as error:
        try_transforms(loaded(tmp_path, [f"data.augment.3={fixed % 16}"], data=DATA).data, None)
    assert [problem.path for problem in error.value.problems] == ["data.augment.3"]


def test_a_transform_says_how_many_other_samples_it_gets() -> None:
    entries = [TRANSFORMS.get(name) for name in ("Mosaic", "CutMix", "Rotate")]
    assert [images_in_words(entry) for entry in entries if entry] == [
        "uint8 or float32, any number of channels; with 3 other samples",
        "uint8 or float32, any number of channels; with 1 other sample",
        "uint8 or float32, any number of channels",
    ]
