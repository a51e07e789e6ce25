"""Polygons and run-length codes: masks equal those of COCO's tools."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from segkit.data.polygons import ellipse, paint, polygon_runs, rle_runs


def mask_of(runs: np.ndarray, extent: tuple[int, int]) -> np.ndarray:
    columns = np.zeros(extent[::-1], np.uint8)
    paint(columns, runs, 1)
    return columns.T


def random_polygon(rng: np.random.Generator, number: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Convex, star-shaped, self-crossing, tiny or degenerate; inside, across or outside of the image."""
    extent = int(rng.integers(1, 60)), int(rng.integers(1, 60))
    side = np.array(extent[::-1])
    corners = int(rng.integers(3, 14))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = [np.ones(corners), rng.uniform(0.2, 1, corners), rng.uniform(0.01, 0.05, corners)][number % 3]
    round_middle = (
        np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None] * rng.uniform(0.1, 0.8)
    )
    points = [
        (round_middle + rng.uniform(-0.2, 1.2, 2)) * side,
        rng.uniform(-0.4, 1.4, (corners, 2)) * side,
        rng.uniform(0, 1, (corners, 1)) * side,  # on a line
        rng.uniform(1.1, 2, (corners, 2)) * side,
        np.repeat(rng.uniform(0, 1, (3, 2)) * side, 2, axis=0),  # every corner twice
    ][number % 5]
    return points.round([6, 1, 0][number % 3]), extent


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of COCO's tools, when they decode
def test_masks_equal_those_of_cocos_tools() -> None:
    rng = np.random.default_rng(0)
    filled = 0
    for number in range(1000):
        points, extent = random_polygon(rng, number)
        expected = coco.decode(coco.frPyObjects([points.ravel().tolist()], *extent))[..., 0]
        mask = mask_of(polygon_runs(points, extent), extent)
        np.testing.assert_array_equal(mask, expected)
        filled += bool(mask.any())
    assert filled > 400


def test_which_pixels_belong_to_a_polygon() -> None:
    """Those whose middle lies inside; on the boundary, those above and to the left of it."""

    def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        return np.argwhere(mask_of(polygon_runs(corners, (6, 6)), (6, 6)))

    assert rectangle(1, 2, 3, 5).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2], [4, 1], [4, 2]]  # row, column
    assert rectangle(1.5, 2.5, 3.5, 3.5).tolist() == [[3, 2], [3, 3]]
    assert rectangle(1.55, 2.55, 2.45, 3.45).size == 0  # between the middles of four pixels


def test_neighbours_neither_overlap_nor_leave_a_gap() -> None:
    rng = np.random.default_rng(0)
    height, width = 40, 50
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    for number in range(100):
        middle = rng.uniform((1, 1), (width - 1, height - 1)).round(number % 4)
        triangles = [np.array([frame[side - 1], frame[side], middle]) for side in range(4)]
        masks = [
            mask_of(polygon_runs(points[:: rng.choice([-1, 1])], (height, width)), (height, width))
            for points in triangles
        ]
        assert (np.sum(masks, axis=0) == 1).all()


def test_run_length_codes_of_both_kinds() -> None:
    rng = np.random.default_rng(0)
    for number in range(200):
        extent = int(rng.integers(1, 40)), int(rng.integers(1, 40)) if number % 20 else 9000
        mask = (rng.random(extent) < rng.choice([0, 0.001, 0.5, 1])).astype(np.uint8)
        counts = coco.encode(np.asfortranarray(mask))["counts"].decode()
        runs = rle_runs(counts, extent)
        np.testing.assert_array_equal(mask_of(runs, extent), mask)
        np.testing.assert_array_equal(mask_of(rle_runs(runs.tolist(), extent), extent), mask)


CODE = "its run-length code is damaged: "


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ("", CODE + "it holds other characters, or is cut off"),
        ("p", CODE + "it holds other characters"),
        ("\u00e9", CODE + "it holds other characters"),
        ("X", CODE + "it holds other characters, or is cut off"),  # a number that goes on
        ("o" * 8 + "0", CODE + "a run is longer than any image"),
        ("A", CODE + "a run is negative, or longer than the image"),
        ([5, -1, 8], CODE + "a run is negative"),
        ([10**9, 3], CODE + "a run is negative, or longer than the image"),
        ([], "its run-length code has 0 pixels, an image of 4x3 has 12"),
        ([5, 5], "its run-length code has 10 pixels, an image of 4x3 has 12"),
        ("55", "its run-length code has 10 pixels, an image of 4x3 has 12"),
    ],
)
def test_damaged_run_length_codes_are_refused(counts: str | list[int], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        rle_runs(counts, (3, 4))


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([[0, 0], [1, 1]], "a polygon needs three corners, this one has 2"),
        ([[0, 0], [1, 1], [np.nan, 2]], "a corner of its polygon is more than 16,777,216 pixels away"),
        ([[0, 0], [1, 1], [1e300, 2]], "a corner of its polygon is more than 16,777,216 pixels away"),
        ([[0, 0], [1e7, 1], [2, 2]], "the boundary of its polygon is longer than 6,710,886 pixels"),
    ],
)
def test_polygons_that_would_exhaust_memory_are_refused(points: list[list[float]], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        polygon_runs(np.array(points), (3, 4))


def test_ellipses_are_polygons_of_many_corners() -> None:
    rows, columns = np.mgrid[:60, :80] + 0.5
    inside = ((columns - 40) / 30) ** 2 + ((rows - 30) / 20) ** 2 < 1
    mask = mask_of(polygon_runs(ellipse((40, 30), (30, 20)), (60, 80)), (60, 80))
    assert (mask != inside).mean() < 0.02
    assert len(ellipse((0, 0), (1e9, 1))) == 10_000
