"""Masks from probabilities: what is filled and removed, judged by other libraries and by small drawings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes
from skimage.measure import label

from segkit.core.types import Task
from segkit.data import postprocess
from segkit.data.fit import Fit
from segkit.data.postprocess import MaskSteps, area_factor, scoring_factor

INF = float("inf")
LESION = Task("binary", ("lesion",))


def steps(task=LESION, threshold=0.5, fill=0.0, size=0.0, largest=False) -> MaskSteps:
    """Each step for all classes, or one value for each."""
    values = [
        tuple(value) if isinstance(value, list) else (value,) * len(task.classes)
        for value in (threshold, fill, size, largest)
    ]
    return MaskSteps(task, *values)


def plane(*rows: str) -> np.ndarray:
    return np.array([[int(letter) if letter.isdigit() else 0 for letter in row] for row in rows], np.uint8)


def objects_of(mask: np.ndarray, size: float, *, largest: bool) -> np.ndarray:
    numbers = label(mask, connectivity=2)
    areas = {number: (numbers == number).sum() for number in range(1, numbers.max() + 1)}
    kept = [number for number, area in areas.items() if area >= size]
    kept = [max(kept, key=lambda number: areas[number])] if largest and kept else kept
    return np.isin(numbers, kept)


@pytest.mark.parametrize("strip", [2**22, 64])
def test_holes_and_objects_are_those_of_other_libraries(strip, monkeypatch):
    monkeypatch.setattr(postprocess, "_STRIP", strip)  # large images are looked at in strips
    rng = np.random.default_rng(0)
    for share in (0.0, 0.2, 0.5, 0.7, 1.0):
        maps = (
            rng.random((1, 40, 57), np.float32) if 0 < share < 1 else np.full((1, 40, 57), share, np.float32)
        )
        mask = maps[0] > np.float32(1 - share)
        filled = binary_fill_holes(mask)
        for size, largest in ((0, False), (5, False), (0, True), (9, True)):
            for fill, expected in ((0, mask), (INF, filled)):
                found = steps(threshold=1 - share or 0.5, fill=fill, size=size, largest=largest).mask(maps)
                assert np.array_equal(found, objects_of(expected, size, largest=largest)), (share, size, fill)
                assert found.dtype == np.uint8


def test_small_holes_are_filled_and_the_border_is_open():
    drawn = plane(
        "1111.11111", "1...1.1..1", "11111.1.11", "......1111", "111.......", "1.1.11....", "11..11...."
    )
    maps = np.where(drawn, 0.9, 0.1)[None].astype(np.float32)
    filled = drawn.copy()
    filled[1, 1:4] = filled[1, 7:9] = filled[2, 7] = 1  # the one below is open at its corner, over an edge
    filled[5, 1] = 1
    assert np.array_equal(steps(fill=INF).mask(maps), np.where(binary_fill_holes(drawn), 1, 0))
    three = steps(fill=3).mask(maps)
    assert np.array_equal(three, filled)
    two, expected = steps(fill=2).mask(maps), drawn.copy()
    expected[5, 1] = 1
    assert np.array_equal(two, expected)
    assert np.array_equal(steps(fill=1.5).scaled(2).mask(maps), three)


def test_several_classes_each_have_their_own_steps():
    task = Task("multilabel", ("a", "b"))
    rng = np.random.default_rng(1)
    maps = rng.random((2, 30, 41), np.float32)
    cleaning = steps(task, threshold=[0.3, 0.8], size=[6.0, 0.0], largest=[False, True])
    parts = np.concatenate([cleaning.decide(maps[:, top : top + 7]) for top in range(0, 30, 7)])
    found = cleaning.finish(parts)
    assert found.shape == (30, 41, 2)
    assert np.array_equal(found[..., 0], objects_of(maps[0] > np.float32(0.3), 6, largest=False))
    assert np.array_equal(found[..., 1], objects_of(maps[1] > np.float32(0.8), 0, largest=True))
    assert np.array_equal(found, cleaning.mask(maps))


def test_removed_pixels_become_the_next_class_and_only_background_is_a_hole():
    task = Task("multiclass", ("ground", "liver", "tumour"))
    best = plane("1111....22", "1..1....2.", "1111......", "11211...11", "11111...1.", "........11")
    second = np.where(best == 2, 1, np.where(best == 1, 2, 1))
    maps = np.zeros((3, *best.shape), np.float32)
    np.put_along_axis(maps, second[None], 0.3, axis=0)
    np.put_along_axis(maps, best[None].astype(int), 0.6, axis=0)
    assert np.array_equal(steps(task).mask(maps), best)

    filled = steps(task, fill=[0.0, INF, INF]).mask(maps)
    expected = best.copy()
    expected[1, 1:3] = 1  # not the tumour inside of the liver
    assert np.array_equal(filled, expected)
    large = steps(task, fill=[0.0, INF, INF], size=[0.0, 9.0, 2.0]).mask(maps)
    expected[3, 2] = 1  # a tumour of one pixel, in which liver is the next probable
    expected[3:, 8:] = np.where(best[3:, 8:] == 1, 2, best[3:, 8:])
    assert np.array_equal(large, expected)
    # Of a removed object, the holes that were filled are background again.
    tiny = steps(task, fill=[0.0, INF, 0.0], size=[0.0, 99.0, 0.0]).mask(maps)
    assert np.array_equal(tiny, np.where(best == 1, 2, best))


def test_areas_are_those_that_the_model_sees():
    assert area_factor(Fit("stretch", (32, 64)), (64, 256)) == 8
    assert area_factor(Fit("letterbox", (32, 64)), (64, 256)) == 16
    assert area_factor(Fit("crop", (32, 64), scale=0.5), (64, 256)) == 4
    factors = [
        scoring_factor(Fit(kind, (32, 64), 0.5), (64, 256)) for kind in ("stretch", "letterbox", "crop")
    ]
    assert factors == [1, 1, 4]
