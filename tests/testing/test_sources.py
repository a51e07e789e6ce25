"""Every point of the contract of sources catches a source that breaks it, and says what to change."""

from __future__ import annotations

import random
import sqlite3
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES, entry_of
from segkit.core.types import Sample, Task
from segkit.data.resize import resize_image, resize_mask
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
            r"the image of 'train_0' is float64 \(8, 6, 3\) for a binary task with 3 channels\n  try: pixels",
        ),
        (
            points.images_are_uint8_with_the_channels_asked_for,
            lambda image, mask: (np.repeat(image[..., :1], 3, axis=-1), mask),
            r"the image of 'train_0' is uint8 \(8, 6, 3\) for a binary task with 1 channels",
        ),
        (
            points.images_are_uint8_with_the_channels_asked_for,
            lambda image, mask: (image.squeeze(), mask),
            r"the image of 'train_0' is uint8 \(8, 6\) for a binary task with 1 channels",
        ),
        (
            points.masks_are_integers_of_the_size_of_their_image,
            lambda image, mask: (image, mask.astype(np.float32)),
            r"the mask of 'train_0' is float32 \(8, 6\) beside \(8, 6, 3\) for a .*\n  try: an array",
        ),
        (
            points.masks_are_integers_of_the_size_of_their_image,
            lambda image, mask: (image, mask.swapaxes(0, 1)),
            r"the mask of 'train_0' is uint8 \(6, 8\) beside \(8, 6, 3\)",
        ),
        (
            points.masks_are_integers_of_the_size_of_their_image,
            lambda image, mask: (image, mask.reshape(*mask.shape[:2], -1)[..., 0]),
            r"the mask of 'train_0' is uint8 \(8, 6\) .* a multilabel .*\n.*\(H, W, K\), 0 or 1",
        ),
        (
            points.masks_hold_values_of_the_task,
            lambda image, mask: (image, mask * 255),
            r"the mask of 'train_0' holds 255 for a binary .*\n  try: its values are 0, 1, and task",
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


def test_splits_that_differ_when_asked_twice_are_caught():
    asked = []

    def turning(read):
        asked.append(1)
        return {"train": samples(read)[:: 1 if len(asked) % 2 else -1]}

    def growing(read):
        asked.append(1)
        return {"train": samples(read, count=len(asked))}

    def moving(read):
        asked.append(1)
        return {"train": samples(read), **({"test": samples(read)} if len(asked) % 2 else {})}

    point = points.splits_are_the_same_every_time
    message = r"gives the samples of train in another order when asked twice\n  try: sort what a folder"
    refused(point, giving(turning), message)
    refused(point, giving(growing), "gives other samples of train when asked twice")
    refused(point, giving(moving), "gives the splits train(, test)? after train(, test)? when asked twice")


def test_second_source_with_another_order_is_caught():
    def factory(task: Task, channels: int):
        found = samples(partial(drawn, task, channels), count=20)
        random.shuffle(found)
        return SimpleNamespace(splits=lambda: {"train": found})

    message = "the samples of train in another order as a second source of the same options"
    refused(points.splits_are_the_same_every_time, factory, message)


def test_splits_that_draw_for_nothing_are_caught():
    def splits(read):
        random.random()
        return {"train": samples(read)}

    message = r"splits\(\) draws from the global random state of random\n  try: sort"
    refused(points.splits_are_the_same_every_time, giving(splits), message)


def resized(read, size):
    image, mask = read()
    return resize_image(image, size), resize_mask(mask, size)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, mask: (image, mask), None),
        (
            lambda image, mask: (image[1:], mask),
            r"'train_0' read at 6x3 is uint8 \(5, 3, 3\)\n  try: \(6, 3, 3\)",
        ),
        (lambda image, mask: (image / 1, mask), r"'train_0' read at 6x3 is float64 \(6, 3, 3\)"),
        (
            lambda image, mask: (255 - image, mask),
            r"'train_0' read at 6x3 is another image: its pixels are \d+ of",
        ),
        (lambda image, mask: (image, mask[::-1]), "'train_0' read at 6x3 has another mask than what read"),
    ],
)
def test_other_pixels_at_a_size_are_caught(change, message):
    def splits(read):
        return {
            "train": [
                Sample(one.name, one.read, read_at=lambda size, one=one: change(*resized(one.read, size)))
                for one in samples(read)
            ]
        }

    point = points.reading_at_a_size_gives_what_reading_does
    if message is None:
        tried(point, giving(splits))
    else:
        refused(point, giving(splits), message)


def test_pixels_that_differ_are_caught():
    rng = np.random.default_rng(0)

    def noisy(task, channels, index):
        image, mask = drawn(task, channels, index)
        return image ^ rng.integers(0, 2, image.shape, np.uint8), mask

    message = (
        r"'train_0' reads as other pixels when it is read again\n  try: make what is drawn a function of"
    )
    refused(points.reading_gives_the_same_every_time, source(noisy), message)


def test_second_source_with_other_pixels_is_caught():
    built = []

    def brighter(task, channels, index, by):
        image, mask = drawn(task, channels, index)
        return image ^ np.uint8(by), mask

    def factory(task: Task, channels: int):
        built.append(1)
        return source(partial(brighter, by=len(built)))(task, channels)

    message = "'train_0' of a second source of the same options has other pixels"
    refused(points.reading_gives_the_same_every_time, factory, message)


def test_pixels_that_are_overwritten_are_caught():
    shared = np.zeros((8, 6, 4), np.uint8)

    def reused(task, channels, index):
        shared[:] = 10 * index
        return shared[..., :channels], drawn(task, channels, 0)[1]

    message = "the pixels of 'train_1' change when other samples are read\n  try: give a new array"
    refused(points.reading_gives_the_same_every_time, source(reused), message)


@pytest.mark.parametrize(
    ("draw", "state"),
    [
        (random.random, "random"),
        (lambda: np.random.rand(), "numpy.random"),
        (lambda: torch.rand(1).item(), "torch"),
    ],
)
def test_reading_that_draws_is_caught(draw, state):
    def read(task, channels, index):
        draw()
        return drawn(task, channels, index)

    message = f"reading 'train_0' changes the global random state of {state}\n  try: draw from"
    refused(points.reading_leaves_random_states_alone, source(read), message)


def test_reading_that_follows_a_random_state_is_caught():
    def read(task, channels, index):
        image, mask = drawn(task, channels, index)
        return image ^ np.uint8(random.getstate()[1][1] % 256), mask

    message = "what 'train_0' reads as depends on a global random state"
    refused(points.reading_leaves_random_states_alone, source(read), message)


def test_generator_of_its_own_is_not_called_a_global_state():
    def read(task, channels, index):
        image, mask = drawn(task, channels, index)
        return image ^ np.random.default_rng().integers(256, size=image.shape, dtype=np.uint8), mask

    message = "'train_0' reads as other pixels when it is read again\n  try: draw from"
    refused(points.reading_leaves_random_states_alone, source(read), message)


def test_reading_that_one_thread_owns_is_caught():
    connection = sqlite3.connect(":memory:")

    def read(task, channels, index):
        connection.execute("select 1")
        return drawn(task, channels, index)

    message = (
        r"'train_0' cannot be read in a thread: ProgrammingError: .*\n  try: open files and connections in"
    )
    refused(points.samples_can_be_read_in_threads, source(read), message)
    connection.close()


def test_pixels_that_a_thread_changes_are_caught():
    def read(task, channels, index):
        image, mask = drawn(task, channels, index)
        return image ^ np.uint8(threading.current_thread() is not threading.main_thread()), mask

    message = "'train_0' reads as other pixels where several are read at once"
    refused(points.samples_can_be_read_in_threads, source(read), message)


def test_files_that_are_not_there_are_caught(tmp_path):
    def factory(file):
        return giving(lambda read: {"train": samples(read, files=(file,))})

    message = r"'train_0' names PosixPath\('.*none\.png'\) among its files, which is no .*\n  try: the paths"
    refused(points.files_of_a_sample_exist, factory(tmp_path / "none.png"), message)
    refused(
        points.files_of_a_sample_exist, factory(str(Path(__file__))), "'train_0' names '.*test_sources.py'"
    )
    tried(points.files_of_a_sample_exist, factory(Path(__file__)))


def test_caller_keeps_its_random_states():
    def state():
        return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()

    before = state()
    for point in points.CHECKS:
        tried(point, source())
    assert state() == before
