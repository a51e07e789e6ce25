"""Every check of transforms catches a broken transform."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from segkit.core.errors import PartError
from tests.testing.contract import assert_caught, assert_complete, assert_passes


def flip(*, p: float = 0.5):
    """Returns its inputs, or views of them."""

    def transform(image, mask, rng):
        if rng.random() >= p:
            return image, mask
        return image[:, ::-1], mask[:, ::-1]

    return transform


def gamma(*, most: float = 2.0):
    """A change of colours, without a probability."""

    def transform(image, mask, rng):
        curve = (np.arange(256) / 255) ** rng.uniform(1, most) * 255
        return curve.astype(np.uint8)[image], mask

    return transform


def quarter_turn():
    """Only for square RGB images with one mask."""

    def transform(image, mask, rng):
        if image.shape != (*mask.shape, 3) or image.shape[0] != image.shape[1]:
            raise PartError("turns square RGB images with masks (H, W) only")
        quarters = rng.integers(4)
        return np.rot90(image, quarters), np.rot90(mask, quarters)

    return transform


def forgetful(*, share: float = 0.3):
    """Removes an object from image and mask."""

    def transform(image, mask, rng):
        gone = mask == rng.integers(1, 3)
        shown = gone if gone.ndim == 2 else gone.any(axis=-1)
        return np.where(shown[..., None], image.dtype.type(0), image), np.where(gone, np.uint8(0), mask)

    return transform


def crop_to(*, size: tuple[int, int] = (20, 28)):
    """Fits images of one size."""

    def transform(image, mask, rng):
        if image.shape[:2] != size:
            raise PartError(f"images of {image.shape[:2]}, not of {size}")
        return np.roll(image, 3, axis=0), np.roll(mask, 3, axis=0)

    return transform


EIGHT_BITS = {"types": ("uint8",)}


@pytest.mark.parametrize(
    ("factory", "traits"),
    [(flip, {}), (gamma, EIGHT_BITS), (quarter_turn, {}), (forgetful, {}), (crop_to, {})],
)
def test_correct_transform_passes(factory, traits):
    assert_passes("transform", factory, traits)


def refuses_all(image, mask, rng):
    raise PartError(f"no {image.shape[-1]} channels")


def blur(image, mask, rng):
    wide = mask.astype(int)
    return image, ((wide + np.roll(wide, 1, axis=0)) // 2).astype(np.uint8)


def drawing(draw):
    return lambda image, mask, rng: (image ^ np.uint8(draw()), mask)


def counting():
    calls = []

    def transform(image, mask, rng):
        calls.append(1)
        return image ^ np.uint8(len(calls)), mask

    return transform


def changed_at_build():
    shift = random.randrange(256)
    return lambda image, mask, rng: (image ^ np.uint8(shift), mask)


def in_place(index):
    def transform(image, mask, rng):
        (image, mask)[index][0] = 1
        return image, mask

    return transform


OWN = np.random.default_rng(0)
KEEPS = "shape_dtype_and_mask_values_are_kept"
TOGETHER = "image_and_mask_move_together"
SAME = "same_rng_gives_the_same_result"
DIFFERENT = "the same rng gives different results\n  try: draw all random numbers from rng"
BROKEN = [
    (
        KEEPS,
        refuses_all,
        "it refuses every kind of image: no 3 channels; no 1 channels; no 12 channels\n  try: refuse only",
    ),
    (KEEPS, lambda image, mask, rng: (image // 2 + 20, mask), "for float32 images of size (32, 32) with 3"),
    (
        KEEPS,
        lambda image, mask, rng: (image + image.dtype.type(1) if image.dtype == np.float32 else image, mask),
        "a float32 image in 0..1 becomes one in 1.",
    ),
    (
        KEEPS,
        lambda image, mask, rng: image,
        "it returns a ndarray, not two arrays\n  try: return image, mask",
    ),
    (
        KEEPS,
        lambda image, mask, rng: (image / 255, mask),
        "the image of uint8 (32, 32, 3) becomes float64 (32, 32, 3)\n  try: return uint8 of the same shape",
    ),
    (KEEPS, lambda image, mask, rng: (image[:-1], mask[:-1]), "(32, 32, 3) becomes uint8 (31, 32, 3)"),
    (
        KEEPS,
        lambda image, mask, rng: (image[..., 0] if image.shape[-1] == 1 else image, mask),
        "the image of uint8 (24, 40, 1) becomes uint8 (24, 40)\n",
    ),
    (
        KEEPS,
        lambda image, mask, rng: (image.swapaxes(0, 1), mask.swapaxes(0, 1)),
        "the image of uint8 (24, 40, 1) becomes uint8 (40, 24, 1)",
    ),
    (KEEPS, lambda image, mask, rng: (image, mask > 0), "the mask of uint8 (32, 32) becomes bool (32, 32)"),
    (
        KEEPS,
        lambda image, mask, rng: (image, mask.squeeze()),
        "the mask of uint8 (32, 32, 1) becomes uint8 (32, 32)\n",
    ),
    (KEEPS, blur, "the mask gets new values: 3, ...\n  try: use INTER_NEAREST for masks"),
    (
        KEEPS,
        lambda image, mask, rng: blur(image, mask, rng) if mask.ndim == 3 else (image, mask),
        "with 3 channels and 1 labels: the mask gets new values: ",
    ),
    (
        TOGETHER,
        lambda image, mask, rng: (image[:, ::-1], mask),
        "the mask moves differently from its image\n  try: draw one random number",
    ),
    (TOGETHER, lambda image, mask, rng: (image, mask[::-1]), "the mask moves differently from its image"),
    (
        TOGETHER,
        lambda image, mask, rng: (np.rot90(image), np.rot90(mask, 3)),
        "the mask moves differently from its image",
    ),
    (
        TOGETHER,
        lambda image, mask, rng: (image[:: 1 - 2 * rng.integers(2)], mask[:: 1 - 2 * rng.integers(2)]),
        "the mask moves differently from its image",
    ),
    (SAME, drawing(lambda: random.randrange(256)), DIFFERENT),
    (SAME, drawing(lambda: np.random.randint(256)), DIFFERENT),
    (SAME, drawing(lambda: int(torch.randint(256, ()))), DIFFERENT),
    (SAME, drawing(lambda: OWN.integers(256)), DIFFERENT),
    ("inputs_stay_unchanged", in_place(0), "it changes its input image\n  try: work on image.copy()"),
    ("inputs_stay_unchanged", in_place(1), "it changes its input mask\n  try: work on mask.copy()"),
]


@pytest.mark.parametrize(("name", "change", "message"), BROKEN)
def test_check_catches_a_broken_transform(name, change, message):
    assert_caught("transform", name, lambda: change, message, EIGHT_BITS if name == SAME else {})


def test_transform_that_takes_eight_bits_only_must_say_so():
    message = "for float32 images of size (32, 32) with 3 channels and no labels: it fails: IndexError"
    assert_caught("transform", KEEPS, gamma, message)
    assert_caught("transform", KEEPS, lambda: lambda image, mask, rng: (image[..., :4], mask), "12) becomes")


@pytest.mark.parametrize("factory", [counting, changed_at_build])
def test_state_and_random_numbers_outside_the_call_are_caught(factory):
    assert_caught("transform", SAME, factory, DIFFERENT, EIGHT_BITS)


def test_every_check_catches_something():
    assert_complete("transform", BROKEN)
