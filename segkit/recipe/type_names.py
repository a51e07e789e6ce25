"""Readable names of types, such as "a whole number from 1 to 100"."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

Schema = dict[str, Any]

_SINGULAR_PLURAL = {
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "string": ("text", "texts"),
    "boolean": ("true or false", "true or false"),
    "null": ("null", "null"),
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def in_words(annotation: Any) -> str:
    """Readable name of a type; "" if any value is allowed."""
    schema = schema_of(annotation)
    if schema is None:
        return str(getattr(annotation, "__name__", annotation))
    return _Describer(schema.get("$defs", {})).value(schema)


def schema_of(annotation: Any) -> Schema | None:
    """JSON Schema of a type; None if pydantic does not support the type."""
    try:
        return TypeAdapter(annotation, config={"arbitrary_types_allowed": True}).json_schema()
    except PydanticUserError:  # the type has a configuration of its own
        try:
            return TypeAdapter(annotation).json_schema()
        except (PydanticSchemaGenerationError, PydanticUserError):
            return None


def either(choices: list[str]) -> str:
    """Alternatives without duplicates: "a, b or c"."""
    *rest, last = dict.fromkeys(choices)
    return f"{', '.join(rest)} or {last}" if rest else last


class _Describer:
    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions

    def value(self, schema: Schema) -> str:
        if reference := schema.get("$ref"):
            return self.value(self.definitions[reference.rsplit("/", 1)[-1]])
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return self.any_of([self.value(choice) for choice in choices])
        if "const" in schema:
            return _yaml(schema["const"])
        if "enum" in schema:
            return either([_yaml(value) for value in schema["enum"]])
        kind = schema.get("type", "")
        if kind == "array":
            return self.array(schema)
        if kind == "object":
            return self.mapping(schema)
        if schema.get("format") == "path":
            return "a path"
        limits = _limits(schema)
        link = "of " if limits.startswith("at ") else ""
        return f"{_SINGULAR_PLURAL.get(kind, ('',))[0]} {link}{limits}".strip()

    def any_of(self, choices: list[str]) -> str:
        if "" in choices:
            return ""
        simple = not any("," in choice or " or " in choice for choice in choices)
        return either(choices) if simple else ", or ".join(dict.fromkeys(choices))

    def array(self, schema: Schema) -> str:
        items: list[Schema] = schema.get("prefixItems", [])
        if not items:
            least, most = schema.get("minItems", 0), schema.get("maxItems")
            count = f"{least or 0} to {most} " if most else f"{least} or more " if least else ""
            count = count.replace("1 or more", "one or more")
            return f"a list of {count}{self.values(schema.get('items', {}))}"
        if all(item == items[0] for item in items):
            return f"a list of {len(items)} {self.values(items[0])}"
        return f"a list of {len(items)}: {'; '.join(self.value(item) for item in items)}"

    def values(self, schema: Schema) -> str:
        kind = schema.get("type", "")
        if kind in ("integer", "number", "string") and not {"enum", "const", "format"} & set(schema):
            plural = _SINGULAR_PLURAL[kind][1]
            limits = _limits(schema)
            return f"{plural}, each {limits}" if limits else plural
        value = self.value(schema)
        return f"values, each {value}" if value else "values"

    def mapping(self, schema: Schema) -> str:
        if keys := schema.get("properties"):
            return f"a mapping with {', '.join(keys)}"
        values = schema.get("additionalProperties")
        value = self.value(values) if isinstance(values, dict) else ""
        names = self.value(schema.get("propertyNames", {})) or "names"
        return f"a mapping from {names} to {value}" if value else "a mapping of keys to values"


def _yaml(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _limits(schema: Schema) -> str:
    if "minimum" in schema and "maximum" in schema and "multipleOf" not in schema:
        return f"from {schema['minimum']} to {schema['maximum']}"
    limits = [words.format(schema[bound]) for bound, words in _BOUNDS.items() if bound in schema]
    if "multipleOf" in schema:
        limits.append(f"divisible by {schema['multipleOf']}")
    if "pattern" in schema:
        limits.append(f"like {schema['pattern']}")
    if "minLength" in schema or "maxLength" in schema:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        limits.append(f"of {least} to {most} characters" if most else f"of at least {least} characters")
    return " and ".join(limits)
