"""Windows of images and masks, and blending of their predictions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from segkit.data.resize import resize_chunks, resize_mask, resize_probabilities
from segkit.data.windows import GRID, Grid, cut_mask, cut_window, window_step

SIZE = (32, 48)
EXTENTS = [(1, 1), (5, 200), (32, 48), (33, 49), (100, 40), (131, 257)]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape, np.uint8)


@pytest.mark.parametrize("extent", EXTENTS)
def test_a_window_is_the_image_continued_by_its_reflection(extent):
    image = drawn(*extent, 2)
    around = [(300, 300), (300, 300), (0, 0)]
    continued = np.pad(image, around, mode="symmetric")
    for top, left in [(0, 0), (-40, 3), (extent[0] - 1, extent[1] - 1), (extent[0] // 2, -1)]:
        window = cut_window(image, top, left, SIZE)
        expected = continued[300 + top : 332 + top, 300 + left : 348 + left]
        assert np.array_equal(window, expected), (top, left)
        assert window.flags.c_contiguous


@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("labels", [(), (3,)])
def test_a_window_of_a_mask_is_nearest_neighbour_and_padded(extent, labels):
    for shape in (extent, (2 * extent[0], extent[1] // 3 + 1)):
        mask = drawn(*shape, *labels)
        around = [(300, 300), (300, 300), *((0, 0) for _ in labels)]
        padded = np.pad(resize_mask(mask, extent), around, constant_values=255)
        for top, left in [(0, 0), (-40, 3), (extent[0] - 1, extent[1] - 1), (extent[0] + 7, 0)]:
            window = cut_mask(mask, top, left, SIZE, extent, padding=255)
            expected = padded[300 + top : 332 + top, 300 + left : 348 + left]
            assert np.array_equal(window, expected), (shape, top, left)


def test_windows_overlap_at_least_as_told_and_start_on_the_grid():
    steps = {(256, 64): 192, (256, 65): 160, (128, 1): 96, (128, 97): 31, (32, 8): 24, (48, 0): 32}
    assert {given: window_step(*given) for given in steps} == steps
    assert all(step % GRID == 0 for (side, overlap), step in steps.items() if side - overlap >= GRID)


def test_blended_windows_of_a_map_are_the_map():
    for extent, steps in product(EXTENTS, product((32, 20, 1), (48, 32, 7))):
        image = drawn(*extent, 2)
        grid = Grid(extent, SIZE, steps)
        windows = [cut_window(image, top, left, SIZE) for top, left in grid.starts]
        maps = [np.moveaxis(window / np.float32(255), -1, 0) for window in windows]
        assert len(windows) == len(grid)
        chunks = [*grid.blend(2, maps)]
        assert len(chunks) == len(grid.tops)
        expected = np.moveaxis(image / np.float32(255), -1, 0)
        np.testing.assert_allclose(np.concatenate(chunks, axis=1), expected, atol=1e-6)


def test_a_single_window_is_cut_to_the_image():
    predicted = np.random.default_rng(0).random((3, *SIZE), np.float32)
    (chunk,) = Grid((20, 48), SIZE, SIZE).blend(3, [predicted])
    assert np.array_equal(chunk, predicted[:, :20])


def test_blending_takes_only_windows_of_its_own_image():
    windows = iter([np.full((1, *SIZE), value, np.float32) for value in (0.25, 0.5, 0.75)])
    first, second = ([*Grid(extent, SIZE, SIZE).blend(1, windows)] for extent in [(32, 48), (40, 10)])
    assert [float(chunk.mean()) for chunk in (*first, *second)] == [0.25, 0.5, 0.75]


@pytest.mark.parametrize("size", [(301, 203), (40, 61), (97, 60), (13, 7)])
def test_probabilities_in_chunks_are_resized_as_the_whole(size, monkeypatch):
    maps = np.random.default_rng(0).random((2, 97, 60), np.float32)
    whole = resize_probabilities(maps, size)
    for numbers, rows in product((1, 900, 10**9), (1, 10, 97)):
        monkeypatch.setattr("segkit.data.resize._MAX_CHUNK", numbers)
        chunks = (maps[:, top : top + rows] for top in range(0, 97, rows))
        resized = [*resize_chunks(chunks, 97, size)]
        np.testing.assert_allclose(np.concatenate(resized, axis=1), whole, atol=1e-5)
