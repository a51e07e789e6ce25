"""Types in words that a person reads: "a whole number from 1 to 100"."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

Schema = dict[str, Any]

_ONE_AND_MANY = {
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
    """What a value of this type may be, in words; "" where anything may be."""
    schema = schema_of(annotation)
    if schema is None:
        return str(getattr(annotation, "__name__", annotation))
    return _Words(schema.get("$defs", {})).one(schema)


def schema_of(annotation: Any) -> Schema | None:
    """The JSON Schema of a type, or None where pydantic knows none."""
    try:
        return TypeAdapter(annotation, config={"arbitrary_types_allowed": True}).json_schema()
    except PydanticUserError:  # it brings a configuration of its own
        try:
            return TypeAdapter(annotation).json_schema()
        except (PydanticSchemaGenerationError, PydanticUserError):
            return None


def value_in_words(value: Any) -> str:
    """A value as a recipe has it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def either(choices: list[str]) -> str:
    """Alternatives: "a, b or c"."""
    choices = list(dict.fromkeys(choices))
    return " or ".join([", ".join(choices[:-1]), choices[-1]] if len(choices) > 1 else choices)


class _Words:
    """Reads a JSON Schema out.

    Args:
        definitions: what its references mean.
    """

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions

    def one(self, schema: Schema) -> str:
        """One value; "" where anything may be."""
        if reference := schema.get("$ref"):
            return self.one(self.definitions[reference.rsplit("/", 1)[-1]])
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return self.any_of([self.one(choice) for choice in choices])
        if "const" in schema:
            return value_in_words(schema["const"])
        if "enum" in schema:
            return either([value_in_words(value) for value in schema["enum"]])
        if schema.get("type") == "array":
            return self.list(schema)
        if schema.get("type") == "object":
            return self.mapping(schema)
        if schema.get("format") == "path":
            return "a path"
        kind = schema.get("type", "")
        limits = _limits(schema)
        link = "of " if limits.startswith("at ") else ""
        return f"{_ONE_AND_MANY.get(kind, ('',))[0]} {link}{limits}".strip()

    def any_of(self, choices: list[str]) -> str:
        """Alternatives, set apart by commas where one of them has some."""
        choices = list(dict.fromkeys(choices))
        if "" in choices:
            return ""
        simple = not any("," in choice or " or " in choice for choice in choices)
        return either(choices) if simple else ", or ".join(choices)

    def list(self, schema: Schema) -> str:
        """A list, by the number and the kind of what is in it."""
        fixed: list[Schema] = schema.get("prefixItems", [])
        if not fixed:
            least, most = schema.get("minItems", 0), schema.get("maxItems")
            count = f"{least or 0} to {most} " if most else f"{least} or more " if least else ""
            count = count.replace("1 or more", "one or more")
            return f"a list of {count}{self.many(schema.get('items', {}))}"
        if all(item == fixed[0] for item in fixed):
            return f"a list of {len(fixed)} {self.many(fixed[0])}"
        return f"a list of {len(fixed)}: {'; '.join(self.one(item) for item in fixed)}"

    def many(self, schema: Schema) -> str:
        """Several values of a kind."""
        kind = schema.get("type", "")
        if kind in ("integer", "number", "string") and not {"enum", "const", "format"} & set(schema):
            plural = _ONE_AND_MANY[kind][1]
            limits = _limits(schema)
            return f"{plural}, each {limits}" if limits else plural
        one = self.one(schema)
        return f"values, each {one}" if one else "values"

    def mapping(self, schema: Schema) -> str:
        """A mapping, by its keys or by what it holds."""
        if keys := schema.get("properties"):
            return f"a mapping with {', '.join(keys)}"
        values = schema.get("additionalProperties")
        held = self.one(values) if isinstance(values, dict) else ""
        names = self.one(schema.get("propertyNames", {})) or "names"
        return f"a mapping from {names} to {held}" if held else "a mapping of keys to values"


def _limits(schema: Schema) -> str:
    """Bounds in words: "from 1 to 100", "above 0 and below 1"."""
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
