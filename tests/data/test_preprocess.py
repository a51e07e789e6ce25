"""Decoding and resizing: the same pixels whatever the threads do, and every problem at once."""

import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.preprocess import prepare
from segkit.data.resize import resize_image, resize_mask
from tests.data.cases import BINARY, HALF, MULTICLASS, MULTILABEL, generated, picture

SIZES = [(12, 10), (5, 7), (24, 30), (1, 1), (13, 9)]


def broken(name: str, message: str = "the file is empty") -> Sample:
    def read():
        raise DataError(message, where=f"{name}.png")

    return Sample(name, read)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_image_is_resized_as_pillow_does_it_channel_by_channel(size, channels):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, channels), np.uint8)
    resized = resize_image(image, size)
    assert resized.dtype == np.uint8
    for channel in range(channels):
        expected = Image.fromarray(image[..., channel]).resize(size[::-1], Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(resized[..., channel], np.asarray(expected))


@pytest.mark.parametrize("size", SIZES)
def test_mask_takes_the_nearest_pixel(size):
    mask = np.random.default_rng(0).choice(np.array([0, 1, 255], np.uint8), (12, 10))
    resized = resize_mask(mask, size)
    expected = Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST)
    np.testing.assert_array_equal(resized, np.asarray(expected))
    several = resize_mask(np.stack([mask, mask.T[:10, :12].T], axis=-1), size)
    np.testing.assert_array_equal(several[..., 0], resized)


@pytest.mark.parametrize(("task", "labels"), [(BINARY, ()), (MULTICLASS, ()), (MULTILABEL, (2,))])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_prepared_has_the_shapes_of_the_task(task, labels, channels):
    mask = np.broadcast_to(HALF.reshape(*HALF.shape, *(1 for _ in labels)), (*HALF.shape, *labels))
    samples = [Sample(name, lambda: (picture(channels=channels), mask)) for name in "ab"]
    prepared = prepare(samples, (6, 8), task, channels)
    assert prepared.names == ["a", "b"]
    assert len(prepared) == 2
    assert prepared.images.shape == (2, 6, 8, channels)
    assert prepared.masks.shape == (2, 6, 8, *labels)
    assert prepared.images.dtype == prepared.masks.dtype == np.uint8


def test_result_and_problems_do_not_depend_on_the_order_of_threads():
    def slow(index: int) -> Sample:
        def read():
            time.sleep(0.02 * (3 - index % 4))
            if index in (1, 5):
                raise DataError(f"wrong {index}")
            return np.full((4, 4, 3), index, np.uint8), np.zeros((4, 4), np.uint8)

        return Sample(str(index), read)

    done: list[tuple[int, int]] = []
    fine = [slow(index) for index in range(8) if index not in (1, 5)]
    prepared = prepare(fine, (4, 4), BINARY, 3, lambda *seen: done.append(seen))
    assert prepared.images[:, 0, 0, 0].tolist() == [0, 2, 3, 4, 6, 7]
    assert done == [(count, 6) for count in range(1, 7)]
    with pytest.raises(DataError) as error:
        prepare([slow(index) for index in range(8)], (4, 4), BINARY, 3)
    assert str(error.value) == "wrong 1\nwrong 5"


def test_mask_of_another_size_is_refused():
    odd = Sample("odd", lambda: (picture(), HALF[:5]))
    with pytest.raises(
        DataError, match="odd: the mask is 10x5 pixels, its image 10x12\n  try: the image is odd"
    ):
        prepare([generated("a"), odd], (4, 4), BINARY, 3)


def test_all_problems_are_kept_and_equal_ones_are_told_together():
    with pytest.raises(DataError) as error:
        prepare([broken(f"{index:02d}") for index in range(63)], (4, 4), BINARY, 3)
    assert len(error.value.problems) == 63
    assert str(error.value).splitlines() == [
        "00.png: the file is empty", "01.png: the file is empty", "02.png: the file is empty",
        "... and 60 more files",
    ]  # fmt: skip


def test_what_is_no_problem_of_the_data_is_not_swallowed():
    def read():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        prepare([Sample("a", read)], (4, 4), BINARY, 3)


def test_mask_of_a_source_that_does_not_know_the_labels_is_refused():
    task = replace(BINARY, labels=(("lesion", (7,)),))
    for value, listed in ((np.uint8(7), "7"), (np.int16(256), "256"), (np.float32(0.5), "0.5")):
        samples = [Sample("a", lambda value=value: (picture(), HALF * value))]
        message = (
            f"a: the source gives a mask of {listed}, which is not a class\n  try: masks of this task hold 0"
        )
        with pytest.raises(DataError, match=message):
            prepare(samples, (12, 10), task, 3)
