"""Windows of training images: where they lie, what they hold, and that every draw is repeated exactly."""

import numpy as np
import pytest
import torch

from segkit.core.registry import TRANSFORMS
from segkit.core.types import Task
from segkit.data.batches import Batch, TrainBatches
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.class_blocks import ClassBlocks
from segkit.data.draw_windows import WindowDraw
from segkit.data.sample_epoch import SampleEpochs

TASK = Task("binary", ("spot",), 255)
SHAPES = [(90, 130), (60, 60), (20, 200), (33, 25)]
SIZE = (32, 48)


def rows(arrays: list[np.ndarray]) -> IndexedArrays:
    return IndexedArrays(
        [array[None] for array in arrays], np.arange(len(arrays)), np.zeros(len(arrays), int)
    )


def places(shape: tuple[int, int], index: int) -> np.ndarray:
    """An image that says of each pixel where it is."""
    row, column = np.mgrid[: shape[0], : shape[1]]
    return np.stack([row, column, np.full(shape, index)], axis=-1).astype(np.uint8)


IMAGES = [places(shape, index) for index, shape in enumerate(SHAPES)]
MASKS = [np.zeros(shape, np.uint8) for shape in SHAPES]
MASKS[0][70, 11] = MASKS[2][3, 190] = 1


def batches(
    images=IMAGES, masks=MASKS, transforms=(), *, foreground=0.0, samples=40, size=SIZE, **how
) -> TrainBatches:
    blocks = ClassBlocks(masks, TASK, [2]) if foreground else None
    epochs = SampleEpochs(
        len(images), 3, samples=samples, foreground=foreground, targets=[2], shows=blocks and blocks.shows
    )
    windows = WindowDraw(size, 255, blocks)
    return TrainBatches(rows(images), rows(masks), transforms, 8, 3, epochs=epochs, windows=windows, **how)


def samples_of(found) -> list[tuple[int, np.ndarray, np.ndarray]]:
    return [
        (index, image.permute(1, 2, 0).numpy(), target.numpy())
        for batch in found
        for index, image, target in zip(batch.indices, batch.image, batch.target, strict=True)
    ]


def built(name: str, **options):
    entry = TRANSFORMS.get(name)
    return entry.factory(**dict(entry.schema(**{"p": 1.0, **options})))


TURN_AND_ZOOM = ({"name": "Rotate", "limit": 180}, {"name": "Affine", "scale": [0.7, 1.4]})


def turn_and_zoom():
    return [built(**options) for options in TURN_AND_ZOOM]


def test_windows_are_cut_anywhere_and_padding_is_ignored():
    corners = set()
    for index, image, target in samples_of(batches(samples=400).epoch(1)):
        height, width = SHAPES[index]
        top, left = image[0, 0, :2].tolist()
        corners.add((index, top, left))
        inside = image[: height - top, : width - left]
        assert (image[..., 2] == index).all()
        np.testing.assert_array_equal(
            inside[..., 0], np.arange(top, top + len(inside))[:, None] + 0 * inside[..., 0]
        )
        rows_there, columns_there = inside.shape[:2]
        assert (
            target[:rows_there, :columns_there] == MASKS[index][top : top + SIZE[0], left : left + SIZE[1]]
        ).all()
        assert (target[rows_there:] == 255).all()
        assert (target[:, columns_there:] == 255).all()
        if rows_there < SIZE[0]:  # the reflection of the last row
            np.testing.assert_array_equal(image[rows_there], image[rows_there - 1])
    tops = {top for index, top, _ in corners if index == 0}
    assert tops >= {0, 58}, "windows reach both borders"
    assert len(tops) > 40
    assert {top for index, top, _ in corners if index == 3} == {0, 1}
    assert {place[1:] for place in corners if place[0] == 2} == {
        (0, left) for index, _, left in corners if index == 2
    }


def test_foreground_windows_hold_foreground_at_any_place_in_them():
    found = batches(foreground=0.5, samples=400)
    targets = found.samples.epochs.of(1).target
    assert (targets == 2).sum() == pytest.approx(100, abs=15), "half of the images have foreground"
    seen = []
    for (_, _, target), wanted in zip(samples_of(found.epoch(1)), targets, strict=True):
        if wanted == 2:
            row, column = np.argwhere(target == 1)[0]
            seen.append((int(row), int(column)))
    rows_seen, columns_seen = (np.array(values) for values in zip(*seen, strict=True))
    assert len({*rows_seen.tolist()}) > 15
    assert columns_seen.max() - columns_seen.min() > 40


def test_masks_may_be_finer_or_coarser_than_their_images():
    for factor in (3, 0.5):
        masks = [np.zeros([round(side * factor) for side in shape], np.uint8) for shape in SHAPES]
        for mask in masks:
            part = mask[2:14, 4:16]
            part[:] = np.random.default_rng(0).random(part.shape) < 0.2
        found = batches(masks=masks, foreground=1.0, samples=60)
        for index, image, target in samples_of(found.epoch(1)):
            assert (target == 1).any()
            valid = target != 255
            row, column = (
                ((image[..., axis] + 0.5) * masks[index].shape[axis] / SHAPES[index][axis]).astype(int)
                for axis in (0, 1)
            )
            np.testing.assert_array_equal(target[valid], masks[index][row, column][valid])


def test_rotated_and_shrunk_windows_have_no_black_and_no_ignored_pixels_inside_an_image():
    side = 250
    image = places((side, side), 200)
    found = batches([image], [np.ones((side, side), np.uint8)], turn_and_zoom(), samples=80)
    inside = 0
    for _, pixels, target in samples_of(found.epoch(1)):
        assert (pixels[..., 2] == 200).all(), "what a transform makes up is black"
        assert (target != 0).all()
        if pixels[..., :2].min() > 1 and pixels[..., :2].max() < side - 2:
            assert (target == 1).all()
            inside += 1
    assert inside > 10


def test_class_of_a_window_outlives_the_transforms():
    mask = np.zeros((400, 400), np.uint8)
    mask[123, 250] = 1
    images, masks = [np.zeros((400, 400, 3), np.uint8)], [mask]
    for transforms, share in ((turn_and_zoom(), None), ([erase], 1)):
        calls.clear()
        found = samples_of(batches(images, masks, transforms, foreground=1.0, samples=24).epoch(1))
        assert all((target == 1).any() for _, _, target in found)
        assert not share or len(calls) == 8 * 24, "tried eight times, then left out"


calls: list[int] = []


def erase(image, mask, rng):
    calls.append(1)
    return image, np.zeros_like(mask)


def assert_same(left: list[Batch], right: list[Batch]) -> None:
    for one, other in zip(left, right, strict=True):
        assert one.indices == other.indices
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)


def test_the_same_bytes_with_workers_processes_and_after_a_stop_within_an_epoch():
    transforms = [built("Mosaic", p=0.5), *turn_and_zoom()]
    how = {"foreground": 0.5, "others": [3, 0, 0]}
    reference = [list(batches(transforms=transforms, **how).epoch(epoch)) for epoch in (1, 2)]
    together = batches(transforms=transforms, workers=2, **how)
    for epoch, expected in enumerate(reference, start=1):
        assert_same(list(together.epoch(epoch)), expected)
        resumed = batches(transforms=transforms, **how)
        assert_same(list(resumed.epoch(epoch, after=3)), expected[3:])
        assert [resumed.indices(epoch, step + 1) for step in range(5)] == [one.indices for one in expected]
    halves = [list(batches(transforms=transforms, rank=rank, processes=2, **how).epoch(2)) for rank in (0, 1)]
    for first, second, whole in zip(*halves, reference[1], strict=True):
        assert torch.equal(torch.cat([first.image, second.image]), whole.image)
    assert not torch.equal(reference[0][0].image, reference[1][0].image)
    # An image that an epoch shows again is cut and transformed in another way.
    shown = [image.tobytes() for index, image, _ in samples_of(reference[0]) if index == 1]
    assert len({*shown}) == len(shown) > 5


@pytest.mark.parametrize("windowed", [True, False])
def test_other_samples_are_those_of_the_epoch_and_are_read_when_they_are_used(windowed):
    got = []

    def look(image, mask, rng, others):
        got.append([(other[..., 2].max(), other.shape, labels.shape) for other, labels in others[:2]])
        assert len(others) == 3
        return image, mask

    if windowed:
        found = batches(transforms=[built("Rotate", limit=10), look], others=[0, 3])
        height, width = SIZE
    else:
        height, width = 40, 41
        same = np.stack([places((height, width), index) for index in range(4)])
        found = TrainBatches(same, same[..., 0] % 2, [look], 8, 3, others=[3])
    list(found.epoch(1))
    assert {index for pairs in got for index, *_ in pairs} == {0, 1, 2, 3}
    assert {(image, mask) for pairs in got for _, image, mask in pairs} == {
        ((height, width, 3), (height, width))
    }
