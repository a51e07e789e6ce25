"""Readable messages for pydantic errors: file and line, value found, values allowed, similar names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from segkit.core.errors import Problem
from segkit.core.plugins import find
from segkit.core.registry import REGISTRIES, near
from segkit.recipe.part_schema import Part, part_at, parts_in
from segkit.recipe.schema import Recipe
from segkit.recipe.tree import Loc, Node
from segkit.recipe.type_names import either, in_words, schema_of


@dataclass(frozen=True)
class ErrorContext:
    """The input of a validation, to explain its errors.

    Args:
        tree: the whole recipe.
        model: model that was validated.
        loc: position of the validated value in the recipe.
        owner: label of the value, such as "decoder 'unet'"; empty for the recipe itself.
        also: additional allowed keys.
    """

    tree: Node
    model: type[BaseModel]
    loc: Loc = ()
    owner: str = ""
    also: Iterable[str] = ()

    def problems(self, error: ValidationError) -> list[Problem]:
        """All problems of a validation error, one per position in the recipe."""
        problems: dict[str, Problem] = {}
        located = self._located(error)
        for details, loc in located:
            problem = self._problem(details, loc)
            problems.setdefault(problem.path, problem)
        # A misspelt key is one problem, and not a missing key as well.
        meant = {
            (problem.path.rpartition(".")[0], problem.hint)
            for problem in problems.values()
            if problem.hint.startswith("did you mean")
        }
        missing = {dotted(loc) for details, loc in located if details["type"] == "missing"}
        return [
            problem
            for path, problem in problems.items()
            if path not in missing
            or (path.rpartition(".")[0], _did_you_mean(path.split(".")[-1])) not in meant
        ]

    def _located(self, error: ValidationError) -> list[tuple[Any, Loc]]:
        """Errors with their positions in the recipe.

        Of a mapping that may be a model or something else, only the errors in the model count.
        """
        located = [(details, *self._position(details["loc"])) for details in error.errors()]
        models = {model for _, _, model in located if model}
        return [
            (details, loc)
            for details, loc, model in located
            if model or not isinstance(details["input"], dict) or loc[:-1] not in models
        ]

    def _position(self, loc: Loc) -> tuple[Loc, Loc]:
        """The position without names of models, which are no keys, and that of the innermost such model."""
        position: Loc = self.loc
        model: Loc = ()
        for index, key in enumerate(loc):
            owner = _model(self.model, loc[:index]) if index else None
            if owner and key == owner.__name__:
                model = position
            else:
                position = (*position, key)
        return position, model

    def _problem(self, details: Any, loc: Loc) -> Problem:
        node, found = self.tree.nearest(loc)
        is_key = isinstance(loc[-1], str)
        if details["type"] == "missing" and is_key:
            return self._missing(node, (*found, loc[-1]), loc)
        if details["type"] == "extra_forbidden":
            return self._unknown(node, loc)
        if details["type"] == "value_error":
            absent = is_key and loc == (*found, loc[-1])  # the default is invalid
            return Problem(
                str(details["ctx"]["error"]), *node.position,
                path=dotted(loc if absent else found), hint=details["ctx"].get("hint", ""),
            )  # fmt: skip
        allowed = self._allowed(loc, found) or details["msg"]
        return Problem(
            f"found {shown(node)}, allowed: {allowed}",
            *node.position,
            path=dotted(found),
            hint=self._hint(node, loc, allowed),
        )

    def _missing(self, node: Node, path: Loc, loc: Loc) -> Problem:
        key = str(path[-1])
        owner = self.owner or (f"{dotted(path[:-1])!r}" if path[:-1] else "the recipe")
        allowed = self._allowed(loc, path)
        if key == "name" and (part := part_at(path[:-1])):
            allowed = f"the name of {_with_article(part.kind)}"
        hint = f"add '{key}:' with {allowed}" if allowed else f"add '{key}:'"
        return Problem(f"{owner} needs {key!r}", *node.position, path=dotted(path), hint=hint)

    def _unknown(self, node: Node, loc: Loc) -> Problem:
        key = str(loc[-1])
        model = _model(self.model, loc[len(self.loc) : -1])
        extends = ["extends"] if len(loc) == 1 else []
        known = [*(model.model_fields if model else ()), *self.also, *extends]
        allowed = f"allowed: {', '.join(known)}" if known else "there are none"
        problem = f"{self.owner} has no option {key!r}" if self.owner else f"unknown key {key!r}"
        guesses = near(key, known) or [dotted(path) for path in (*_paths_of(key), *self._options_named(key))]
        hint = _did_you_mean(guesses[0]) if guesses else ""
        return Problem(f"{problem}, {allowed}", *node.position, path=dotted(loc), hint=hint)

    def _options_named(self, key: str) -> Iterator[Loc]:
        """Positions of the options of that name, of the parts that the recipe uses."""
        for loc, node in parts_in(self.tree):
            part = part_at(loc)
            assert part is not None
            assert isinstance(node.value, dict)
            name = node.value.get("name")
            entry = find(part.kind, str(name.value)) if name else None
            if entry and key in (*entry.options, *part.common_keys()):
                yield (*loc, key)

    def _allowed(self, loc: Loc, found: Loc) -> str:
        part, item = part_at(found), part_at((*found, 0))
        if kind := part or item:
            one, several = _with_article(kind.kind), f"a list of {REGISTRIES[kind.kind].plural}"
            subject = (
                f"{one} or {several}, each" if part and item else f"{one}," if part else f"{several}, each"
            )
            return f"{subject} by name or as a mapping with name and options"
        field = _field(self.model, loc[len(self.loc) :])
        return in_words(_annotation(field)) if field else ""

    def _hint(self, node: Node, loc: Loc, allowed: str) -> str:
        field = _field(self.model, loc[len(self.loc) :])
        if isinstance(node.value, str) and field:
            guesses = near(node.value, _constants(schema_of(_annotation(field)) or {}))
            return f"did you mean {either([repr(guess) for guess in guesses])}?" if guesses else ""
        if node.value is None and field:
            comment = " (text that begins with '#' needs quotes)" if "text" in allowed else ""
            return f"write a value after the colon{comment}" + (
                "" if field.is_required() else ", or remove the key"
            )
        if isinstance(node.value, (bool, int, float)) and allowed.startswith("text"):
            return f"quotes make it text: '{shown(node)}'"
        return ""


def dotted(loc: Loc) -> str:
    """A position in a recipe in the notation of `--set`: "data.augment.0.p"."""
    return ".".join(map(str, loc))


def shown(node: Node) -> str:
    """A value as the user wrote it, shortened."""
    text = json.dumps(node.plain(), default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _paths_of(key: str, model: type[BaseModel] = Recipe, loc: Loc = ()) -> Iterator[Loc]:
    """Positions below the top level of a recipe that have a key of that name."""
    for name, field in model.model_fields.items():
        if name == key and loc:
            yield (*loc, name)
        inner = _inner_model(field.annotation)
        if inner and not issubclass(inner, Part):
            yield from _paths_of(key, inner, (*loc, name))


def _constants(schema: Any) -> list[str]:
    """The strings that a JSON Schema lists as values."""
    if isinstance(schema, list):
        return [value for item in schema for value in _constants(item)]
    if not isinstance(schema, dict):
        return []
    values = [*schema.get("enum", ()), schema.get("const")]
    return [value for value in values if isinstance(value, str)] + _constants(list(schema.values()))


def _field(model: type[BaseModel], loc: Loc) -> FieldInfo | None:
    """The innermost model field on the way to a location."""
    for last in reversed(range(len(loc))):
        owner, key = _model(model, loc[:last]), loc[last]
        if owner and isinstance(key, str) and key in owner.model_fields:
            return owner.model_fields[key]
    return None


def _did_you_mean(key: str) -> str:
    return f"did you mean {key!r}?"


def _model(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """The model at a location; indices and other keys are skipped."""
    current: type[BaseModel] | None = model
    for key in loc:
        if current is None:
            return None
        if isinstance(key, str) and key in current.model_fields:
            current = _inner_model(current.model_fields[key].annotation)
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_inner_model(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model), None)


def _annotation(field: FieldInfo) -> Any:
    return (
        Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    )  # with bounds
