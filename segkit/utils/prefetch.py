"""Thread-pool prefetch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_THREADS = 8  # that read images while the model runs


def prefetch(
    make: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Apply a function to items in threads, ahead of the consumer; results come in order.

    Args:
        make: function to apply.
        items: items, in order.
        count: number of results computed ahead.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(make, item)))
                if len(waiting) > count:
                    waiting[0][1].exception()  # waits
                    yield waiting.popleft()
            while waiting:
                waiting[0][1].exception()
                yield waiting.popleft()
        finally:  # the consumer stopped: cancel what has not begun
            for _, future in waiting:
                future.cancel()
