"""Tasks and numbers of channels to try a data source with, and which of them it accepts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from segkit.core.errors import DataError, PartError, SegkitError
from segkit.core.types import Pixels, Sample, Task, TaskKind
from segkit.testing.check import Subject, require

_TASKS: tuple[tuple[TaskKind, tuple[str, ...]], ...] = (
    ("binary", ("foreground",)),
    ("multiclass", ("background", "first", "second")),
    ("multilabel", ("first", "second")),
)
_CHANNELS = (3, 1, 4)
_MOST_CLASSES = 256  # a mask is uint8
_FIRST, _LAST = 2, 1  # of a split are looked at


@dataclass(frozen=True)
class SourceCase:
    """A task and a number of channels that the source accepts, and what it gives for them."""

    task: Task
    channels: int
    splits: Mapping[str, Sequence[Sample]]

    def __str__(self) -> str:
        return f"a {self.task.kind} task with {self.channels} channels"

    def samples(self) -> list[Sample]:
        """The first and last ones of every split."""
        return [sample for samples in self.splits.values() for sample in _ends(samples)]


def accepted_cases(subject: Subject) -> list[SourceCase]:
    """Every task and number of channels that the source takes."""
    return tried_cases(subject)[0]


def one_of_each_task(subject: Subject) -> list[SourceCase]:
    """For what does not depend on the number of channels."""
    return [*{case.task: case for case in reversed(accepted_cases(subject))}.values()][::-1]


def tried_cases(subject: Subject) -> tuple[list[SourceCase], list[SegkitError]]:
    """What the source accepts, and why it refuses the rest.

    A case is refused by `PartError` when the source is built, or by `DataError` for files that are not of it.
    """
    accepted: list[SourceCase] = []
    refusals: list[SegkitError] = []
    for kind, classes in _TASKS:
        for ignored in (None, 255):  # the masks of some data sets have pixels of no class
            found = [*_accepted(subject, Task(kind, classes, ignored), refusals)]
            accepted += found
            if found:
                break
    if not accepted and all(isinstance(error, PartError) for error in refusals):
        accepted += _of_another_number(subject)
    return accepted, refusals


def read(sample: Sample) -> tuple[Pixels, Pixels]:
    """Image and mask, as a run reads them: decoders warn of oddities that harm nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels: Any = sample.read()
    right = isinstance(pixels, tuple) and [isinstance(one, np.ndarray) for one in pixels] == [True, True]
    require(right, f"reading {sample.name!r} gives no two arrays", "read() returns (image, mask) of numpy")
    image, mask = pixels
    return image, mask


def _of_another_number(subject: Subject) -> list[SourceCase]:
    """For data sets of a fixed number of classes."""
    kinds: tuple[TaskKind, ...] = ("multiclass", "multilabel")
    for count, kind, ignored in product(range(1, _MOST_CLASSES + 1), kinds, (None, 255)):
        task = Task(kind, tuple(f"class_{number}" for number in range(count)), ignored)
        if found := [*_accepted(subject, task, [])]:
            return found
    return []


def _accepted(subject: Subject, task: Task, refusals: list[SegkitError]) -> Iterator[SourceCase]:
    """One case for each number of channels; adds what is said of the others to `refusals`."""
    for channels in _CHANNELS:
        try:
            splits = subject.build(task, channels).splits()
            _check_kinds(splits)
            case = SourceCase(task, channels, splits)
            for sample in case.samples()[:1]:
                read(sample)
        except (PartError, DataError) as error:
            refusals.append(error)
        else:
            yield case


def _check_kinds(splits: Any) -> None:
    kind = type(splits).__name__
    require(isinstance(splits, Mapping), f"splits() gives a {kind}", 'a dict such as {"train": [...]}')
    for name, samples in splits.items():
        hint = "a list of segkit.Sample, or any sequence that knows its length"
        require(isinstance(samples, Sequence), f"the split {name!r} is a {type(samples).__name__}", hint)
        foreign = [sample for sample in _ends(samples) if not isinstance(sample, Sample)]
        require(not foreign, f"the split {name!r} holds {foreign[:1]!r}", hint)


def _ends(samples: Sequence[Sample]) -> list[Sample]:
    count = len(samples)
    chosen = {*range(min(_FIRST, count)), *range(max(count - _LAST, 0), count)}
    return [samples[index] for index in sorted(chosen)]
