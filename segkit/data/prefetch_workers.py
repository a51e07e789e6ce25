"""How batches come: ahead of their use in a thread, in turns with it, or from workers; and who waits."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from segkit.utils.signals import held_back, leave_to_the_parent

Key = TypeVar("Key")
Made = TypeVar("Made")

_AHEAD = 2  # batches that a thread makes while the model learns from the one before


def prefetch(make: Callable[[Key], Made], keys: Iterable[Key]) -> Iterator[Made]:
    """Make batches in a thread, some ahead of those that are asked for."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        coming: deque[Future[Made]] = deque()
        for key in keys:
            coming.append(thread.submit(make, key))
            if len(coming) > _AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def synchronous(make: Callable[[Key], Made], keys: Iterable[Key], together: int) -> Iterator[Made]:
    """Make so many batches together, whenever one is asked for and none is left."""
    coming = iter(keys)
    while some := [make(key) for key in islice(coming, together)]:
        yield from some


def with_workers(batches: Dataset[Made], deal: EpochSampler[Any], workers: int) -> DataLoader[Made]:
    """A loader whose workers make the batches that are dealt, epoch after epoch; nothing starts yet.

    Args:
        batches: made by their keys.
        deal: the keys.
        workers: how many.
    """
    return DataLoader(
        batches,
        sampler=deal,  # its items are whole batches already
        batch_size=None,
        collate_fn=_as_it_is,
        num_workers=workers,
        persistent_workers=True,
        worker_init_fn=_leave_stopping_to_the_parent,
        # Its own, as a loader draws seeds for its workers: not from the random state of the training.
        generator=torch.Generator(),
        # Forked workers share the images' memory, and know transforms that no import would find again.
        multiprocessing_context="fork" if sys.platform == "linux" else None,
    )


def from_workers(loader: DataLoader[Made]) -> Iterator[Made]:
    """The batches that are dealt by now, from workers that are started where they do not live yet."""
    with held_back(), warnings.catch_warnings():
        # Workers only index, augment and copy; no lock that another thread may hold is asked for there.
        warnings.filterwarnings(
            "ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning
        )
        return iter(loader)


def _as_it_is(stacked: Any) -> Any:
    return stacked


def _leave_stopping_to_the_parent(worker: int) -> None:
    leave_to_the_parent()


class EpochSampler(Generic[Key]):
    """The batches of the epoch at hand: a sampler whose loader, and so its workers, can be kept."""

    def __init__(self) -> None:
        self.batches: list[Key] = []

    def __iter__(self) -> Iterator[Key]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class WaitTimer:
    """How much of an epoch was spent in waiting for its batches.

    Args:
        first_counts: whether there was nothing to do but to wait for the first one too.
    """

    def __init__(self, first_counts: bool) -> None:
        self.waited = 0.0
        self.busy = 0.0
        self._first_counts = first_counts

    @property
    def seconds(self) -> float:
        """Of both."""
        return self.waited + self.busy

    def waiting_for(self, arriving: Iterator[Made]) -> Iterator[Made]:
        """The same, timed."""
        for number in count():
            asked = time.perf_counter()
            made = next(arriving, None)
            if made is None:
                return
            given = time.perf_counter()
            yield made
            if number or self._first_counts:
                self.waited += given - asked
                self.busy += time.perf_counter() - given


def cores() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
