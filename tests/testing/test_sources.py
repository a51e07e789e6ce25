"""Every point of the contract of sources catches a source that breaks it, and says what to change."""

from __future__ import annotations

import random
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES, entry_of
from segkit.core.types import Sample, Task
from segkit.testing import Check, ContractError, Subject
from segkit.testing import sources as points


def drawn(task: Task, channels: int, index: int):
    """Squares of noise, as a function of the task, the channels and a number."""
    rng = np.random.default_rng(index)
    labels = (len(task.classes),) if task.kind == "multilabel" else ()
    values = len(task.classes) if task.kind == "multiclass" else 2
    image = rng.integers(0, 256, (8, 6 + index, channels), np.uint8)
    return image, rng.integers(0, values, (8, 6 + index, *labels), np.uint8)


def samples(read, split="train", count=4, **fields):
    return [Sample(f"{split}_{index}", partial(read, index=index), **fields) for index in range(count)]


def giving(splits, read=drawn):
    """A source whose splits are made of (index) -> image and mask by what is given here."""

    def factory(task: Task, channels: int):
        return SimpleNamespace(splits=partial(splits, partial(read, task, channels)))

    return factory


def source(read=drawn):
    """A source whose samples read so."""
    return giving(lambda bound: {"train": samples(bound), "test": samples(bound, "test", 1)}, read)


def fixed_number(task: Task, channels: int):
    if (task.kind, len(task.classes), task.ignore_index) != ("multiclass", 21, 255):
        raise PartError("the data set has 20 classes and a background, and a border to ignore")
    return source()(task, channels)


def grey_and_binary(task: Task, channels: int):
    if task.kind != "binary" or channels != 1:
        raise PartError("grey images of one class")
    return source()(task, channels)


def tried(point, factory) -> None:
    Check(Subject(entry_of(SOURCES, "broken", factory), {}), point)()


def refused(point, factory, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        tried(point, factory)


@pytest.mark.parametrize("factory", [source(), fixed_number, grey_and_binary])
@pytest.mark.parametrize("point", points.CHECKS, ids=lambda point: point.__name__)
def test_point_is_kept_by_ten_lines(point, factory):
    tried(point, factory)


@pytest.mark.parametrize(
    ("point", "changed", "message"),
    [
        (
            points.images_are_uint8_with_the_channels_asked_for,
            lambda image, mask: (image / 255, mask),
            r"the image of 'train_0' is float64 \(8, 6, 3\)\n  try: pixels",
        ),
        (
            points.images_are_uint8_with_the_channels_asked_for,
            lambda image, mask: (np.repeat(image[..., :1], 3, axis=-1), mask),
            r"for a binary task with 1 channel: the image of 'train_0' is uint8 \(8, 6, 3\)",
        ),
        (
            points.images_are_uint8_with_the_channels_asked_for,
            lambda image, mask: (image.squeeze(), mask),
            r"for a binary task with 1 channel: the image of 'train_0' is uint8 \(8, 6\)",
        ),
        (
            points.masks_are_integers_of_the_size_of_their_image,
            lambda image, mask: (image, mask.astype(np.float32)),
            r"the mask of 'train_0' is float32 \(8, 6\) beside \(8, 6, 3\)\n  try: an array",
        ),
        (
            points.masks_are_integers_of_the_size_of_their_image,
            lambda image, mask: (image, mask.swapaxes(0, 1)),
            r"the mask of 'train_0' is uint8 \(6, 8\) beside \(8, 6, 3\)",
        ),
        (
            points.masks_are_integers_of_the_size_of_their_image,
            lambda image, mask: (image, mask.reshape(*mask.shape[:2], -1)[..., 0]),
            r"a multilabel task .*: the mask of 'train_0' is uint8 \(8, 6\) .*\n.*\(H, W, K\), 0 or 1",
        ),
        (
            points.masks_hold_values_of_the_task,
            lambda image, mask: (image, mask * 255),
            r"the mask of 'train_0' holds 255\n  try: its values are 0, 1, and task",
        ),
        (
            points.it_fits_some_task,
            lambda image, mask: [image, mask],
            r"reading 'train_0' gives no two arrays\n  try: read\(\) returns \(image, mask\)",
        ),
    ],
)
def test_pixels_that_do_not_fit_are_caught(point, changed, message):
    refused(point, source(lambda *given, index: changed(*drawn(*given, index))), message)


def test_source_that_refuses_everything_is_caught():
    def factory(task: Task, channels: int):
        raise PartError(f"no {task.kind} tasks here", hint="another one")

    message = (
        "it refuses every task and number of channels: no binary tasks here; no multiclass tasks here; no"
    )
    refused(points.it_fits_some_task, factory, message)
    refused(points.it_fits_some_task, factory, "try: another one")


def test_source_whose_files_are_missing_says_so():
    def splits(read):
        raise DataError("there is no such folder", hint="fetch it")

    message = r"it refuses every .*: there is no such folder\n  try: fetch it"
    refused(points.it_fits_some_task, giving(splits), message)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (samples, r"splits\(\) gives a list\n  try: a dict such as"),
        (
            lambda read: {"train": iter(samples(read))},
            "the split 'train' is a list_iterator\n  try: a list of",
        ),
        (lambda read: {"train": ["a.png"]}, r"the split 'train' holds \['a\.png'\]"),
        (
            lambda read: {"train": samples(read), "valid": []},
            "it has a split 'valid'\n  try: train, val or test",
        ),
        (
            lambda read: {"train": [], "test": samples(read)},
            r"it has no training images: \{'train': 0, 'test': 4",
        ),
    ],
)
def test_splits_that_are_none_are_caught(splits, message):
    refused(points.splits_are_called_train_val_or_test, giving(splits), message)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "a"], "two samples of train are called 'a'\n  try: the file name without folder"),
        (["a", ""], "a sample of train is called ''"),
        ([0, 1], "a sample of train is called 0"),
    ],
)
def test_names_that_name_nothing_are_caught(names, message):
    def splits(read):
        return {"train": [Sample(name, partial(read, index=1)) for name in names]}

    refused(points.names_are_unique_in_a_split, giving(splits), message)


def shuffled(task: Task, channels: int):
    found = samples(partial(drawn, task, channels), count=20)
    random.shuffle(found)
    return SimpleNamespace(splits=lambda: {"train": found})


def drawing(draw):
    """A source whose pixels depend on what is drawn."""

    def read(task, channels, index):
        image, mask = drawn(task, channels, index)
        return image ^ np.uint8(draw()), mask

    return source(read)


OTHER_PIXELS = (
    r"'train_0' reads as other pixels when it is read again\n  try: make what is drawn a function of"
)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (shuffled, "a second source of the same options has other splits, or .* another order\n  try: sort"),
        (drawing(lambda: random.randrange(256)), OTHER_PIXELS),
        (drawing(lambda: np.random.randint(256)), OTHER_PIXELS),
        (drawing(lambda: int(torch.randint(256, ()))), OTHER_PIXELS),
        (drawing(lambda: np.random.default_rng().integers(256)), OTHER_PIXELS),
    ],
)
def test_order_and_pixels_that_are_drawn_are_caught(factory, message):
    refused(points.splits_and_pixels_are_the_same_every_time, factory, message)


def test_caller_keeps_its_random_states():
    def state():
        return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()

    before = state()
    for point in points.CHECKS:
        tried(point, source())
    assert state() == before
