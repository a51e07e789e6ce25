"""Every check of sources catches a broken source."""

from __future__ import annotations

import random
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segkit.core.errors import DataError, PartError
from segkit.core.types import Sample, Task
from tests.testing.contract import assert_caught, assert_complete, assert_passes


def drawn(task: Task, channels: int, index: int):
    """Noise images."""
    rng = np.random.default_rng(index)
    labels = (len(task.classes),) if task.kind == "multilabel" else ()
    values = len(task.classes) if task.kind == "multiclass" else 2
    image = rng.integers(0, 256, (8, 6 + index, channels), np.uint8)
    return image, rng.integers(0, values, (8, 6 + index, *labels), np.uint8)


def samples(read, split="train", count=4, **fields):
    return [Sample(f"{split}_{index}", partial(read, index=index), **fields) for index in range(count)]


def giving(splits, read=drawn):
    """A source from a function that makes splits from a function of an index."""

    def factory(task: Task, channels: int):
        return SimpleNamespace(splits=partial(splits, partial(read, task, channels)))

    return factory


def source(read=drawn):
    """A source with two splits."""
    return giving(lambda bound: {"train": samples(bound), "test": samples(bound, "test", 1)}, read)


def fixed_number(task: Task, channels: int):
    if (task.kind, len(task.classes), task.ignore_index) != ("multiclass", 21, 255):
        raise PartError("the data set has 20 classes and a background, and a border to ignore")
    return source()(task, channels)


def grey_and_binary(task: Task, channels: int):
    if task.kind != "binary" or channels != 1:
        raise PartError("grey images of one class")
    return source()(task, channels)


@pytest.mark.parametrize("factory", [source(), fixed_number, grey_and_binary])
def test_correct_source_passes(factory):
    assert_passes("source", factory)


def changed(change):
    """A source whose image and mask are changed."""
    return source(lambda *arguments, index: change(*drawn(*arguments, index)))


def refuses_all(task: Task, channels: int):
    raise PartError(f"no {task.kind} tasks here", hint="another one")


def without_files(read):
    raise DataError("there is no such folder", hint="fetch it")


def named(*names):
    return giving(lambda read: {"train": [Sample(name, partial(read, index=1)) for name in names]})


def shuffled(read):
    order = samples(read, count=20)
    random.shuffle(order)
    return {"train": order}


def drawing(draw):
    """A source whose pixels depend on a random number."""
    return changed(lambda image, mask: (image ^ np.uint8(draw()), mask))


SPLITS = "splits_hold_samples_with_unique_names"
FIT = "images_and_masks_fit_the_task"
SAME = "splits_and_pixels_are_reproducible"
OTHER_PIXELS = "a sample has other pixels when it is read again\n  try: sort files, and derive random numbers"
BROKEN = [
    (
        SPLITS,
        refuses_all,
        "it refuses every task and number of channels: no binary tasks here; no multiclass",
    ),
    (SPLITS, refuses_all, "\n  try: another one"),
    (SPLITS, giving(without_files), "there is no such folder\n  try: fetch it"),
    (SPLITS, giving(samples), "splits() returns a list\n  try: return a dict of lists of segkit.Sample"),
    (SPLITS, giving(lambda read: {"train": iter(samples(read))}), "the split 'train' is a list_iterator\n"),
    (SPLITS, giving(lambda read: {"train": ["a.png"]}), "the split 'train' holds ['a.png']\n"),
    (
        SPLITS,
        giving(lambda read: {"train": samples(read), "valid": []}),
        "it has a split 'valid'\n  try: use train, val and test",
    ),
    (
        SPLITS,
        giving(lambda read: {"train": [], "test": samples(read)}),
        "it has no training images: {'train': 0, 'test': 4}\n",
    ),
    (SPLITS, named("a", "b", "a"), "2 samples of train have the name 'a'\n  try: use the file name without"),
    (SPLITS, named("a", ""), "a sample of train has the name ''"),
    (SPLITS, named(0, 1), "a sample of train has the name 0"),
    (
        FIT,
        changed(lambda image, mask: [image, mask]),
        "reading 'train_0' does not give two arrays\n  try: read() returns",
    ),
    (
        FIT,
        changed(lambda image, mask: (image / 255, mask)),
        "for a binary task with 3 channels: the image of 'train_0' is float64 (8, 6, 3)\n  try: return uint8",
    ),
    (
        FIT,
        changed(lambda image, mask: (np.repeat(image[..., :1], 3, axis=-1), mask)),
        "for a binary task with 1 channel: the image of 'train_0' is uint8 (8, 6, 3)",
    ),
    (
        FIT,
        changed(lambda image, mask: (image.squeeze(), mask)),
        "for a binary task with 1 channel: the image of 'train_0' is uint8 (8, 6)",
    ),
    (
        FIT,
        changed(lambda image, mask: (image, mask.astype(np.float32))),
        "the mask of 'train_0' is float32 (8, 6), its image (8, 6, 3)\n  try: return uint8 of shape (H, W);",
    ),
    (
        FIT,
        changed(lambda image, mask: (image, mask.swapaxes(0, 1))),
        "the mask of 'train_0' is uint8 (6, 8), its image (8, 6, 3)",
    ),
    (
        FIT,
        changed(lambda image, mask: (image, mask.reshape(*mask.shape[:2], -1)[..., 0])),
        "for a multilabel task ...: the mask of 'train_0' is uint8 (8, 6), ...(H, W, K)",
    ),
    (
        FIT,
        changed(lambda image, mask: (image, mask * 255)),
        "the mask of 'train_0' holds 255\n  try: return 0, 1 or task.ignore_index",
    ),
    (
        SAME,
        giving(shuffled),
        "two sources with the same options have different samples, or another order\n  try: sort files",
    ),
    (SAME, drawing(lambda: random.randrange(256)), OTHER_PIXELS),
    (SAME, drawing(lambda: np.random.randint(256)), OTHER_PIXELS),
    (SAME, drawing(lambda: int(torch.randint(256, ()))), OTHER_PIXELS),
    (SAME, drawing(lambda: np.random.default_rng().integers(256)), OTHER_PIXELS),
]


@pytest.mark.parametrize(("name", "factory", "message"), BROKEN)
def test_check_catches_a_broken_source(name, factory, message):
    assert_caught("source", name, factory, message)


def test_every_check_catches_something():
    assert_complete("source", BROKEN)
