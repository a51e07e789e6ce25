"""What a source finds, with all that is wrong beside all that is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segkit.core.errors import DataError, Problem
from segkit.core.types import Sample, Source


@dataclass(frozen=True)
class SourceScan:
    """The samples that can be used, and why others cannot.

    Args:
        splits: samples by split.
        problems: with the files of a data set; none if it is whole.
    """

    splits: Mapping[str, Sequence[Sample]]
    problems: Sequence[Problem] = ()

    def whole(self) -> Mapping[str, Sequence[Sample]]:
        """The splits of a data set that nothing is wrong with.

        Raises:
            DataError: with every problem.
        """
        if self.problems:
            raise DataError.of(self.problems)
        return self.splits


def scan_source(source: Source) -> SourceScan:
    """Ask a source for what it has and for what it lacks.

    A source may have a method `scan_source` that gives a `SourceScan`; one without it gives all or nothing.
    """
    own: Callable[[], SourceScan] | None = getattr(source, "survey", None)
    if own:
        return own()
    try:
        return SourceScan(source.splits())
    except DataError as error:
        return SourceScan({}, error.problems)
