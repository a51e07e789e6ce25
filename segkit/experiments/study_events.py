"""Events yielded by `study`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.events import Event

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison


@dataclass(frozen=True)
class StudyPlanned:
    """The runs of a comparison are known.

    Args:
        finished: directories of finished runs.
        missing: labels of the runs to train: recipe name and seed.
        jobs: number of runs trained at once.
        notes: notes as sentences, such as why a similar run is not reused.
    """

    finished: list[Path]
    missing: list[str]
    jobs: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StudyProgressed:
    """An event of a run in training; `name` is its label, `number` counts from 1 to `total`."""

    name: str
    number: int
    total: int
    event: Event


@dataclass(frozen=True)
class Measured:
    """The costs of one model were measured; `number` counts from 1 to `total`."""

    name: str
    number: int
    total: int


@dataclass(frozen=True)
class RunScored:
    """A run without the scores to compare was scored; `number` counts from 1 to `total`."""

    name: str
    number: int
    total: int


@dataclass(frozen=True)
class Compared:
    """The comparison is complete."""

    comparison: Comparison


StudyEvent = StudyPlanned | StudyProgressed | Measured | RunScored | Compared
