"""Values of options to try: choices, true and false, and the bounds of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from segkit.recipe.type_names import Schema, schema_of

_LARGE = 256  # a width or a number of images above this may need more memory than there is


def values_to_try(annotation: Any, current: Any) -> list[Any]:
    """Values of a type other than the current one.

    Lists are as long as the current one, and filled with one value.
    """
    schema = schema_of(annotation) or {}
    values = {repr(value): value for value in _values(schema, schema.get("$defs", {}), current)}
    return [value for value in values.values() if value != (list(current) if _is_list(current) else current)]


def is_large(value: Any, current: Any) -> bool:
    """Whether a number, or one in a list, is large in itself and beside the current one."""
    return _largest(value) > max(_LARGE, 4 * _largest(current))


def _values(schema: Schema, definitions: Mapping[str, Schema], current: Any) -> Iterator[Any]:
    if reference := schema.get("$ref"):
        schema = definitions[reference.rsplit("/", 1)[-1]]
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _values(choice, definitions, current)
    yield from schema.get("enum", ())
    if "const" in schema:
        yield schema["const"]
    kind = schema.get("type")
    if kind == "boolean":
        yield from (False, True)
    elif kind == "null":
        yield None
    elif kind in ("integer", "number"):
        yield from _bounds(schema)
    elif kind == "array" and _is_list(current):
        yield from _lists(schema, definitions, current)


def _bounds(schema: Schema) -> Iterator[float]:
    """The smallest and the largest number allowed; just inside of exclusive bounds."""
    step = 1 if schema["type"] == "integer" else 1e-3
    multiple = schema.get("multipleOf")
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf - step) + step)
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf + step) - step)
    if multiple and math.isfinite(low):
        low = math.ceil(low / multiple) * multiple
    if multiple and math.isfinite(high):
        high = high // multiple * multiple
    yield from (bound for bound in (low, high) if math.isfinite(bound))


def _lists(schema: Schema, definitions: Mapping[str, Schema], current: Any) -> Iterator[list[Any]]:
    types = schema.get("prefixItems") or [schema.get("items", {})] * len(current)
    choices = [[*_values(item, definitions, None)] for item in types]
    for number in range(max(map(len, choices), default=0)):
        yield [
            options[min(number, len(options) - 1)] if options else value
            for options, value in zip(choices, current, strict=False)
        ]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _largest(value: Any) -> float:
    numbers = value if _is_list(value) else [value]
    return max((abs(number) for number in numbers if isinstance(number, (int, float))), default=0)
