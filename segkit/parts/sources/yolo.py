"""Data sets in YOLO's segmentation format."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np
from pydantic import BaseModel

from segkit.core.errors import DataError, Problem
from segkit.core.paths import as_stored
from segkit.core.registry import SOURCES
from segkit.data.image_files import find_images, name_in, why_unread, without_ending
from segkit.data.outlines import Outline, OutlinedData, OutlinedImage, OutlinedSource, Unlisted, as_data_error
from segkit.data.split_names import NAMES
from segkit.data.text_file import read_text, with_slashes
from segkit.utils.listing import listed
from segkit.utils.safe_read import read_yaml

if TYPE_CHECKING:
    from segkit.core.types import Source, Task

_SLACK = 0.01  # by which a corner may lie beyond the image, as a fraction of its side


@SOURCES.register("yolo")
def yolo(task: Task, channels: int, *, file: Path, unlisted: Unlisted = "error") -> Source:
    """A data set in YOLO's segmentation format: a data.yaml, and a text file of polygons for each image.

    Each split is a folder, a text file of images, or a list of these, relative to the yaml's path, else to
    the folder of the yaml, which exporters also mean by ../train/images. A test split that is not there is
    a warning. The labels of images/a/b.jpg are in labels/a/b.txt, those of an image in no folder
    called images beside it. An image without a label file is all background.

    Args:
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.
        file: the data.yaml.
        unlisted: what objects are whose name is not in data.classes or data.labels: an error, background, or
            ignored.

    Raises:
        PartError: if no value is ignored.
    """
    return OutlinedSource(partial(read_files, file), task, channels, unlisted)


def read_files(file: Path) -> OutlinedData:
    """Images and objects of a data.yaml.

    Raises:
        DataError: if the yaml cannot be read, or names no images.
    """
    data = read_data_yaml(file)
    splits: dict[str, list[OutlinedImage]] = {}
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for split, places in data.splits.items():
        if split == "test" and not any(_found(file, data.path, place).exists() for place in places):
            hint = "remove test from it, if it is not there"
            problem = f"there is no test split in {listed(places)}"
            warnings.append(Problem(problem, str(file), hint=hint, kind="split"))
            continue
        images, unread = _images(file, data.path, places)
        problems += unread
        splits[split] = []
        for name, image in images.items():
            labels = labels_of(image)
            try:
                outlines = read_labels(labels, data.names) if labels.is_file() else []
            except DataError as error:
                problems += error.problems
                continue
            own_file = labels.is_file()
            splits[split].append(OutlinedImage(name, image, labels, outlines, own_file, fractions=True))
    found = OutlinedData(splits, [*data.names.values()], problems, warnings)
    if found.images and not problems and not any(image.own_file for image in found.images):
        hint = f"the labels of {found.images[0].image} belong into {found.images[0].file}"
        problems.append(Problem("no image has a label file", str(file), hint=hint, kind="missing"))
    return found


@dataclass(frozen=True)
class DataYaml:
    """Content of a data.yaml: folder, folders or lists of images by split, and class names by number."""

    path: str
    splits: dict[str, list[str]]
    names: dict[int, str]


def read_data_yaml(file: Path) -> DataYaml:
    """Read a data.yaml.

    Raises:
        DataError: if it cannot be read, has no class names, or names no images.
    """
    with as_data_error():
        data = _DataYaml.model_validate(read_yaml(file, _DataYaml))
    splits = {
        split: [value] if isinstance(value, str) else value
        for split in NAMES
        if (value := getattr(data, split))
    }
    names = dict(enumerate(data.names)) if isinstance(data.names, list) else data.names
    if not splits or not names:
        missing = "names" if splits else "train"
        raise DataError(
            f"there is no {missing}", where=str(file), hint="a data.yaml has names, train and val"
        )
    return DataYaml(data.path or "", splits, names)


def labels_of(image: Path) -> Path:
    """The label file of an image: labels instead of its last folder called images."""
    parts = image.with_suffix(".txt").parts
    at = max((index for index, part in enumerate(parts[:-1]) if part == "images"), default=-1)
    return Path(*(("labels" if index == at else part) for index, part in enumerate(parts)))


def read_labels(file: Path, names: Mapping[int, str]) -> list[Outline]:
    """Outlines of a label file: lines of a class number and the corners of a polygon, as fractions.

    Raises:
        DataError: with file and line.
    """
    lines = read_text(file).splitlines()
    outlines: list[Outline] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not (words := line.split()):
            continue
        try:
            outlines.append(_outline(words, f"line {number}", names))
        except ValueError as error:
            problem, hint = error.args
            problems.append(Problem(problem, str(file), number, hint=hint, kind="labels"))
    if problems:
        raise DataError.of(problems)
    return outlines


def _outline(words: Sequence[str], place: str, names: Mapping[int, str]) -> Outline:
    if len(words) == 5:
        hint = "outline the objects; a box does not say which pixels belong to them"
        raise ValueError("this is a box (a class and 4 numbers), not an outline", hint)
    rule = "a line is a class number and at least three corners, x y x y x y"
    if len(words) < 7 or len(words) % 2 == 0:
        raise ValueError(f"this line has {len(words)} numbers", rule)
    try:
        label, *numbers = map(float, words)
        corners = np.array(numbers).reshape(-1, 2)
    except ValueError:
        raise ValueError("this line holds other than numbers", rule) from None
    if label not in names:
        raise ValueError(f"there is no class {words[0]} in names of the data.yaml", "add it there")
    if not ((corners >= -_SLACK) & (corners <= 1 + _SLACK)).all():
        hint = "divide x by the width and y by the height of the image"
        raise ValueError("a corner is not a fraction from 0 to 1", hint)
    return Outline(names[int(label)], place, (corners,))


def _images(file: Path, path: str, places: Sequence[str]) -> tuple[dict[str, Path], list[Problem]]:
    """Images of a split by name, and problems."""
    images: dict[str, Path] = {}
    problems: list[Problem] = []
    for place in places:
        try:
            for name, image in _images_at(_found(file, path, place), problems):
                if name in images:
                    problem = f"two images are called {name}: {images[name]} and {image}"
                    problems.append(Problem(problem, str(file), hint="rename one of them", kind="labels"))
                images[name] = image
        except DataError as error:
            problems += error.problems
    return images, problems


def _found(file: Path, path: str, place: str) -> Path:
    """The path that a yaml means: in its `path`, or beside it, where downloads are unpacked elsewhere."""
    folder = file.absolute().parent
    path, place = path.replace("\\", "/"), place.replace("\\", "/")
    inside = place.lstrip("./")  # exporters write ../train and /train for a folder beside the yaml
    options = [folder / path / place, folder / place, folder / path / inside, folder / inside]
    options = [as_stored(Path(os.path.normpath(option))) for option in options]
    return next((option for option in options if option.exists()), options[0])


def _images_at(path: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    if path.is_dir() or path.suffix.lower() != ".txt":
        found = find_images(path)
        problems += [*found.problems, *found.unread.values()]
        yield from ((name_in(path, image), image) for image in found.images)
        return
    lines = read_text(path).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        image = as_stored(Path(os.path.normpath(path.parent / with_slashes(line.strip(), path.parent))))
        if problem := why_unread(image):
            problems.append(Problem(problem.problem, str(path), number, hint=problem.hint, kind=problem.kind))
        elif not image.is_file():
            hint = "paths are relative to the folder of the list"
            problems.append(
                Problem(f"there is no image {image}", str(path), number, hint=hint, kind="missing")
            )
        else:
            yield normalize("NFC", without_ending(image.name)), image


class _DataYaml(BaseModel):
    path: str | None = None
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None
    names: list[str] | dict[int, str] = []
