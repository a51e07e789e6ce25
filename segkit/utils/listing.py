"""Lists and numbers in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def listed(items: Sequence[object], most: int = 5) -> str:
    """The first items and the number of the others: "a, b, c and 4 more"."""
    rest = len(items) - most
    return ", ".join(map(str, items[:most])) + (f" and {rest:,} more" if rest > 0 else "")


def counted(number: int, noun: str) -> str:
    """A number of things: "1 window", "1,000 windows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def agree(number: int, one: str, several: str) -> str:
    """The verb that fits a number of things, such as "has" or "have"."""
    return one if number == 1 else several
