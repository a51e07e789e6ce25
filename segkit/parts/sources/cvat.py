"""Annotation files of CVAT, in its format for images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize
from xml.parsers import expat

import numpy as np

from segkit.core.errors import DataError, Problem
from segkit.core.registry import SOURCES
from segkit.data.image_files import without_ending
from segkit.data.image_folder import ImageFolder
from segkit.data.outlines import Outline, OutlinedData, OutlinedImage, OutlinedSource, Unlisted, as_data_error
from segkit.data.polygons import box_runs, ellipse
from segkit.data.split_names import split_named
from segkit.utils.safe_read import MAX_LIST_BYTES, read_bytes

if TYPE_CHECKING:
    from segkit.core.types import Source, Task
    from segkit.data.polygons import Extent, Points

_OTHERS = ("polyline", "points", "cuboid", "skeleton")
_SHAPES = ("polygon", "box", "ellipse", "mask")


@SOURCES.register("cvat")
def cvat(task: Task, channels: int, *, file: Path, images: Path, unlisted: Unlisted = "error") -> Source:
    """CVAT's file "CVAT for images 1.1": polygons, boxes, ellipses and masks, in the order of their layers.

    The images are those that the file lists; one without shapes is all background. The subsets train,
    validation and test are the official splits.

    Args:
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.
        file: the annotations.xml.
        images: folder of the images that the file names, by their path or the last part of it.
        unlisted: what shapes are whose label is not in data.classes or data.labels: an error, background, or
            ignored.

    Raises:
        PartError: if no value is ignored.
    """
    return OutlinedSource(partial(read_files, file, images), task, channels, unlisted)


def read_files(file: Path, folder: Path) -> OutlinedData:
    """Images and objects of a file.

    Raises:
        DataError: if the file cannot be read or lists no images, or the folder does not exist.
    """
    images = ImageFolder(folder)
    with as_data_error():
        content = read_bytes(file, MAX_LIST_BYTES)
    reader = _Reader(file, images)
    reader.read(content)
    if not reader.splits and not reader.problems:
        hint = "export the task in the format 'CVAT for images 1.1'"
        raise DataError("no images are listed", where=str(file), hint=hint, kind="labels")
    names = [
        *reader.colors,
        *(outline.name for part in reader.splits.values() for image in part for outline in image.outlines),
    ]
    colors = {name: color for name, color in reader.colors.items() if color}
    return OutlinedData(reader.splits, names, reader.problems, images.unused(), colors)


class _Reader:
    """Images, labels and problems of a file, as its elements come."""

    def __init__(self, file: Path, folder: ImageFolder) -> None:
        self.splits: dict[str, list[OutlinedImage]] = {}
        self.colors: dict[str, str] = {}  # by label
        self.problems: list[Problem] = []
        self._file, self._folder = file, folder
        self._open: list[str] = []  # elements around the current place
        self._text = self._label = ""
        self._image: dict[str, str] = {}
        self._shapes: list[tuple[int, Outline]] = []  # with their layer
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.CharacterDataHandler = self._add_text
        self._parser.EndElementHandler = self._end

    def read(self, content: bytes) -> None:
        try:
            self._parser.Parse(content, True)
        except (expat.ExpatError, ValueError) as error:
            hint = "export it again from CVAT"
            raise DataError(f"the file is damaged: {error}", where=str(self._file), hint=hint) from None

    def _refuse(self, *declaration: object) -> None:
        raise ValueError("it declares a document type, which may expand to billions of characters")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1] if self._open else ""
        self._open.append(tag)
        self._text = ""
        if tag == "image":
            self._image, self._shapes = attributes, []
        elif parent == "image" and tag in (*_SHAPES, *_OTHERS):
            self._add_shape(tag, attributes)

    def _add_text(self, text: str) -> None:
        self._text += text

    def _end(self, tag: str) -> None:
        self._open.pop()
        parent = self._open[-1] if self._open else ""
        if parent == "label" and tag == "name":
            self._label = self._text.strip()
            self.colors.setdefault(self._label, "")
        elif parent == "label" and tag == "color":
            self.colors[self._label] = self._text.strip().lower()
        elif tag == "image":
            self._add_image()

    def _add_shape(self, tag: str, attributes: Mapping[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        try:
            outline = _outline(tag, attributes, _extent(self._image), f"line {line}, a {tag}")
            self._shapes.append((int(attributes.get("z_order", 0)), outline))
        except (KeyError, ValueError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            self._add_problem(
                f"this {tag} of {self._image.get('name')}: {reason}", "draw it again, or remove it"
            )

    def _add_image(self) -> None:
        name = self._image.get("name", "")
        path, problem, hint = self._folder.find(name)
        if problem and "subset" in self._image:  # projects are exported with a folder for each
            path, problem, hint = self._folder.find(f"{self._image['subset']}/{name}")
        split = split_named(self._image.get("subset", "train"))
        if split is None:
            problem, hint = (
                f"the subset {self._image['subset']!r} is no split",
                "call it Train, Validation or Test",
            )
        if problem:
            self._add_problem(f"{name}: {problem}", hint, "missing")
            return
        try:
            extent = _extent(self._image)
        except (KeyError, ValueError):
            self._add_problem(f"{name}: it has no width and height", "export it again from CVAT")
            return
        outlines = [outline for _, outline in sorted(self._shapes, key=itemgetter(0))]
        sample = normalize("NFC", without_ending(name.replace("\\", "/")))
        self.splits.setdefault(split or "", []).append(
            OutlinedImage(sample, path, self._file, outlines, extent=extent, place=name)
        )

    def _add_problem(self, problem: str, hint: str, kind: str = "labels") -> None:
        self.problems.append(
            Problem(problem, str(self._file), self._parser.CurrentLineNumber, hint=hint, kind=kind)
        )


def _extent(image: Mapping[str, str]) -> Extent:
    return int(image["height"]), int(image["width"])


def _outline(tag: str, attributes: Mapping[str, str], extent: Extent, place: str) -> Outline:
    """Outline of a shape.

    Raises:
        KeyError: if an attribute is missing.
        ValueError: if it is damaged, or no outline.
    """
    name = attributes["label"]
    if tag in _OTHERS:
        raise ValueError(f"{tag!r} is not an outline")
    if tag == "mask":
        left, top, width, height = (int(attributes[key]) for key in ("left", "top", "width", "height"))
        counts = [int(count) for count in attributes["rle"].split(",")]
        return Outline(name, place, runs=(box_runs(counts, (left, top, width, height), extent), extent))
    if tag == "polygon":
        points = np.array([pair.split(",") for pair in attributes["points"].split(";")], np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
            raise ValueError("a polygon needs three corners")
        return Outline(name, place, (points,))
    if tag == "box":
        x, y, right, bottom = (float(attributes[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        corners = np.array([[x, y], [right, y], [right, bottom], [x, bottom]])
    else:
        x, y, across, down = (float(attributes[key]) for key in ("cx", "cy", "rx", "ry"))
        corners = ellipse((x, y), (abs(across), abs(down)))
    return Outline(name, place, (_rotated(corners, float(attributes.get("rotation", 0))),))


def _rotated(corners: Points, degrees: float) -> Points:
    """Corners rotated clockwise around the middle of their box."""
    if not degrees:
        return corners
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotated: Points = middle + (corners - middle) @ np.array([[cos, sin], [-sin, cos]])
    return rotated
