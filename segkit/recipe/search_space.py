"""Search spaces: `--search PATH=SPACE`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from segkit.core.errors import Problem, RecipeError, worded
from segkit.recipe import Recipe
from segkit.recipe.sweep import load_varied, split_at_commas

Value = str | int | float  # a choice is the text of a YAML value
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_FORMS = "a,b,c or 1..8 or 0.1..0.9 or log:1e-4..1e-2"
_NOT_SEARCHED = {
    "seed": "the best of several seeds is luck; segkit compare --seeds 0,1,2 shows how much they differ",
    **dict.fromkeys(("name", "description", "reference", "plugins", "extends"), "it changes no score"),
}


@dataclass(frozen=True)
class Choices:
    """Values of which one is taken, as YAML texts."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones if both are; `log` if their logarithm is drawn evenly."""

    low: float
    high: float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Axis:
    """A searched value of a recipe.

    Args:
        path: dotted path in the recipe.
        space: its values.
        text: the space as written.
    """

    path: str
    space: Choices | Range
    text: str

    @property
    def ends(self) -> tuple[Value, ...]:
        """All choices, or the first and last number."""
        space = self.space
        return space.values if isinstance(space, Choices) else (space.low, space.high)

    def __str__(self) -> str:
        return f"{self.path}={self.text}"


def parse_search(options: Sequence[str], overrides: Sequence[str] = ()) -> list[Axis]:
    """Searched values from ``PATH=SPACE``, outer ones before those inside of them.

    Args:
        options: values of `--search`.
        overrides: values of `--set`.

    Raises:
        RecipeError: with the problems of all options.
    """
    axes: list[Axis] = []
    problems: list[Problem] = []
    taken = {override.partition("=")[0].strip() for override in overrides}
    for option in options:
        path, text = (part.strip() for part in option.partition("=")[::2])
        try:
            if path in taken:
                raise _Wrong(f"{path} is both set and searched", "use one of the two")
            if any(axis.path == path for axis in axes):
                raise _Wrong(f"{path} is searched twice", "write all of its values into one space")
            axes.append(Axis(path, _space(path, text), text))
        except _Wrong as wrong:
            problems.append(Problem(wrong.problem, search_position(option), hint=wrong.hint))
    if not options:
        problems.append(Problem("nothing is searched", hint=f"{worded('--search', 'search')} PATH={_FORMS}"))
    if problems:
        raise RecipeError.of(problems)
    return sorted(axes, key=lambda axis: axis.path.count("."))


def search_position(option: str) -> str:
    """How messages name an option."""
    return worded(f"--search {option}", f"search {option!r}")


def recipe_with(
    path: str, overrides: Sequence[str], axes: Sequence[Axis], values: Mapping[str, Value], *, demo: bool
) -> Recipe:
    """The recipe with these values at the searched paths.

    Raises:
        RecipeError: if it is invalid; problems with searched values name their option.
    """
    chosen = {setting(axis.path, values[axis.path]): search_position(str(axis)) for axis in axes}
    return load_varied(path, overrides, chosen, demo=demo)


def setting(path: str, value: Value) -> str:
    """The value in the form of `--set`."""
    return f"{path}={value if isinstance(value, str) else repr(value)}"


def probes(axes: Sequence[Axis]) -> Iterator[tuple[Axis | None, dict[str, Value]]]:
    """The first values of all axes; then every other choice or end of each, with the first of the others."""
    first = {axis.path: axis.ends[0] for axis in axes}
    yield None, first
    for axis in axes:
        for value in axis.ends[1:]:
            yield axis, {**first, axis.path: value}


class _Wrong(Exception):
    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = problem, hint


def _space(path: str, text: str) -> Choices | Range:
    if not path or not text:
        raise _Wrong("a path and its values are missing", f"write PATH={_FORMS}")
    if hint := _NOT_SEARCHED.get(path.partition(".")[0]):
        raise _Wrong(f"{path} cannot be searched", hint)
    log, numbers = text.startswith("log:"), text.removeprefix("log:")
    low, dots, high = (part.strip() for part in numbers.partition(".."))
    if dots and _NUMBER.fullmatch(low) and _NUMBER.fullmatch(high):
        return _range(low, high, log=log)
    values = tuple(value.strip() for value in split_at_commas(text))
    if log or (dots and len(values) == 1):
        raise _Wrong(f"{text} is no range of numbers", f"write {_FORMS}")
    if not all(values):
        raise _Wrong("an empty value is among the choices", f"write {_FORMS}")
    if repeated := [value for value in values if values.count(value) > 1]:
        raise _Wrong(f"the choice {repeated[0]} is there twice", "name each value once")
    if len(values) == 1:
        option = worded("--set", "overrides")
        raise _Wrong(
            f"{text} is one value, which leaves nothing to search",
            f"write {_FORMS}; or {option} {path}={text}",
        )
    return Choices(values)


def _range(first: str, last: str, *, log: bool) -> Range:
    whole = _WHOLE.fullmatch(first) and _WHOLE.fullmatch(last)
    low, high = (int(first), int(last)) if whole else (float(first), float(last))
    form = "log:" if log else ""
    if low > high:
        raise _Wrong(f"the range {first}..{last} is reversed", f"write {form}{last}..{first}")
    if low == high:
        raise _Wrong(
            f"the range {first}..{last} is one value, which leaves nothing to search", f"write {_FORMS}"
        )
    if log and low <= 0:
        raise _Wrong(
            f"log:{first}..{last} begins at {first}, which has no logarithm",
            "begin above 0, as in log:1e-6..1e-2, or leave out log:",
        )
    if math.isinf(low) or math.isinf(high):
        raise _Wrong(f"{first}..{last} is larger than numbers can be", f"write {_FORMS}")
    return Range(low, high, log)
