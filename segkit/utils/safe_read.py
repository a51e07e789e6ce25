"""Bounded, safe reading of JSON, YAML, CSV and PNG files from untrusted sources. No torch.

Nothing in them is executed or followed as a path: they hold text, numbers, lists and mappings.
"""

from __future__ import annotations

import csv
import io
import json
import math
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image
from pydantic import BaseModel, ValidationError

from segkit.core.errors import SegkitError, first_line
from segkit.utils.os_errors import is_out_of_memory

MAX_BYTES = 4_000_000  # of a file that is read at once
MAX_YAML_BYTES = 1_000_000  # of a recipe; YAML is slow to parse
MAX_LIST_BYTES = 400_000_000  # of a file with a line per epoch or image
MAX_DEPTH = 40
MAX_SIDE = 8192  # pixels; the largest data.size of a recipe
MAX_NUMBER = 1e100  # no score, loss or time is larger; sums of larger numbers overflow
HINT = "copy it again from where it comes from"

Record = TypeVar("Record", bound=BaseModel)


def corrupt_file(path: Path, reason: str, hint: str = HINT) -> SegkitError:
    """The error for a file whose content is not what it should be."""
    return SegkitError(f"the file is damaged: {reason}", where=str(path), hint=hint)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file.

    Raises:
        SegkitError: if it is missing, larger than `max_bytes`, or not a regular file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise corrupt_file(path, "it is not a regular file")
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise SegkitError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
    if len(content) > max_bytes:
        raise corrupt_file(path, f"it has more than {max_bytes:,} bytes")
    return content


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The content of a text file, line ends unchanged.

    Raises:
        SegkitError: as `read_bytes`, or if it is not UTF-8.
    """
    try:
        return read_bytes(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise corrupt_file(path, "it is not UTF-8 text") from None


def read_json(path: Path, shape: type[Record], *, hint: str = HINT, max_bytes: int = MAX_BYTES) -> Record:
    """The record in a JSON file.

    Args:
        path: file to read.
        shape: model of the record.
        hint: what to try if it is damaged.
        max_bytes: size of the largest file that is read.

    Raises:
        SegkitError: if the file is missing, too large, not JSON, or of another type.
    """
    try:
        return validated(path, _from_json(path, read_text(path, max_bytes)), shape)
    except SegkitError as error:
        raise SegkitError(error.problems[0].problem, where=str(path), hint=hint) from None


def read_json_lines(path: Path, shape: type[BaseModel], *, may_be_torn: bool = False) -> list[dict[str, Any]]:
    """The data of a file with one JSON document of that shape per line.

    If it may be torn by a killed process, a last line without a line end is left out.
    """
    text = read_text(path, MAX_LIST_BYTES)
    lines = (text[: text.rfind("\n") + 1] if may_be_torn else text).splitlines()
    content = [_from_json(path, line, f"line {number}: ") for number, line in enumerate(lines, start=1)]
    for number, line in enumerate(content, start=1):
        validated(path, line, shape, f"line {number}: ")
    return content


def read_yaml(path: Path, shape: type[BaseModel]) -> dict[str, Any]:
    """The data of a YAML file without aliases (they can expand to billions of values).

    Raises:
        SegkitError: as `read_json`.
    """
    text = read_text(path, MAX_YAML_BYTES)
    try:
        content = yaml.load(text, _Loader)
    except Exception as error:  # whatever a damaged or hostile file makes the reader raise
        if is_out_of_memory(error):
            raise
        raise corrupt_file(path, f"it is not plain YAML ({first_line(error)})") from None
    validated(path, content, shape)
    return content  # type: ignore[no-any-return]


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file; every row has as many cells as the header.

    Raises:
        SegkitError: if the file is missing, too large, or not such a table.
    """
    text = read_text(path, MAX_LIST_BYTES)
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        reason = "it is empty" if isinstance(error, ValueError) else str(error)
        raise corrupt_file(path, f"it is not a table ({reason})") from None
    if len(set(header)) < len(header):
        raise corrupt_file(path, "two columns have the same name")
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise corrupt_file(path, f"row {number} has {len(row)} cells, the header {len(header)}")
    return header, rows


def each_row(path: Path, header: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a CSV file with exactly these columns, one after the other.

    Raises:
        SegkitError: if the file is missing, not such a table, or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            if (found := next(rows, [])) != [*header]:
                raise corrupt_file(path, f"its columns are {', '.join(found)[:200]}, not {', '.join(header)}")
            for number, row in enumerate(rows, start=1):
                if len(row) != len(header):
                    raise corrupt_file(path, f"row {number} has {len(row)} cells, the header {len(header)}")
                yield row
    except OSError as error:
        raise SegkitError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
    except (csv.Error, ValueError) as error:  # not UTF-8 is a ValueError
        raise corrupt_file(path, f"it is not a table ({first_line(error)})") from None


def read_number(text: str) -> float:
    """The number in a table's cell; NaN for an empty cell.

    Raises:
        ValueError: if it is not a number, or larger than any score; the message does not quote the cell.
    """
    try:
        value = float(text) if text.strip() else math.nan
    except ValueError:
        raise ValueError("a cell is not a number") from None
    if math.isfinite(value) and abs(value) > MAX_NUMBER:
        raise ValueError("a number is larger than any score")
    return value


def read_png(path: Path, modes: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """The pixels of a PNG.

    Args:
        path: file to read.
        modes: Pillow modes that are allowed; of a palette image (P) the indices are read.

    Raises:
        SegkitError: if it is missing, damaged, not a PNG, or larger than `MAX_SIDE` pixels.
    """
    content = read_bytes(path, MAX_LIST_BYTES)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if max(image.size) > MAX_SIDE or image.mode not in modes:
                raise ValueError(f"{image.mode} of {image.width} x {image.height} pixels")
            pixels: npt.NDArray[np.uint8] = np.asarray(image)
    except Exception as error:  # decoders raise many types
        if is_out_of_memory(error):
            raise
        raise corrupt_file(path, f"it is not a picture that segkit writes ({first_line(error)})") from None
    return pixels


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("an alias")
        return super().compose_node(parent, index)


def _from_json(path: Path, text: str, place: str = "") -> Any:
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise corrupt_file(path, f"{place}it is not JSON ({first_line(error)})") from None


def refuse_constant(word: str) -> None:
    """Raise a `ValueError` for NaN and Infinity, which Python's parser would read."""
    raise ValueError(f"{word} is not a JSON number")


def validated(path: Path, content: Any, shape: type[Record], place: str = "") -> Record:
    """The record in plain data of a file, all values of which are looked at.

    Raises:
        SegkitError: if it is of another type, nested too deep, or holds what is no plain value.
    """
    for value, depth in _nested(content):
        if depth > MAX_DEPTH:
            raise corrupt_file(path, f"{place}it is nested deeper than {MAX_DEPTH} levels")
        if not isinstance(value, str | int | float | None | list | dict):
            raise corrupt_file(path, f"{place}it holds a {type(value).__name__}, which is not a plain value")
        if isinstance(value, float) and not math.isfinite(value):
            raise corrupt_file(path, f"{place}it holds a number that is out of range")
        if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise corrupt_file(path, f"{place}it holds an unpaired surrogate")
        if isinstance(value, dict) and not all(isinstance(key, str | int) for key in value):
            raise corrupt_file(path, f"{place}it has a key that is neither text nor a number")
    return of_shape(path, content, shape, place)


def of_shape(path: Path, content: Any, shape: type[Record], place: str = "") -> Record:
    """The record in plain data of a file.

    Raises:
        SegkitError: if it is of another type.
    """
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        at = ".".join(map(str, first["loc"]))
        reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        if first["type"] == "model_type":
            reason = "it must be a mapping"
        if first["type"] in ("less_than_equal", "greater_than_equal"):
            reason = "the number is out of range"
        raise corrupt_file(path, f"{place}{at + ': ' if at else ''}{reason}") from None


def _nested(content: Any) -> Iterator[tuple[Any, int]]:
    """All nested values and keys, with their depth."""
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        if isinstance(inner, list) and depth <= MAX_DEPTH:
            waiting += [(item, depth + 1) for item in inner]
