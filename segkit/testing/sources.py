"""The contract of data sources: samples by split, which read as the same pixels every time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from segkit.core.types import Pixels, Sample, Task, TaskKind
from segkit.data.splits import NAMES
from segkit.testing.check import Point, Subject, accepted, on_every, require
from segkit.testing.states import global_seed

_TASKS: tuple[tuple[TaskKind, tuple[str, ...]], ...] = (
    ("binary", ("foreground",)),
    ("multiclass", ("background", "first", "second")),
    ("multilabel", ("first", "second")),
)
_CHANNELS = (3, 1)
_MAX_CLASSES = 256  # a mask is uint8


@dataclass(frozen=True)
class _Case:
    """A task and a number of channels that the source accepts, and what it gives for them."""

    subject: Subject
    task: Task
    channels: int
    splits: Mapping[str, Sequence[Sample]]

    def __str__(self) -> str:
        return f"for a {self.task.kind} task with {self.channels} channel{'s' * (self.channels > 1)}"

    def samples(self) -> list[Sample]:
        """The first two and the last sample of every split."""
        return [sample for samples in self.splits.values() for sample in _ends(samples)]


def _cases(subject: Subject) -> list[_Case]:
    def case(given: tuple[Task, int]) -> _Case:
        splits = subject.build(*given).splits()
        _check_kinds(splits)
        made = _Case(subject, *given, splits)
        for sample in made.samples()[:1]:
            _read(sample)
        return made

    usual = [(Task(kind, classes), channels) for kind, classes in _TASKS for channels in _CHANNELS]
    return accepted("task and number of channels", usual, case, otherwise=_unusual())


def _unusual() -> Iterator[tuple[Task, int]]:
    """For data sets of a fixed number of classes, some with masks that have pixels of no class."""
    for kind, ignored, channels in product(("binary", "multiclass", "multilabel"), (255, None), _CHANNELS):
        for count in range(1, 2 if kind == "binary" else _MAX_CLASSES + 1):
            yield Task(kind, tuple(f"class_{number}" for number in range(count)), ignored), channels  # type: ignore[arg-type]


def it_fits_some_task(subject: Subject) -> None:
    """A source may refuse tasks and numbers of channels, by a PartError, but not all of them."""
    _cases(subject)


@on_every(_cases)
def splits_are_called_train_val_or_test(case: _Case) -> None:
    """A split of another name would be left out of every run, and no run can do without training images."""
    foreign = [name for name in case.splits if name not in NAMES]
    require(not foreign, f"it has a split {', '.join(map(repr, foreign))}", "train, val or test")
    found = {name: len(samples) for name, samples in case.splits.items()}
    require(found.get("train", 0) > 0, f"it has no training images: {found}", "give images as train")


@on_every(_cases)
def names_are_unique_in_a_split(case: _Case) -> None:
    """A split file, a report and an error name an image by it."""
    hint = "the file name without folder and ending, or a number of its own"
    for split, samples in case.splits.items():
        seen: set[str] = set()
        for sample in samples:
            name = sample.name
            require(isinstance(name, str) and name != "", f"a sample of {split} is called {name!r}", hint)
            require(name not in seen, f"two samples of {split} are called {name!r}", hint)
            seen.add(name)


@on_every(_cases)
def images_are_uint8_with_the_channels_asked_for(case: _Case) -> None:
    """Images are resized as (H, W, C) of 0 to 255, and normalised on the device."""
    for sample in case.samples():
        image, _ = _read(sample)
        require(
            image.dtype == np.uint8 and image.ndim == 3 and image.shape[-1] == case.channels,
            f"the image of {sample.name!r} is {image.dtype} {image.shape}",
            "pixels of shape (H, W, C) as uint8, image[..., None] for grey ones; or refuse with PartError",
        )


@on_every(_cases)
def masks_are_integers_of_the_size_of_their_image(case: _Case) -> None:
    """A mask is resized beside its image, and its values are classes."""
    labels = (len(case.task.classes),) if case.task.kind == "multilabel" else ()
    axes = "(H, W, K), 0 or 1 for each class" if labels else "(H, W)"
    for sample in case.samples():
        image, mask = _read(sample)
        require(
            np.issubdtype(mask.dtype, np.integer) and mask.shape == (*image.shape[:2], *labels),
            f"the mask of {sample.name!r} is {mask.dtype} {mask.shape} beside {image.shape}",
            f"an array of uint8, {axes}; or refuse the task with PartError",
        )


@on_every(_cases)
def masks_hold_values_of_the_task(case: _Case) -> None:
    """A value that is no class would be an index out of range in the loss, after minutes of preparation."""
    known = [*range(len(case.task.classes) if case.task.kind == "multiclass" else 2)]
    for sample in case.samples():
        found = np.unique(_read(sample)[1]).tolist()
        foreign = [value for value in found if value not in (*known, case.task.ignore_index)]
        require(
            not foreign,
            f"the mask of {sample.name!r} holds {', '.join(map(str, foreign[:5]))}",
            f"its values are {', '.join(map(str, known))}, and task.ignore_index where that is not None; "
            "or refuse the task with PartError",
        )


@on_every(_cases)
def splits_and_pixels_are_the_same_every_time(case: _Case) -> None:
    """A run that is repeated has to find the same images in the same order, whatever was drawn before."""
    first = [_bytes(sample) for sample in case.samples()]
    with global_seed(1):
        splits = case.subject.build(case.task, case.channels).splits()
        require(
            _names(splits) == _names(case.splits),
            "a second source of the same options has other splits, or samples in another order",
            "sort what a folder or a set gives; draw with a generator that is seeded by an option",
        )
        other = _Case(case.subject, case.task, case.channels, splits)
        again = [_bytes(sample) for sample in reversed(case.samples())][::-1]
        second = [_bytes(sample) for sample in other.samples()]
    for sample, *found in zip(case.samples(), first, again, second, strict=True):
        require(
            found[0] == found[1] == found[2],
            f"{sample.name!r} reads as other pixels when it is read again",
            "make what is drawn a function of the sample alone, as np.random.default_rng([seed, index])",
        )


def _read(sample: Sample) -> tuple[Pixels, Pixels]:
    """Image and mask, as a run reads them: decoders warn of oddities that harm nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels: Any = sample.read()
    right = isinstance(pixels, tuple) and [isinstance(one, np.ndarray) for one in pixels] == [True, True]
    require(right, f"reading {sample.name!r} gives no two arrays", "read() returns (image, mask) of numpy")
    return pixels[0], pixels[1]


def _check_kinds(splits: Any) -> None:
    kind = type(splits).__name__
    require(isinstance(splits, Mapping), f"splits() gives a {kind}", 'a dict such as {"train": [...]}')
    for name, samples in splits.items():
        hint = "a list of segkit.Sample, or any sequence that knows its length"
        require(isinstance(samples, Sequence), f"the split {name!r} is a {type(samples).__name__}", hint)
        foreign = [sample for sample in _ends(samples) if not isinstance(sample, Sample)]
        require(not foreign, f"the split {name!r} holds {foreign[:1]!r}", hint)


def _ends(samples: Sequence[Sample]) -> list[Sample]:
    chosen = {*range(min(2, len(samples))), *range(max(len(samples) - 1, 0), len(samples))}
    return [samples[index] for index in sorted(chosen)]


def _bytes(sample: Sample) -> tuple[bytes, bytes]:
    image, mask = _read(sample)
    return image.tobytes(), mask.tobytes()


def _names(splits: Mapping[str, Sequence[Sample]]) -> dict[str, list[str]]:
    return {split: [sample.name for sample in samples] for split, samples in splits.items()}


CHECKS: tuple[Point, ...] = (
    it_fits_some_task,
    splits_are_called_train_val_or_test,
    names_are_unique_in_a_split,
    images_are_uint8_with_the_channels_asked_for,
    masks_are_integers_of_the_size_of_their_image,
    masks_hold_values_of_the_task,
    splits_and_pixels_are_the_same_every_time,
)
