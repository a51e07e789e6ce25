"""Work done in threads, some of it before it is asked for."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Made = TypeVar("Made")
MOST_THREADS = 8  # that read images while the network works


def ahead(
    make: Callable[[Thing], Made], things: Iterable[Thing], count: int
) -> Iterator[tuple[Thing, Future[Made]]]:
    """Make something of each thing, such as pixels of a file; each comes in order, when it is done.

    Args:
        make: called in threads.
        things: in order.
        count: how many may be made before they are asked for.
    """
    waiting: deque[tuple[Thing, Future[Made]]] = deque()
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        try:
            for thing in things:
                waiting.append((thing, pool.submit(make, thing)))
                if len(waiting) > count:
                    waiting[0][1].exception()  # waits
                    yield waiting.popleft()
            while waiting:
                waiting[0][1].exception()
                yield waiting.popleft()
        finally:  # somebody has had enough: what has not begun need not
            for _, made in waiting:
                made.cancel()
