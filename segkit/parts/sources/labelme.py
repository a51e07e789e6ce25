"""Annotation files of labelme."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Container, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from segkit.core.errors import DataError, Problem
from segkit.core.paths import as_stored
from segkit.core.registry import SOURCES
from segkit.data.image_files import find_images, name_in, why_unread
from segkit.data.images import ENDINGS
from segkit.data.outlines import Outline, OutlinedData, OutlinedImage, OutlinedSource, Unlisted, as_data_error
from segkit.data.polygons import ellipse
from segkit.data.split_names import split_named
from segkit.utils.listing import listed
from segkit.utils.safe_read import read_bytes, read_json

if TYPE_CHECKING:
    from segkit.core.types import Source, Task
    from segkit.data.polygons import Points

_MAX_BYTES = 400_000_000  # a file may hold its image as text
_HINT = "a JSON file of labelme has shapes; move other files out of the folder"
_POINTS = {"polygon": (3, math.inf), "rectangle": (2, 2), "circle": (2, 2)}


@SOURCES.register("labelme")
def labelme(task: Task, channels: int, *, folder: Path, unlisted: Unlisted = "error") -> Source:
    """A folder of images with labelme's JSON files beside them: polygons, rectangles and circles.

    Subfolders train, val (or valid) and test are the official splits. Images without a JSON file are not
    used, with a warning: an image without objects has a file without shapes.

    Args:
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.
        folder: folder of JSON files and images, with any subfolders.
        unlisted: what shapes are whose label is not in data.classes or data.labels: an error, background, or
            ignored.

    Raises:
        PartError: if no value is ignored.
    """
    return OutlinedSource(partial(read_files, folder), task, channels, unlisted)


def read_files(folder: Path) -> OutlinedData:
    """Images and objects of a folder.

    Raises:
        DataError: if the folder does not exist.
    """
    found = find_images(folder)
    problems = [*found.problems]
    splits: dict[str, list[OutlinedImage]] = defaultdict(list)
    outside: list[Path] = []
    damaged: set[Path] = set()
    beside = {image.with_suffix("") for image in found.images}
    for file in found.others:
        if file.suffix.lower() != ".json" or not (file.with_suffix("") in beside or _has_shapes(file)):
            continue
        first, *rest = file.relative_to(folder).parts
        split = split_named(first) if rest else None
        if not split:
            outside.append(file)
        try:
            name = name_in(folder / first if split else folder, file.with_suffix(""))
            splits[split or ""].append(read_labelme(file, name))
        except DataError as error:
            problems += error.problems
            damaged.add(file.with_suffix(""))
    if outside and len({*splits} - {""}):
        files = listed([file.name for file in outside], 3)
        hint = "move them into the folder of a split"
        problems.append(Problem(f"{files}: not in any split", str(folder), hint=hint, kind="split"))
    if "" in splits:
        splits["train"] += splits.pop("")
    images = [image for part in splits.values() for image in part]
    names = sorted({outline.name for image in images for outline in image.outlines})
    used = {image.image for image in images}
    warnings = _unused(
        folder, [image for image in found.images if image.with_suffix("") not in damaged], used
    )
    return OutlinedData(splits, names, problems, warnings)


def _has_shapes(file: Path) -> bool:
    with as_data_error():
        return b'"shapes"' in read_bytes(file, _MAX_BYTES)


def _unused(folder: Path, images: Sequence[Path], used: Container[Path]) -> list[Problem]:
    unused = [image.name for image in images if image not in used]
    if not unused:
        return []
    number = "1 image has" if len(unused) == 1 else f"{len(unused):,} images have"
    problem = f"{number} no JSON file, not used: {listed(unused, 3)}"
    hint = "save an image without objects in labelme, if it is to be used"
    return [Problem(problem, str(folder), hint=hint, kind="unpaired")]


def read_labelme(file: Path, name: str) -> OutlinedImage:
    """The image and the objects of a JSON file.

    Raises:
        DataError: if the file is damaged, its image is missing, or a shape is no outline.
    """
    with as_data_error():
        content = read_json(file, _File, hint=_HINT, max_bytes=_MAX_BYTES)
    image = _image(file, content)
    outlines: list[Outline] = []
    problems: list[Problem] = []
    for number, shape in enumerate(content.shapes):
        place = f"shapes[{number}], a {shape.shape_type} labelled {shape.label!r}"
        try:
            outlines.append(Outline(shape.label, place, (_corners(shape),)))
        except ValueError as error:
            problem, hint = error.args
            problems.append(Problem(f"{place}: {problem}", str(file), hint=hint, kind="labels"))
    if problems:
        raise DataError.of(problems)
    size = content.imageHeight, content.imageWidth
    extent = (size[0], size[1]) if size[0] and size[1] else None
    return OutlinedImage(name, image, file, outlines, own_file=True, extent=extent)


def _image(file: Path, content: _File) -> Path:
    written = content.imagePath or ""
    options = [file.parent / written, file.parent / written.replace("\\", "/")] if written else []
    options += [file.parent / Path(written.replace("\\", "/")).name, *map(file.with_suffix, ENDINGS)]
    images = (as_stored(Path(os.path.normpath(option))) for option in options)
    image = next((image for image in images if image.is_file()), None)
    if image is None:
        hint = "put the image beside its JSON file"
        if content.imageData:
            hint += "; the copy of it inside the JSON file is not read"
        raise DataError(
            f"there is no image {written or file.stem}", where=str(file), hint=hint, kind="missing"
        )
    if problem := why_unread(image):
        raise DataError.of([problem])
    return image


def _corners(shape: _Shape) -> Points:
    """Corners of the polygon of a shape.

    Raises:
        ValueError: with problem and hint.
    """
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    if shape.shape_type not in _POINTS:
        hint = "outline it as a polygon, rectangle or circle, or remove it"
        raise ValueError(f"a {shape.shape_type} is not an outline", hint)
    least, most = _POINTS[shape.shape_type]
    if not least <= len(points) <= most:
        raise ValueError(f"it has {len(points)} points", f"draw it again: {least} points, or remove it")
    if shape.shape_type == "polygon":
        return points
    (left, top), (right, bottom) = points
    if shape.shape_type == "rectangle":
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    radius = math.hypot(right - left, bottom - top)  # the second point lies on the circle
    return ellipse((left, top), (radius, radius))


class _Shape(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"


class _File(BaseModel):
    shapes: list[_Shape]
    imagePath: str | None = None
    imageData: str | None = None
    imageHeight: Annotated[int, Field(gt=0)] | None = None
    imageWidth: Annotated[int, Field(gt=0)] | None = None
