"""Pictures of images of any type and number of channels."""

from __future__ import annotations

import numpy as np
import pytest

from segkit.data.display import display_rgb, own_range
from segkit.data.pixel_range import PixelRange


@pytest.mark.parametrize(
    ("channels", "shown"), [(1, [0]), (2, [0]), (3, [0, 1, 2]), (4, [0, 1, 2]), (64, [0, 1, 2])]
)
def test_the_first_channels_of_eight_bits_are_shown_as_they_are(channels, shown):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    picture = display_rgb(image, PixelRange.of((0, 255), channels))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, image[..., shown])


def test_other_numbers_are_shown_by_their_range_and_chosen_channels():
    image = np.zeros((1, 3, 5), np.int16)
    image[..., 4], image[..., 1] = (-1000, 0, 3000), (10, 20, 40)
    pixel_range = PixelRange.of([[0, 1], [0, 40], [0, 1], [0, 1], [-1000, 1000]], 5)
    picture = display_rgb(image, pixel_range, rgb=(4, 1, 0))
    assert picture.tolist() == [[[0, 64, 0], [128, 128, 0], [255, 255, 0]]]


def test_an_image_without_a_range_is_shown_from_its_smallest_to_its_largest_number():
    assert own_range(np.zeros((2, 2, 3), np.uint8)) == PixelRange.of((0, 255), 3)
    image = np.array([-1000, 0, 3000], np.int16).reshape(1, 3, 1)
    assert display_rgb(image, own_range(image)).ravel().tolist() == [0, 64, 255]
    for number in (0, 7, -2.5e6):
        flat = np.full((2, 2, 1), number, np.float32)
        assert not display_rgb(flat, own_range(flat)).any()
