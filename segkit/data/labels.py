"""What the values in masks mean: `data.labels` of a recipe, or `colours` of a source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from segkit.core.errors import PartError
from segkit.core.types import Labels, Task

LabelValue = Annotated[int, Field(strict=True)] | str
ColourText = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
IGNORE, BACKGROUND = "ignore", "background"
_COLOUR = re.compile("#[0-9a-fA-F]{6}")


def as_tuples(labels: Mapping[str, Any] | None) -> Labels | None:
    """`data.labels`, whose values are one value or a list, as `Task.labels`."""
    if labels is None:
        return None
    return tuple(
        (name, tuple(value) if isinstance(value, list) else (value,)) for name, value in labels.items()
    )


def label_problems(
    labels: Mapping[str, Sequence[int | str]], kind: str, classes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Why these labels do not fit a task: the name at fault, "" if a class is missing, and the problem."""
    names = [*classes, *([BACKGROUND] if kind == "binary" else []), IGNORE]
    seen: dict[int | str, str] = {}
    if IGNORE in classes:
        yield IGNORE, f"{IGNORE!r} names the values to leave out, and cannot be a class: rename the class"
    for name, values in labels.items():
        if name not in names:
            yield name, f"no class is called {name!r}: name {', '.join(names)}"
        for value in values:
            if isinstance(value, str) and value.startswith("#") and not _COLOUR.fullmatch(value):
                yield name, f"{value!r} is not a colour: write it as '#rrggbb'"
            elif (value := _canonical(value)) in seen:
                yield name, f"{_shown(value)} is named twice, for {seen[value]} and {name}"
            seen.setdefault(value, name)
    of_names = all(isinstance(value, str) and value[:1] != "#" for value in seen)
    first = int(kind == "multiclass" and of_names)  # the first class is what no polygon covers
    turned = any(turned_round(name, values) for name, values in labels.items() if name not in names)
    if not turned and (missing := [name for name in classes[first:] if name not in labels]):
        yield "", f"no value for {', '.join(missing)}: every class needs one"
    if kind == "binary" and BACKGROUND not in labels and 0 in seen:
        yield seen[0], f"0 is {seen[0]} here: name the values of the background too, as 'background'"


def with_labels(task: Task, colours: Mapping[str, str] | None = None) -> Task:
    """The task of a source of mask files, with the source's own `colours` as labels.

    Args:
        task: task, perhaps with labels.
        colours: "#rrggbb" by class name; for binary also "background", black by default, and "ignore" if the
            task ignores a value.

    Raises:
        PartError: if the colours do not fit the classes or are given beside labels, or labels are names of
            polygons, which mask files do not hold.
    """
    for name, values in task.labels or ():
        if texts := [value for value in values if isinstance(value, str) and not value.startswith("#")]:
            raise PartError(
                f"data.labels: {name} is {texts[0]!r}, but a mask file holds numbers and colours",
                hint=turned_round(name, values) or "write a number, or a colour as '#rrggbb'",
            )
    if colours is None:
        return task
    if task.labels:
        raise PartError(
            "data.labels and data.source.colours both say what colours mean", hint="keep data.labels"
        )
    allowed = [*task.classes, *([BACKGROUND] if task.kind == "binary" else [])]
    allowed += [] if task.ignore_index is None else [IGNORE]
    missing = [name for name in task.classes if name not in colours]
    unknown = [name for name in colours if name not in allowed]
    if missing or unknown:
        problems = [f"no colour for {', '.join(missing)}"] if missing else []
        problems += [f"no class is called {', '.join(unknown)}"] if unknown else []
        raise PartError(f"data.source.colours: {'; '.join(problems)}", hint=f"name {', '.join(allowed)}")
    labels = {name: (colour,) for name, colour in colours.items()}
    for _, problem in label_problems(labels, task.kind, task.classes):
        raise PartError(f"data.source.colours: {problem}", hint="give each class its own colour")
    return replace(task, labels=tuple(labels.items()))


def class_colors(labels: Mapping[str, Any] | None, colors: Mapping[str, str] | None) -> dict[str, str]:
    """Colours "#rrggbb" by class: `data.colors`, else the first colour that `data.labels` names."""
    chosen = dict(colors or {})
    taken = {color.lower() for color in chosen.values()}
    for name, values in as_tuples(labels) or ():
        named = [str(value) for value in values if _COLOUR.fullmatch(str(value))]
        if named and name not in (*chosen, IGNORE) and named[0].lower() not in taken:
            chosen[name] = named[0]
    return chosen


def color_problems(colors: Mapping[str, str], kind: str, classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Why `data.colors` does not fit a task: pairs of the name at fault and the problem."""
    names = [*classes, *([] if kind == "multiclass" else [BACKGROUND])]
    seen: dict[str, str] = {}
    for name, color in colors.items():
        if name not in names:
            yield name, f"no class is called {name!r}: name any of {', '.join(names)}"
        if (other := seen.setdefault(color.lower(), name)) != name:
            yield name, f"{color} is the colour of {other} too"


def turned_round(name: str, values: Sequence[int | str]) -> str:
    """The hint for a class and its value in the wrong order, or ""."""
    is_class = isinstance(values[0], str) and not values[0].startswith("#")
    if not is_class or not (re.fullmatch(r"-?\d+", name) or _COLOUR.fullmatch(name)):
        return ""
    value = f"'{name}'" if name.startswith("#") else name
    return f"name the class first: {{{values[0]}: {value}}}"


def task_of_one_class(task: Task, name: str) -> Task:
    """The binary task of one class of a multilabel task; the values of other classes are background."""
    if not task.labels:
        return Task("binary", (name,), task.ignore_index)
    own = {key: values for key, values in task.labels if key in (name, IGNORE)}
    used = {_canonical(value) for values in own.values() for value in values}
    others = [value for key, values in task.labels if key not in own for value in values]
    labels = (*own.items(), (BACKGROUND, (*others, *([] if 0 in used | {*others} else [0]))))
    return Task("binary", (name,), task.ignore_index, labels)


@lru_cache(maxsize=1024)
def class_of_value(task: Task) -> Mapping[int | str, int]:
    """The mask's integer of each value: numbers, names, and colours as "#rrggbb" in lower case.

    A grey colour stands here as its number. Without labels, the values of a multiclass mask are the indices
    of the classes.
    """
    first = int(task.kind == "binary")
    indices = {name: index for index, name in enumerate(task.classes, start=first)}
    if task.labels is None:
        values: dict[int | str, int] = {index: index for index in indices.values()}
        return values if task.ignore_index is None else {**values, task.ignore_index: task.ignore_index}
    labels = dict(task.labels)
    if task.kind == "binary":
        indices[BACKGROUND] = 0
        labels.setdefault(BACKGROUND, (0,))
    if task.ignore_index is not None:
        indices[IGNORE] = task.ignore_index
        if IGNORE not in labels and not has_colours(task):
            labels = {IGNORE: (task.ignore_index,), **labels}  # first: a class of that value is a class
    return {_canonical(value): indices[name] for name, values in labels.items() for value in values}


def has_colours(task: Task) -> bool:
    """Whether labels name colours, grey ones too."""
    return any(str(value).startswith("#") for _, values in task.labels or () for value in values)


def _canonical(value: int | str) -> int | str:  # a grey colour is its number
    if isinstance(value, int) or not value.startswith("#"):
        return value
    value = value.lower()
    return int(value[1:3], 16) if value[1:3] == value[3:5] == value[5:7] else value


def _shown(value: int | str) -> str:
    return str(value) if isinstance(value, int) else repr(value)
