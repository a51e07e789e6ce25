"""Samples of a source, with all its problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segkit.core.errors import DataError, Problem
from segkit.core.types import Sample, Source


@dataclass(frozen=True)
class SourceScan:
    """Valid samples, and the problems of the other files.

    Args:
        splits: valid samples by split.
        problems: problems of files; empty if there are none.
        warnings: what a run can go on with.
        left_out: training images that `data.fraction` leaves out.
    """

    splits: Mapping[str, Sequence[Sample]]
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    left_out: int = 0

    def whole(self) -> Mapping[str, Sequence[Sample]]:
        """The splits, if there are no problems.

        Raises:
            DataError: listing all problems.
        """
        if self.problems:
            raise DataError.of(self.problems)
        return self.splits


def scan_source(source: Source) -> SourceScan:
    """Samples and problems of a source.

    A source with a method `scan()` returns both; without it, any problem leaves no samples.
    """
    scan: Callable[[], SourceScan] | None = getattr(source, "scan", None)
    if scan:
        return scan()
    try:
        return SourceScan(source.splits())
    except DataError as error:
        return SourceScan({}, error.problems)
