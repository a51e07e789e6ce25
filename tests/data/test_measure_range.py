"""Ranges of images of all types, measured as numpy would on all numbers at once."""

from __future__ import annotations

import numpy as np
import pytest

from segkit.data import measure_range as measuring
from segkit.data.cache.array_view import IndexedArrays, types_of
from segkit.data.measure_range import clipped_images, measure_range
from segkit.data.pixel_range import PixelRange

RNG = np.random.default_rng(0)
SHAPE = (7, 5, 6, 3)
STACKS = {
    "uint8": RNG.integers(3, 250, SHAPE).astype(np.uint8),
    "uint16": RNG.integers(0, 2**16, SHAPE).astype(np.uint16),
    "int16": RNG.integers(-(2**15), 2**15, SHAPE).astype(np.int16),
    "float32": RNG.normal(0, 1e4, SHAPE).astype(np.float32),
}


def mixed(*names: str) -> IndexedArrays:
    """The images of several stacks in turn."""
    count = len(names) * SHAPE[0]
    return IndexedArrays(
        [STACKS[name] for name in names], np.arange(count) % len(names), np.arange(count) // len(names)
    )


@pytest.mark.parametrize("names", [*((name,) for name in STACKS), ("uint8", "int16"), ("uint16", "float32")])
def test_range_is_that_of_all_numbers(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    images = mixed(*names)
    assert types_of(images) == {*map(np.dtype, names)}
    numbers = np.concatenate([row.reshape(-1, 3) for row in images]).astype(np.float64)
    monkeypatch.setattr(measuring, "_BYTES_AT_ONCE", 2 * images[0].nbytes)
    monkeypatch.setattr(measuring, "_CHANNELS_AT_ONCE", 2)
    assert measure_range(images) == PixelRange(tuple(numbers.min(0).tolist()), tuple(numbers.max(0).tolist()))
    measured = measure_range(images, (0.5, 98.3))
    np.testing.assert_allclose(
        [measured.low, measured.high], np.percentile(numbers, [0.5, 98.3], axis=0), rtol=1e-12
    )


def test_percentiles_of_many_floats_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_SAMPLED", 20_000)
    images = np.random.default_rng(1).uniform(0, 1, (10, 100, 100, 2)).astype(np.float32)
    measured = measure_range(images, (10, 90))
    assert measured == measure_range(images, (10, 90))
    np.testing.assert_allclose(measured.low, 0.1, atol=0.01)
    np.testing.assert_allclose(measured.high, 0.9, atol=0.01)


def test_channels_of_one_number_become_0() -> None:
    images = np.zeros((2, 10, 10, 3), np.float32)
    images[..., 1], images[0, 0, 0, 2] = 3e9, 5
    for percentile in (None, (1.0, 99.0)):
        measured = measure_range(images, percentile)
        assert measured == PixelRange((0.0, 3e9, 0.0), (1.0, 6e9, 5.0))
        assert measured.unit(images)[..., :2].max() == 0
        assert measured.unit(images)[..., 2].max() == 1


def test_images_are_clipped_of_which_half_the_pixels_of_a_channel_are_beyond() -> None:
    images = np.full((4, 4, 4, 2), 100, np.uint16)
    images[0, :2, :, 1] = 201  # half of them
    images[1, :2, :3, 1] = 201
    images[2, 1:, :, 0] = 0
    images[3, 0, 0] = 200, 50
    assert clipped_images(images, PixelRange((50, 50), (200, 200))) == [0, 2]
