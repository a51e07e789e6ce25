"""Many points in one test: it runs all of them, and says which of them fail on what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def check_points(points: Iterable[Callable[..., None]], cases: Iterable[tuple[Any, ...]]) -> None:
    """Call every point with every case.

    Raises:
        BaseExceptionGroup: with each failure; its notes name the point and the case.
    """
    points, failures = list(points), []
    for case in cases:
        for point in points:
            try:
                point(*case)
            except (Exception, pytest.fail.Exception) as failure:
                failure.add_note(f"{point.__name__}{case}")
                failures.append(failure)
    if failures:
        raise BaseExceptionGroup("; ".join(failure.__notes__[-1] for failure in failures), failures)
