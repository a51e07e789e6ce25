"""From pydantic's errors to segkit's: file and line, what was found, what is allowed, the near miss."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from segkit.errors import Problem
from segkit.recipe.words import in_words
from segkit.recipe.yaml_tree import Node
from segkit.registry import near

Loc = tuple[str | int, ...]


def translate(
    error: ValidationError,
    model: type[BaseModel],
    tree: Node,
    *,
    at: Loc = (),
    of: str = "",
    also: Iterable[str] = (),
) -> list[Problem]:
    """Every problem that pydantic found, one per place in the recipe.

    Args:
        error: of validating against `model`.
        model: what was validated.
        tree: the whole recipe.
        at: where in the recipe the validated value stands.
        of: whose keys they are, such as "decoder 'unet'"; empty for the recipe's own.
        also: further keys that are allowed there.
    """
    problems: dict[Loc, Problem] = {}
    for details in error.errors():
        wanted = (*at, *details["loc"])
        node, found = tree.nearest(wanted)
        problem = _problem(details, model, node, found, wanted, at, of, also)
        problems.setdefault(tuple(problem.path.split(".")), problem)
    return list(problems.values())


def _problem(
    details: Any,
    model: type[BaseModel],
    node: Node,
    found: Loc,
    wanted: Loc,
    at: Loc,
    of: str,
    also: Iterable[str],
) -> Problem:
    inside = wanted[len(at) :]
    path = ".".join(map(str, found))
    if details["type"] == "missing":
        key = str(wanted[-1])
        path = ".".join(map(str, wanted))
        field = _field(model, inside)
        hint = f"add '{key}:', {in_words(_annotation(field))}".rstrip(", ") if field else f"add '{key}:'"
        owner = of or (f"'{'.'.join(map(str, wanted[:-1]))}'" if wanted[:-1] else "the recipe")
        return Problem(f"{owner} needs {key!r}, which is missing", *node.place, path=path, hint=hint)
    if details["type"] == "extra_forbidden":
        return unknown_key(str(wanted[-1]), [*_keys(model, inside[:-1]), *also], node, path, of)
    if details["type"] == "value_error":
        return Problem(str(details["ctx"]["error"]), *node.place, path=path)
    field = _field(model, found[len(at) :])
    allowed = in_words(_annotation(field)) if field else details["msg"]
    hint = f"allowed: {allowed}"
    if isinstance(node.value, str) and field:
        words = [word.strip() for word in allowed.removeprefix("one of ").replace(" or ", ", ").split(",")]
        if guesses := near(node.value, words):
            hint = f"did you mean {guesses[0]!r}? {hint}"
    return Problem(f"found {shown(node)}", *node.place, path=path, hint=hint)


def unknown_key(key: str, known: Iterable[str], node: Node, path: str, of: str = "") -> Problem:
    """A key that means nothing where it stands."""
    known = sorted(known)
    problem = f"{of} has no option {key!r}" if of else f"unknown key {key!r}"
    guesses = near(key, known)
    guess = f"did you mean {guesses[0]!r}? " if guesses else ""
    return Problem(
        problem, *node.place, path=path, hint=f"{guess}allowed: {', '.join(known) or 'no options'}"
    )


def shown(node: Node) -> str:
    """A value as the user wrote it, shortened."""
    text = json.dumps(node.plain(), default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys(model: type[BaseModel], loc: Loc) -> list[str]:
    owner = _model(model, loc)
    return list(owner.model_fields) if owner else []


def _field(model: type[BaseModel], loc: Loc) -> FieldInfo | None:
    """The field that a location lies in: the innermost one that is written in a model."""
    named = [i for i, key in enumerate(loc) if isinstance(key, str)]
    for last in reversed(named):
        owner = _model(model, loc[:last])
        if owner and loc[last] in owner.model_fields:
            return owner.model_fields[str(loc[last])]
    return None


def _model(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """The model at a location, looking through lists, options and unions."""
    current: type[BaseModel] | None = model
    for key in loc:
        if current is None:
            return None
        if isinstance(key, str) and key in current.model_fields:
            current = _inner(current.model_fields[key].annotation)
    return current


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_inner(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model), None)


def _annotation(field: FieldInfo) -> Any:
    """The field's type with its bounds."""
    from typing import Annotated

    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
