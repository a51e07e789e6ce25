"""Options, types and defaults of a part, read from its signature."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, create_model, field_validator
from pydantic_core import PydanticCustomError

from segkit.core.errors import PartError

REQUIRED: Any = inspect.Parameter.empty


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add the docstring's descriptions to the JSON Schema."""
    documentation = inspect.getdoc(model) or ""
    schema["description"] = first_paragraph(documentation)
    for name, meaning in meanings_of(documentation).items():
        schema.get("properties", {}).get(name, {}).setdefault("description", meaning)


class Settings(BaseModel):
    """Base of all recipe sections: unknown keys are errors, instances are immutable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        json_schema_extra=_describe,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _bool_is_not_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        # pydantic would accept true as 1.
        if _holds_bool(value):
            types = set(types_in(cls.model_fields[info.field_name or ""].annotation))
            if types & {int, float} and bool not in types:
                raise PydanticCustomError("bool_for_number", "true and false are not numbers")
        return value


def _holds_bool(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return isinstance(value, bool) or any(map(_holds_bool, inside))


def types_in(annotation: Any) -> Iterator[type]:
    """All types in an annotation; for a Literal the types of its values."""
    arguments = getattr(annotation, "__args__", ())
    if isinstance(annotation, type) and not arguments:
        yield annotation
    for argument in arguments:
        if isinstance(argument, (bool, int, str)):
            yield type(argument)
        else:
            yield from types_in(argument)


@dataclass(frozen=True)
class Option:
    """One option of a part."""

    name: str
    annotation: Any
    default: Any = REQUIRED
    meaning: str = ""

    @property
    def required(self) -> bool:
        """Whether a recipe must set it."""
        return self.default is REQUIRED


@dataclass(frozen=True)
class Entry:
    """A registered part.

    Args:
        kind: kind of the registry, such as "decoder".
        name: name in recipes.
        factory: callable; takes the given values by position and the options by keyword.
        options: options by name, in the order of the signature.
        summary: first paragraph of the docstring.
        where: file:line of the definition.
        traits: declared properties, such as the `features` that a decoder needs.
    """

    kind: str
    name: str
    factory: Callable[..., Any]
    options: Mapping[str, Option]
    summary: str = ""
    where: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def schema(self) -> type[Settings]:
        """The options as a pydantic model; defaults are validated too."""
        fields: dict[str, Any] = {
            option.name: (option.annotation, ... if option.required else _as_written(option.default))
            for option in self.options.values()
        }
        title = f"{self.kind}:{self.name}"
        return create_model(title, __base__=Settings, __cls_kwargs__={"validate_default": True}, **fields)


def _as_written(default: Any) -> Any:
    # As YAML would give it, so that omitting an option equals writing its default.
    return [_as_written(item) for item in default] if isinstance(default, tuple) else default


def options_of(
    factory: Callable[..., Any], given: tuple[str, ...], *, label: str, kind: str, where: str
) -> dict[str, Option]:
    """The options in a factory's signature.

    Args:
        factory: function or class.
        given: names of the positional parameters.
        label: part in messages, such as "decoder 'unet'".
        kind: kind of the part.
        where: file:line of the definition.

    Raises:
        PartError: if the signature violates the contract.
    """
    meanings = meanings_of(inspect.getdoc(factory) or "")
    options: dict[str, Option] = {}
    positional: list[str] = []
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            annotation = _resolve(parameter, factory, label, where)
            meaning = meanings.get(parameter.name, "")
            options[parameter.name] = Option(parameter.name, annotation, parameter.default, meaning)
        elif parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            stars = "**" if parameter.kind is parameter.VAR_KEYWORD else "*"
            raise PartError(
                f"{label} takes {stars}{parameter.name}, which would accept misspelt options",
                where=where,
                hint="name every option as a keyword-only parameter with a type",
            )
        else:
            positional.append(parameter.name)
    if tuple(positional) != given:
        takes = f"({', '.join(given)})" if given else "nothing by position"
        raise PartError(
            f"{label} has the positional parameters ({', '.join(positional)})",
            where=where,
            hint=f"segkit gives every {kind} {takes}; put * before the options",
        )
    return options


def arguments_of(function: ast.FunctionDef) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Arguments and their defaults of a function in a source file; None if there is no default."""
    arguments = [*function.args.args, *function.args.kwonlyargs]
    defaults: list[ast.expr | None] = [*function.args.defaults, *function.args.kw_defaults]
    return zip(arguments, [None] * (len(arguments) - len(defaults)) + defaults, strict=True)


def where_of(factory: Callable[..., Any]) -> str:
    """file:line of a definition, or its module if unknown."""
    code = getattr(inspect.unwrap(factory), "__code__", None)
    if code is not None:  # faster than reading the source
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{inspect.getsourcefile(factory)}:{inspect.getsourcelines(factory)[1]}"
    except (OSError, TypeError):
        return getattr(factory, "__module__", "")


def first_paragraph(documentation: str) -> str:
    """First paragraph of a docstring as one line; empty if it begins with its arguments."""
    first = documentation.split("\n\n")[0].replace("\n", " ")
    return "" if first.startswith("Args:") else first


def meanings_of(documentation: str) -> dict[str, str]:
    """Descriptions in the `Args:` block of a Google-style docstring, by argument."""
    block = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", documentation, re.MULTILINE)
    if not block:
        return {}
    meanings: dict[str, str] = {}
    for found in re.finditer(r"^ {4}(\w+)(?: ?\(.*\))?:\s*((?:.*)(?:\n {5,}.*)*)", block[1], re.MULTILINE):
        meanings[found[1]] = " ".join(found[2].split())
    return meanings


def _resolve(parameter: inspect.Parameter, factory: Callable[..., Any], label: str, where: str) -> Any:
    """The type of an annotation, which is a string under `from __future__ import annotations`."""
    annotation, name = parameter.annotation, parameter.name
    if annotation is inspect.Parameter.empty:
        has = not (parameter.default is REQUIRED or parameter.default is None)
        example = type(parameter.default).__name__ if has else "float"
        raise PartError(
            f"{label}: option {name!r} has no type", where=where, hint=f"write {name}: {example} = ..."
        )
    if not isinstance(annotation, str):
        return annotation
    function = factory.__init__ if inspect.isclass(factory) else factory
    try:
        return eval(annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    except Exception as error:
        raise PartError(
            f"{label}: the type of option {name!r}, {annotation}, cannot be resolved ({error})",
            where=where,
            hint="import the type at the top of the file, not under TYPE_CHECKING",
        ) from error
