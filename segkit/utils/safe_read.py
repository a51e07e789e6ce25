"""Plain files that somebody else may have made: read within bounds, or refused by name. No torch.

Nothing in them is executed, and nothing is a path: they hold text, numbers, lists and mappings.
"""

from __future__ import annotations

import csv
import io
import json
import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image
from pydantic import BaseModel, ValidationError

from segkit.core.errors import SegkitError, first_line

MOST_BYTES = 4_000_000  # of a file that a reader takes in whole
MOST_YAML_BYTES = 1_000_000  # which is read slowly, and holds a recipe
MOST_LIST_BYTES = 400_000_000  # of one with a line for each epoch or image
MOST_DEPTH = 40
MOST_SIDE = 8192  # pixels: what a recipe's data.size may be
LARGEST = 1e100  # beyond it lies no score, loss or time, and sums of such numbers overflow
HINT = "copy it again from where it comes from"

Record = TypeVar("Record", bound=BaseModel)


def damaged(path: Path, reason: str, hint: str = HINT) -> SegkitError:
    """The error that a file is not what it should be."""
    return SegkitError(f"the file is damaged: {reason}", where=str(path), hint=hint)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """A file's content.

    Raises:
        SegkitError: if it is missing, larger than `most` bytes, or no file but a pipe or a device, say.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise damaged(path, "it is no plain file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise SegkitError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
    if len(content) > most:
        raise damaged(path, f"it has more than {most:,} bytes")
    return content


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """A text file's content; line ends are as they are.

    Raises:
        SegkitError: as `read_bytes`, and if it is no UTF-8.
    """
    try:
        return read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise damaged(path, "it is no text in UTF-8") from None


def read_json(path: Path, shape: type[Record], *, hint: str = HINT) -> Record:
    """The record that a JSON file holds.

    Args:
        path: the file.
        shape: the model that it must be of.
        hint: what to try if it is not.

    Raises:
        SegkitError: if the file is missing, too large, no JSON, or of another shape.
    """
    try:
        return _checked(path, _from_json(path, read_text(path)), shape)
    except SegkitError as error:
        raise SegkitError(error.problems[0].problem, where=str(path), hint=hint) from None


def read_json_lines(path: Path, shape: type[BaseModel]) -> list[dict[str, Any]]:
    """The plain data of a file with one JSON document of that shape in each line."""
    lines = read_text(path, MOST_LIST_BYTES).splitlines()
    content = [_from_json(path, line, f"line {number}: ") for number, line in enumerate(lines, start=1)]
    for number, line in enumerate(content, start=1):
        _checked(path, line, shape, f"line {number}: ")
    return content


def read_yaml(path: Path, shape: type[BaseModel]) -> dict[str, Any]:
    """The plain data of a YAML file that segkit wrote, if it is of a shape.

    It has no anchors: aliases can unfold to billions.

    Raises:
        SegkitError: as `read_json`.
    """
    text = read_text(path, MOST_YAML_BYTES)
    try:
        content = yaml.load(text, _Loader)
    except Exception as error:  # whatever a damaged or hostile file makes the reader raise
        raise damaged(path, f"it is no plain YAML ({first_line(error)})") from None
    _checked(path, content, shape)
    return content  # type: ignore[no-any-return]


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header of a CSV file, and its rows, each with as many cells.

    Raises:
        SegkitError: if the file is missing, too large, or no such table.
    """
    text = read_text(path, MOST_LIST_BYTES)
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        reason = "it is empty" if isinstance(error, ValueError) else str(error)
        raise damaged(path, f"it is no table ({reason})") from None
    if len(set(header)) < len(header):
        raise damaged(path, "two columns have one name")
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise damaged(path, f"row {number} has {len(row)} cells, and there are {len(header)} columns")
    return header, rows


def read_number(text: str) -> float:
    """A number of a table; NaN for an empty cell.

    Raises:
        ValueError: if it is none, or larger than any score; what it says may be shown to anyone.
    """
    try:
        value = float(text) if text.strip() else math.nan
    except ValueError:
        raise ValueError("a cell is no number") from None
    if math.isfinite(value) and abs(value) > LARGEST:
        raise ValueError("a number is larger than any score")
    return value


def read_png(path: Path, modes: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """The pixels of a PNG.

    Args:
        path: the file.
        modes: what it may be, as Pillow calls it; of a palette image (P) the numbers are read.

    Raises:
        SegkitError: if it is missing, damaged, another kind of file, or longer than `MOST_SIDE` pixels.
    """
    content = read_bytes(path, MOST_LIST_BYTES)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if max(image.size) > MOST_SIDE or image.mode not in modes:
                raise ValueError(f"{image.mode} of {image.width} x {image.height} pixels")
            pixels: npt.NDArray[np.uint8] = np.asarray(image)
    except Exception as error:  # decoders meet damage in many ways
        raise damaged(path, f"it is no picture that a run writes ({first_line(error)})") from None
    return pixels


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("an alias")
        return super().compose_node(parent, index)


def _from_json(path: Path, text: str, place: str = "") -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"{place}it is no JSON ({first_line(error)})") from None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _checked(path: Path, content: Any, shape: type[Record], place: str = "") -> Record:
    """The content as a record, if it is plain and of that shape."""
    for value, depth in _inside(content):
        if depth > MOST_DEPTH:
            raise damaged(path, f"{place}it is nested deeper than {MOST_DEPTH} levels")
        if not isinstance(value, str | int | float | None | list | dict):
            raise damaged(path, f"{place}it holds a {type(value).__name__}, which is no plain value")
        if isinstance(value, float) and not math.isfinite(value):
            raise damaged(path, f"{place}it holds a number that is beyond all that a run writes")
        if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise damaged(path, f"{place}it holds half a character")
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            raise damaged(path, f"{place}it has a key that is no text")
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        at = ".".join(map(str, first["loc"]))
        reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        if first["type"] == "model_type":
            reason = "it should be a mapping"
        if first["type"] in ("less_than_equal", "greater_than_equal"):
            reason = "this number is beyond all that a run writes"
        raise damaged(path, f"{place}{at + ': ' if at else ''}{reason}") from None


def _inside(content: Any) -> Iterator[tuple[Any, int]]:
    """Every value in a value, keys too, with its depth."""
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        if isinstance(inner, list) and depth <= MOST_DEPTH:
            waiting += [(item, depth + 1) for item in inner]
