"""Every point of the contract of transforms catches a transform that breaks it, and says what to change."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from segkit.core.errors import PartError
from segkit.core.registry import TRANSFORMS, entry_of
from segkit.testing import Check, ContractError, Subject
from segkit.testing import transforms as points


def flip(*, p: float = 0.5):
    """Ten lines that keep every point: what comes is returned as a view of it, or as it is."""

    def transform(image, mask, rng):
        if rng.random() >= p:
            return image, mask
        return image[:, ::-1], mask[:, ::-1]

    return transform


def gamma(*, most: float = 2.0):
    """A change of colours alone, without a probability."""

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
    """Takes an object out of the mask and paints over it, which moves nothing."""

    def transform(image, mask, rng):
        gone = mask == rng.integers(1, 3)
        shown = gone if gone.ndim == 2 else gone.any(axis=-1)
        return np.where(shown[..., None], 0, image).astype(np.uint8), np.where(gone, 0, mask).astype(np.uint8)

    return transform


def crop_to(*, size: tuple[int, int] = (20, 28)):
    """Fits images of one size."""

    def transform(image, mask, rng):
        if image.shape[:2] != size:
            raise PartError(f"images of {image.shape[:2]}, not of {size}")
        return np.roll(image, 3, axis=0), np.roll(mask, 3, axis=0)

    return transform


def doing(change):
    """A transform of (image, mask, rng) -> image, mask, without options."""
    return lambda: change


def tried(point, factory) -> None:
    entry = entry_of(TRANSFORMS, "broken", factory)
    Check(Subject(entry, dict(entry.schema())), point)()


def refused(point, change, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        tried(point, doing(change))


@pytest.mark.parametrize("factory", [flip, gamma, quarter_turn, forgetful, crop_to])
@pytest.mark.parametrize("point", points.CHECKS, ids=lambda point: point.__name__)
def test_point_is_kept_by_ten_lines(point, factory):
    tried(point, factory)


def test_transform_that_refuses_everything_is_caught():
    def change(image, mask, rng):
        raise PartError(f"no {image.shape[-1]} channels")

    message = "it refuses every kind of image: no 3 channels; no 1 channels\n  try: refuse only"
    refused(points.it_fits_some_images, change, message)


def test_transform_that_gives_no_pair_is_caught():
    message = "it gives ndarray, not two arrays\n  try: return image, mask"
    refused(points.it_fits_some_images, lambda image, mask, rng: image, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, mask, rng: (image / 255, mask), r"an image of uint8 .* becomes float64 \(32, 32, 3\)"),
        (
            lambda image, mask, rng: (image[:-1], mask[:-1]),
            r"an image of uint8 \(32, 32, 3\) becomes uint8 \(31,",
        ),
        (
            lambda image, mask, rng: (image[..., 0] if image.shape[-1] == 1 else image, mask),
            r"an image of uint8 \(24, 40, 1\) becomes uint8 \(24, 40\)\n  try: return uint8 of the shape",
        ),
        (
            lambda image, mask, rng: (image.swapaxes(0, 1), mask.swapaxes(0, 1)),
            r"an image of uint8 \(24, 40, 1\) becomes uint8 \(40, 24, 1\)",
        ),
    ],
)
def test_image_of_another_kind_is_caught(change, message):
    refused(points.images_and_masks_keep_their_shape_and_stay_uint8, change, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, mask, rng: (image, mask > 0), r"a mask of uint8 \(32, 32\) becomes bool \(32, 32\)"),
        (
            lambda image, mask, rng: (image, mask.squeeze()),
            r"a mask of .* \(32, 32, 1\) becomes uint8 \(32, 32\)\n",
        ),
        (
            lambda image, mask, rng: (image, mask[..., :4]),
            r"a mask of uint8 .* becomes .*\n  try: .* 4 channels",
        ),
    ],
)
def test_mask_of_another_kind_is_caught(change, message):
    refused(points.images_and_masks_keep_their_shape_and_stay_uint8, change, message)


def test_mask_that_is_blended_is_caught():
    def blur(image, mask, rng):
        wide = mask.astype(int)
        return image, ((wide + np.roll(wide, 1, axis=0)) // 2).astype(np.uint8)

    message = (
        r"a mask of 0, 1, 2, 5, 255 holds 127, 128, 130 afterwards\n  try: take the nearest pixel for masks"
    )
    refused(points.masks_keep_their_values, blur, message)

    def only_labels(image, mask, rng):
        return blur(image, mask, rng) if mask.ndim == 3 else (image, mask)

    refused(points.masks_keep_their_values, only_labels, "a mask of 0, 1, 255 holds 127, 128 afterwards")


@pytest.mark.parametrize(
    "change",
    [
        lambda image, mask, rng: (image[:, ::-1], mask),
        lambda image, mask, rng: (image, mask[::-1]),
        lambda image, mask, rng: (np.rot90(255 - image), np.rot90(mask, 3)),
        lambda image, mask, rng: (image[:: 1 - 2 * rng.integers(2)], mask[:: 1 - 2 * rng.integers(2)]),
    ],
)
def test_mask_that_goes_another_way_than_its_image_is_caught(change):
    message = "the image is flipped or turned in another way than its mask\n  try: draw once"
    refused(points.image_and_mask_move_together, change, message)


OWN = np.random.default_rng(0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.randrange(256),
        lambda: np.random.randint(256),
        lambda: int(torch.randint(256, ())),
        lambda: OWN.integers(256),
        lambda: np.random.default_rng().integers(256),
    ],
)
def test_randomness_from_elsewhere_is_caught(draw):
    message = (
        r"for images .*: the same rng gives another result the second time\n  try: draw everything from the"
    )
    refused(
        points.all_randomness_comes_from_rng,
        lambda image, mask, rng: (image ^ np.uint8(draw()), mask),
        message,
    )


@pytest.mark.parametrize("which", [0, 1])
def test_change_in_place_is_caught(which):
    def change(image, mask, rng):
        (image, mask)[which][0] = 1
        return image, mask

    what = ("image", "mask")[which]
    message = rf"it changes the {what} that it was given\n  try: work on {what}\.copy\(\)"
    refused(points.inputs_stay_unchanged, change, message)
