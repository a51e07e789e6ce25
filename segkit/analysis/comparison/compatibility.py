"""What must be the same before two scores may be compared; who differs where is said of all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segkit.core.errors import Problem, SegkitError

FORCE = "--force compares all the same, and says so in the report"
# What a target is, and at which resolution it is scored.
TASK = ("task", "classes", "ignore_index", "size")


@dataclass(frozen=True)
class Scored:
    """How a run was scored, or how a recipe will be.

    Args:
        where: the run directory, or the recipe.
        data: the recipe's `data`, as plain data.
        metrics: the recipe's `metrics`.
        names: of the scored images.
        pixels: digest of images and masks; None where nobody knows.
        code: digest of the code that scores; likewise.
    """

    where: str
    data: Mapping[str, Any]
    metrics: Sequence[Any]
    names: Sequence[str]
    pixels: str | None = None
    code: str | None = None


def check_compatible(
    scored: Sequence[Scored], metric: str, *, force: bool = False
) -> tuple[list[str], list[str]]:
    """The images to compare on, after making sure that it is fair to compare.

    Args:
        scored: each is held against the first.
        metric: what is compared.
        force: do not refuse.

    Returns:
        Names of the images that all have, in the first one's order; and what would have been refused, as
        sentences.

    Raises:
        SegkitError: with every difference; also with `force` if one lacks the metric, or there is no image
            that all have.
    """
    if lacking := [_lacking(one, metric) for one in scored if metric not in map(_name, one.metrics)]:
        raise SegkitError.of(lacking)
    first = scored[0]
    problems = [problem for one in scored[1:] for problem in _differences(first, one, metric)]
    if problems and not force:
        raise SegkitError.of(problems)
    shared = set.intersection(*(set(one.names) for one in scored))
    images = [name for name in first.names if name in shared]
    if not images:
        raise SegkitError.of(problems or [Problem("there is no scored image", first.where)])
    return images, [f"Compared by force: {problem.where}: {problem.problem}." for problem in problems]


def _lacking(one: Scored, metric: str) -> Problem:
    known = ", ".join(map(_name, one.metrics))
    hint = f"--metric with one of {known}; or a recipe with {metric} among its metrics"
    return Problem(f"it is not scored by {metric}", one.where, hint=hint)


def _differences(first: Scored, other: Scored, metric: str) -> Iterator[Problem]:
    """Why the scores of two mean different things."""

    def problem(words: str, path: str, hint: str = FORCE) -> Problem:
        return Problem(words, other.where, path=path, hint=hint)

    for key in TASK:
        ours, theirs = first.data.get(key), other.data.get(key)
        if ours != theirs:
            words = f"scored with data.{key} {_text(theirs)}, and {first.where} with {_text(ours)}"
            yield problem(words, f"data.{key}")
    if words := _other_images(first.names, other.names):
        yield problem(f"scored on other images than {first.where}: {words}", "data")
    elif first.data.get("size") == other.data.get("size") and _differ(first.pixels, other.pixels):
        yield problem(
            f"its images or masks have the names of those of {first.where}, and other pixels", "data"
        )
    ours, theirs = _definition(first, metric), _definition(other, metric)
    if ours != theirs:
        yield problem(f"{metric} is {_text(theirs)}, and in {first.where} {_text(ours)}", "metrics")
    elif _differ(first.code, other.code):
        words = f"{metric} was computed by other code than in {first.where}"
        yield problem(words, "metrics", f"run its recipe again; {FORCE}")


def _differ(ours: str | None, theirs: str | None) -> bool:
    return ours is not None and theirs is not None and ours != theirs


def _other_images(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """What one has and the other has not; nothing if they have the same."""
    more, fewer = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
    found = [(fewer, "missing"), (more, "more")]
    return ", ".join(f"{len(names)} {word} ({_few(names)})" for names, word in found if names)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")


def _name(part: Any) -> str:
    return str(part["name"] if isinstance(part, Mapping) else part)


def _definition(one: Scored, metric: str) -> Any:
    """The metric with its options."""
    part = next(part for part in one.metrics if _name(part) == metric)
    return part if isinstance(part, Mapping) else {"name": part}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        options = ", ".join(f"{key} {_text(item)}" for key, item in value.items() if key != "name")
        return f"{value.get('name')} with {options}" if options else str(value.get("name"))
    if isinstance(value, list | tuple):
        return (" x " if all(isinstance(item, int) for item in value) else ", ").join(map(str, value))
    return "none" if value is None else str(value)
