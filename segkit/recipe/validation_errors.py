"""From pydantic's errors to segkit's: file and line, what was found, what is allowed, the near miss."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from segkit.core.errors import Problem
from segkit.core.registry import REGISTRIES, near
from segkit.recipe.schema import Part, Recipe, part_at
from segkit.recipe.type_names import either, in_words, schema_of
from segkit.recipe.yaml_tree import Node

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Validated:
    """What pydantic looked at when it found an error.

    Args:
        tree: the whole recipe.
        model: what was validated.
        at: where in the recipe the validated value stands.
        owner: whose keys they are, such as "decoder 'unet'"; empty for the recipe's own.
        also: further keys that are allowed there.
    """

    tree: Node
    model: type[BaseModel]
    at: Loc = ()
    owner: str = ""
    also: Iterable[str] = ()

    def problems(self, error: ValidationError) -> list[Problem]:
        """Every problem that pydantic found, one per place in the recipe."""
        problems: dict[str, Problem] = {}
        for details in error.errors():
            problem = self._problem(details, (*self.at, *details["loc"]))
            problems.setdefault(problem.path, problem)
        return list(problems.values())

    def _problem(self, details: Any, wanted: Loc) -> Problem:
        node, found = self.tree.nearest(wanted)
        if details["type"] == "missing" and isinstance(wanted[-1], str):
            return self._missing(node, (*found, wanted[-1]), wanted)
        if details["type"] == "extra_forbidden":
            return self._unknown(node, wanted)
        if details["type"] == "value_error":
            left_out = wanted == (*found, wanted[-1]) and isinstance(wanted[-1], str)
            path = dotted(wanted if left_out else found)  # a default may be at fault
            return Problem(str(details["ctx"]["error"]), *node.place, path=path)
        allowed = self._allowed(wanted, found) or details["msg"]
        return Problem(
            f"found {shown(node)}, allowed: {allowed}",
            *node.place,
            path=dotted(found),
            hint=self._hint(node, wanted, allowed),
        )

    def _missing(self, node: Node, path: Loc, wanted: Loc) -> Problem:
        """A key that must be there and is not."""
        key = str(path[-1])
        owner = self.owner or (f"{dotted(path[:-1])!r}" if path[:-1] else "the recipe")
        allowed = self._allowed(wanted, path)
        if key == "name" and (part := part_at(path[:-1])):
            allowed = f"the name of {'an' if part.kind[0] in 'aeiou' else 'a'} {part.kind}"
        hint = f"add '{key}:' with {allowed}" if allowed else f"add '{key}:'"
        return Problem(f"{owner} needs {key!r}", *node.place, path=dotted(path), hint=hint)

    def _unknown(self, node: Node, wanted: Loc) -> Problem:
        """A key that means nothing where it stands."""
        key = str(wanted[-1])
        owner = _model(self.model, wanted[len(self.at) : -1])
        known = [
            *(owner.model_fields if owner else ()),
            *self.also,
            *(["extends"] if len(wanted) == 1 else []),
        ]
        allowed = f"allowed: {', '.join(known)}" if known else "there are none"
        problem = f"{self.owner} has no option {key!r}" if self.owner else f"unknown key {key!r}"
        guesses = near(key, known) or [dotted(place) for place in _places_of(key)]
        hint = f"did you mean {guesses[0]!r}?" if guesses else ""
        return Problem(f"{problem}, {allowed}", *node.place, path=dotted(wanted), hint=hint)

    def _allowed(self, wanted: Loc, found: Loc) -> str:
        part, listed = part_at(found), part_at((*found, 0))
        if part or listed:
            registry = REGISTRIES[(part or listed or Part).kind]
            one = f"{'an' if registry.kind[0] in 'aeiou' else 'a'} {registry.kind}"
            several = f"a list of {registry.plural}"
            subject = (
                f"{one} or {several}, each" if part and listed else f"{one}," if part else f"{several}, each"
            )
            return f"{subject} by name or as a mapping with name and options"
        field = _field(self.model, wanted[len(self.at) :])
        return in_words(_annotation(field)) if field else ""

    def _hint(self, node: Node, wanted: Loc, allowed: str) -> str:
        field = _field(self.model, wanted[len(self.at) :])
        if isinstance(node.value, str) and field:
            guesses = near(node.value, _words_of(schema_of(_annotation(field)) or {}))
            return f"did you mean {either([repr(guess) for guess in guesses])}?" if guesses else ""
        if node.value is None and field:
            required = field.is_required()
            return "write a value after the colon" + ("" if required else ", or leave the key out")
        if isinstance(node.value, (bool, int, float)) and allowed.startswith("text"):
            return f"quotes make it text: '{shown(node)}'"
        return ""


def dotted(loc: Loc) -> str:
    """A place in a recipe as users write it: "data.augment.0.p"."""
    return ".".join(map(str, loc))


def shown(node: Node) -> str:
    """A value as the user wrote it, shortened."""
    text = json.dumps(node.plain(), default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _places_of(key: str, model: type[BaseModel] = Recipe, at: Loc = ()) -> Iterator[Loc]:
    """Where in a recipe a key of that name does mean something."""
    for name, field in model.model_fields.items():
        if name == key and at:
            yield (*at, name)
        inner = _inner(field.annotation)
        if inner and not issubclass(inner, Part):
            yield from _places_of(key, inner, (*at, name))


def _words_of(schema: Any) -> list[str]:
    """The words that a type allows."""
    if isinstance(schema, list):
        return [word for item in schema for word in _words_of(item)]
    if not isinstance(schema, dict):
        return []
    words = [*schema.get("enum", ()), schema.get("const")]
    return [word for word in words if isinstance(word, str)] + _words_of(list(schema.values()))


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
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
