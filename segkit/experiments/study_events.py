"""What a comparison says while it trains, measures and compares."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.events import Event

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison


@dataclass(frozen=True)
class StudyPlanned:
    """It is known which runs a comparison needs, and which of them are there.

    Args:
        finished: directories of those that are there.
        missing: what will be trained: a recipe's name and seed, in words.
        jobs: how many are trained at once.
        notes: whole sentences, such as why a run that looks right is not taken.
    """

    finished: list[Path]
    missing: list[str]
    jobs: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StudyProgressed:
    """Something happened in one of the runs that a comparison trains.

    Args:
        name: of the run, as `StudyPlanned` has it.
        number: of the run, counted from 1.
        total: how many are trained.
        event: what happened.
    """

    name: str
    number: int
    total: int
    event: Event


@dataclass(frozen=True)
class Measured:
    """The costs of one model are known. `number` counts from 1 to `total`."""

    name: str
    number: int
    total: int


@dataclass(frozen=True)
class Compared:
    """All runs are there, and it is known which recipe is better."""

    comparison: Comparison


StudyEvent = StudyPlanned | StudyProgressed | Measured | Compared
