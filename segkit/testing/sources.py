"""Contract checks of data sources."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from segkit.core.errors import PartError
from segkit.core.types import Pixels, Sample, Task, TaskKind
from segkit.data.decoding import IMAGE_TYPES
from segkit.data.split_names import NAMES
from segkit.testing.check import ContractError, Subject, accepted_cases, global_seed, require

_TASKS = (Task("binary", ("0",)), Task("multiclass", ("0", "1", "2")), Task("multilabel", ("0", "1")))


@dataclass(frozen=True)
class SourceCase:
    """A source, and a task and number of channels that it accepts."""

    subject: Subject
    task: Task
    channels: int

    def __post_init__(self) -> None:
        next(self.pixels(), None)

    def __str__(self) -> str:
        return f"for a {self.task.kind} task with {self.channels} channel{'s' * (self.channels > 1)}"

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Splits of a new source, of valid types."""
        splits: Any = self.subject.build(self.task, self.channels).splits()
        hint = 'return a dict of lists of segkit.Sample: {"train": [...]}'
        require(isinstance(splits, Mapping), f"splits() returns a {type(splits).__name__}", hint)
        for name, samples in splits.items():
            require(isinstance(samples, Sequence), f"the split {name!r} is a {type(samples).__name__}", hint)
            valid = all(isinstance(sample, Sample) for sample in samples[:3])
            require(valid, f"the split {name!r} holds {samples[:1]!r}", hint)
        return splits  # type: ignore[no-any-return]

    def names(self) -> list[list[str]]:
        """Names of the samples of each split."""
        return [[sample.name for sample in samples] for samples in self.splits().values()]

    def pixels(self) -> Iterator[tuple[str, Pixels, Pixels]]:
        """Name, image and mask of the first two and the last sample of each split."""
        for samples in self.splits().values():
            for sample in [*samples[:2], *samples[2:][-1:]]:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # image decoders warn of harmless oddities
                    pixels: Any = sample.read()
                valid = isinstance(pixels, tuple) and [type(array) for array in pixels] == [np.ndarray] * 2
                problem = f"reading {sample.name!r} does not give two arrays"
                require(valid, problem, "read() returns a tuple of numpy arrays (image, mask)")
                yield sample.name, *pixels


def cases(subject: Subject) -> list[SourceCase]:
    """A case for each task and number of channels; for sources of fixed classes, the first that fits."""
    case = partial(SourceCase, subject)
    try:
        return accepted_cases("task and number of channels", case, product(_TASKS, (3, 1)))
    except ContractError:
        kinds: tuple[TaskKind, ...] = ("multiclass", "multilabel")
        for kind, ignored, channels, count in product(kinds, (255, None), (3, 1), range(1, 257)):
            with suppress(PartError):
                return [case(Task(kind, tuple(map(str, range(count))), ignored), channels)]
        raise


def use(case: SourceCase) -> None:
    """Find the samples."""
    case.splits()


def splits_hold_samples_with_unique_names(case: SourceCase) -> None:
    """A run needs training images; split files and reports identify images by name."""
    splits = case.splits()
    unknown = ", ".join(repr(name) for name in splits if name not in NAMES)
    require(not unknown, f"it has a split {unknown}", "use train, val and test")
    counts = {name: len(samples) for name, samples in splits.items()}
    require(counts.get("train", 0) > 0, f"it has no training images: {counts}", "return images as train")
    for split, samples in splits.items():
        hint = "use the file name without folder and suffix, or a number"
        for name, count in Counter(sample.name for sample in samples).items():
            valid = isinstance(name, str) and name != ""
            require(valid, f"a sample of {split} has the name {name!r}", hint)
            require(count == 1, f"{count} samples of {split} have the name {name!r}", hint)


def images_and_masks_fit_the_task(case: SourceCase) -> None:
    """Images are arrays (H, W, C) of a known type; masks have the size of their image and hold classes."""
    multilabel, labels = case.task.kind == "multilabel", len(case.task.classes)
    classes = [*range(labels if case.task.kind == "multiclass" else 2)]
    for name, image, mask in case.pixels():
        valid = image.dtype in IMAGE_TYPES and image.ndim == 3 and image.shape[-1] == case.channels
        hint = "return uint8, uint16, int16 or float32 of shape (H, W, C), or raise PartError"
        require(valid, f"the image of {name!r} is {image.dtype} {image.shape}", hint)
        valid = mask.shape == (*image.shape[:2], *([labels] if multilabel else []))
        problem = f"the mask of {name!r} is {mask.dtype} {mask.shape}, its image {image.shape}"
        hint = f"return uint8 of shape {'(H, W, K)' if multilabel else '(H, W)'}; or raise PartError"
        require(valid and np.issubdtype(mask.dtype, np.integer), problem, hint)
        unknown = ", ".join(map(str, {*np.unique(mask).tolist()} - {*classes, case.task.ignore_index}))
        hint = f"return {', '.join(map(str, classes))} or task.ignore_index; or raise PartError"
        require(not unknown, f"the mask of {name!r} holds {unknown}", hint)


def splits_and_pixels_are_reproducible(case: SourceCase) -> None:
    """A repeated run finds the same images in the same order."""
    names, pixels = case.names(), [array.tobytes() for _, *arrays in case.pixels() for array in arrays]
    with global_seed(1):
        hint = "sort files, and derive random numbers from the sample: np.random.default_rng([seed, index])"
        problem = "two sources with the same options have different samples, or another order"
        require(names == case.names(), problem, hint)
        again = [array.tobytes() for _, *arrays in case.pixels() for array in arrays]
        require(pixels == again, "a sample has other pixels when it is read again", hint)


CHECKS = (
    splits_hold_samples_with_unique_names, images_and_masks_fit_the_task, splits_and_pixels_are_reproducible,
)  # fmt: skip
