"""Types in words that a person reads: "a whole number, at least 1"."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

_PLAIN = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "a mapping of keys to values",
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def in_words(annotation: Any) -> str:
    """What a value of this type may be, in words; "" where anything may be."""
    try:
        schema = TypeAdapter(annotation).json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError):
        return str(getattr(annotation, "__name__", annotation))
    return _words(schema, schema.get("$defs", {}))


def _words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if reference := schema.get("$ref"):
        return _words(definitions[reference.rsplit("/", 1)[-1]], definitions)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_words(choice, definitions) for choice in choices))
    if "const" in schema:
        return _value(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(_value, schema["enum"]))
    if schema.get("type") == "array":
        return _list_words(schema, definitions)
    if schema.get("format") == "path":
        return "a path"
    if schema.get("type") == "object" and "properties" in schema:
        return "a mapping with " + ", ".join(schema["properties"])
    word = _PLAIN.get(schema.get("type", ""), "")
    limits = [words.format(schema[bound]) for bound, words in _BOUNDS.items() if bound in schema]
    return ", ".join([word, *limits])


def _list_words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if fixed := schema.get("prefixItems"):
        return "a list of " + " and ".join(_words(item, definitions) for item in fixed)
    item = _words(schema.get("items", {}), definitions)
    least = schema.get("minItems")
    count = f", at least {least} of them" if least else ""
    return f"a list, each {item}{count}" if item else f"a list{count}"


def _value(value: Any) -> str:
    return (
        {True: "true", False: "false", None: "null"}.get(value, str(value))
        if not isinstance(value, int | float) or isinstance(value, bool)
        else str(value)
    )
