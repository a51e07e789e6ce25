"""Bounded, safe reading of large JSON files, item by item. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from segkit.core.errors import first_line
from segkit.utils.safe_read import Record, corrupt_file, of_shape, read_text, refuse_constant, validated

MAX_BYTES = 2_000_000_000
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json_arrays(path: Path, shapes: Mapping[str, type[Record]]) -> Iterator[tuple[str, Record]]:
    """Key and record of every item of some arrays in a JSON mapping; other keys are left out.

    Items are parsed one by one: memory beside the text is that of one item.

    Args:
        path: file to read.
        shapes: model of an item by key of its array; the models refuse numbers that are not finite.

    Raises:
        SegkitError: if the file is missing, too large, not JSON, or an item is of another type.
    """
    text = read_text(path, MAX_BYTES)
    # Looking at every number again takes longer than all the rest.
    check = validated if _ESCAPED_SURROGATE.search(text) else of_shape
    try:
        for key, index, item in _array_items(text, shapes):
            yield key, check(path, item, shapes[key], f"{key}[{index}]: ")
    except (ValueError, RecursionError) as error:
        raise corrupt_file(path, f"it is not JSON ({first_line(error)})") from None


def _array_items(text: str, keys: Container[str]) -> Iterator[tuple[str, int, Any]]:
    """Key, index and value of the items of those arrays in a JSON mapping."""
    parse = json.JSONDecoder(parse_constant=refuse_constant).raw_decode
    _, at = _sign(text, 0, "{")
    sign = "}" if text.startswith("}", at) else ","
    while sign == ",":
        key, at = parse(text, at)
        if not isinstance(key, str):
            raise ValueError(f"a key must be text: {key!r:.20}")
        _, at = _sign(text, at, ":")
        if key not in keys:
            _, at = parse(text, at)
        else:
            _, at = _sign(text, at, "[")
            for index in count():
                if index == 0 and text.startswith("]", at):
                    at += 1
                    break
                item, at = parse(text, at)
                yield key, index, item
                sign, at = _sign(text, at, ",]")
                if sign == "]":
                    break
        sign, at = _sign(text, at, ",}")
    if at < len(text):
        raise ValueError(f"more text behind its end at character {at:,}")


def _sign(text: str, at: int, expected: str) -> tuple[str, int]:
    """The next of some signs, and the place behind it; white space on both sides is passed over."""
    at = _behind_space(text, at)
    if text[at : at + 1] not in [*expected]:
        raise ValueError(f"{' or '.join(expected)} expected at character {at:,}")
    return text[at], _behind_space(text, at + 1)


def _behind_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\n", "\r", "\t"):
        at += 1
    return at
