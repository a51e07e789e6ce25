"""Pixels of a class are drawn uniformly over all of them, wherever they are."""

import numpy as np
import pytest

from segkit.core.types import Task
from segkit.data import class_blocks
from segkit.data.class_blocks import ClassBlocks

BINARY = Task("binary", ("spot",), 255)
THREE = Task("multiclass", ("ground", "car", "tree"), 255)
LABELS = Task("multilabel", ("car", "tree"), 255)
EACH = 12  # times that a pixel is expected to be drawn


def masks(task: Task) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(7, 30), (33, 17), (40, 41), (8, 8)]
    if task.kind == "multilabel":
        return [rng.choice([0, 0, 0, 1, 255], (*shape, 2)).astype(np.uint8) for shape in shapes]
    values = [0] * 9 + [255, *range(1, 3 if task.kind == "multiclass" else 2)]
    found = [rng.choice(values, shape).astype(np.uint8) for shape in shapes]
    found[-1][:] = 0
    return found


class Watched:
    """A mask that notes how much of it is read."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask, self.shape, self.read = mask, mask.shape, 0

    def __getitem__(self, index):
        part = self.mask[index]
        self.read += part.size
        return part


@pytest.mark.parametrize("task", [BINARY, THREE, LABELS], ids=lambda task: task.kind)
def test_every_pixel_of_a_target_is_equally_likely_and_one_block_is_read(task, monkeypatch):
    monkeypatch.setattr(class_blocks, "_SIDE", 8)
    monkeypatch.setattr(class_blocks, "_ACROSS", 4)  # blocks of 8 to 11 pixels
    images = masks(task)
    blocks = ClassBlocks(images, task, targets := [1, ClassBlocks([], task).anything])
    for target in targets:
        for index, mask in enumerate(images):
            pixels = blocks.pixels(mask, target)
            if task.kind == "multilabel":
                expected = (mask[..., 1] == 1) if target == 1 else (mask == 1).any(axis=2)
            else:
                expected = (mask == 1) if target == 1 else (mask != 0) & (mask != 255)
            np.testing.assert_array_equal(pixels, expected)
            assert blocks.shows[target, index] == pixels.any()
            if not pixels.any():
                continue
            watched, rng, count = Watched(mask), np.random.default_rng(index), int(pixels.sum())
            drawn = np.zeros(mask.shape[:2], int)
            for _ in range(EACH * count):
                drawn[blocks.draw(index, target, watched, rng)] += 1
            assert watched.read <= EACH * count * 11 * 11 * mask[0, 0].size
            assert drawn[~pixels].sum() == 0
            chi_square = float(((drawn[pixels] - EACH) ** 2 / EACH).sum())
            assert chi_square < count + 6 * np.sqrt(2 * count)


def test_background_and_ignored_pixels_are_no_foreground():
    blocks = ClassBlocks(masks(THREE), THREE)
    assert blocks.shows.tolist() == [[True] * 4, *[[True] * 3 + [False]] * 3]
