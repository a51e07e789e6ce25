"""Batch loading: prefetch in a thread, synchronous, or in worker processes."""

from __future__ import annotations

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

_AHEAD = 2  # batches prepared ahead
# Forked workers share the images' memory; elsewhere they are started anew, which takes seconds.
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"


def prefetch(make: Callable[[Key], Made], keys: Iterable[Key]) -> Iterator[Made]:
    """Make batches in a thread, ahead of the consumer."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        pending: deque[Future[Made]] = deque()
        for key in keys:
            pending.append(thread.submit(make, key))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def synchronous(make: Callable[[Key], Made], keys: Iterable[Key], count: int) -> Iterator[Made]:
    """Make batches on demand, `count` at a time."""
    remaining = iter(keys)
    while batches := [make(key) for key in islice(remaining, count)]:
        yield from batches


def worker_loader(batches: Dataset[Made], sampler: EpochSampler[Any], workers: int) -> DataLoader[Made]:
    """A loader whose worker processes make the batches of the sampler; `start` starts them."""
    return DataLoader(
        batches,
        sampler=sampler,  # its items are whole batches
        batch_size=None,
        collate_fn=_identity,
        num_workers=workers,
        persistent_workers=True,
        worker_init_fn=_ignore_signals,
        # A loader draws seeds for its workers; it must not change the random state of training.
        generator=torch.Generator(),
        multiprocessing_context=_START_METHOD,
    )


def start(loader: DataLoader[Made]) -> Iterator[Made]:
    """Iterate over the batches of the epoch; starts the workers if they do not run yet."""
    with held_back(), warnings.catch_warnings():
        # Safe: workers only index, augment and copy, and take no lock that another thread may hold.
        warnings.filterwarnings(
            "ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning
        )
        return iter(loader)


def _identity(batch: Any) -> Any:
    return batch


def _ignore_signals(worker: int) -> None:  # signals reach every process; the parent handles them
    leave_to_the_parent()


class EpochSampler(Generic[Key]):
    """A sampler whose batches are replaced every epoch, so that the loader and its workers are kept."""

    def __init__(self) -> None:
        self.batches: list[Key] = []

    def __iter__(self) -> Iterator[Key]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class WaitTimer:
    """Time that an epoch spends waiting for batches and using them.

    Args:
        first_counts: whether the first batch is included.
    """

    def __init__(self, first_counts: bool) -> None:
        self.waited = 0.0
        self.busy = 0.0
        self._first_counts = first_counts

    @property
    def seconds(self) -> float:
        """Waiting and busy time together."""
        return self.waited + self.busy

    def timed(self, batches: Iterator[Made]) -> Iterator[Made]:
        """Yield the batches and measure the times."""
        for number in count():
            requested = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            received = time.perf_counter()
            yield batch
            used = time.perf_counter()
            if number or self._first_counts:
                self.waited += received - requested
                self.busy += used - received
