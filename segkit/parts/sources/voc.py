"""Data sets in the folders of PASCAL VOC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from segkit.data.labels import BACKGROUND, IGNORE
from segkit.data.outlines import (
    AS_BACKGROUND,
    AS_IGNORED,
    BACKGROUND_NAMES,
    UNIGNORED,
    Unlisted,
    numbers_of_names,
)
from segkit.data.split_names import NAMES, split_named
from segkit.data.text_file import read_text
from segkit.parts.sources.folder import FolderSource
from segkit.parts.sources.list import ListSource
from segkit.utils.listing import listed

if TYPE_CHECKING:
    from segkit.core.types import Labels, Source, Task

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
IMAGES, MASKS, LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
CLASS_FILES = ("labelmap.txt", "class_names.txt")
BORDER = 255  # along objects, and what is too hard to tell


@SOURCES.register("voc")
def voc(task: Task, channels: int, *, root: Path, unlisted: Unlisted = "error") -> Source:
    """PASCAL VOC's folders: JPEGImages, SegmentationClass and the lists of ImageSets/Segmentation.

    Without lists, all images are training images, and each has a mask.
    The classes of mask values are those of VOC, or of a labelmap.txt (as CVAT writes it) or class_names.txt
    (labelme) in the root. data.classes and data.labels name them. The value 255 is ignored if the task
    ignores a value.

    Args:
        task: a binary or multiclass task.
        channels: channels of the images.
        root: folder that holds these folders.
        unlisted: what classes are that are not in data.classes or data.labels: an error, background, or
            ignored.

    Raises:
        PartError: for a multilabel task, no ignored value, or classes that the data set does not have.
        DataError: if a file that names the classes cannot be read.
    """
    if task.kind == "multilabel":
        raise PartError("voc has one class per pixel", hint="data.task: binary or multiclass")
    task = replace(task, labels=_labels(task, values_of_classes(root), unlisted))
    folders, patterns = (root / IMAGES, root / MASKS), ("{name}", "{name}")
    if lists := _lists(root):
        return ListSource(lists, None, folders, patterns, task, channels)
    return FolderSource(*folders, patterns, task, channels, union=False)


def values_of_classes(root: Path) -> dict[str, int | str]:
    """Index or colour "#rrggbb" in masks by class.

    Raises:
        DataError: if a file that names the classes cannot be read.
    """
    if (file := root / CLASS_FILES[0]).is_file():
        return dict(_colour(file, line) for line in _lines(file))
    if (file := root / CLASS_FILES[1]).is_file():
        return {name: index for index, name in enumerate(_lines(file))}
    return {name: index for index, name in enumerate(CLASSES)}


def _lists(root: Path) -> dict[str, Path]:
    files = {file.stem: file for file in sorted((root / LISTS).glob("*.txt"))}
    lists = {split: files[stem] for stem in files if (split := split_named(stem))}
    if "train" not in lists and (whole := files.get("trainval") or files.get("default")):
        lists = {"train": whole} | {split: file for split, file in lists.items() if split == "test"}
    return {split: lists[split] for split in NAMES if split in lists}


def _labels(task: Task, values: Mapping[str, int | str], unlisted: Unlisted) -> Labels:
    if task.labels and not any(str(value) in values for _, given in task.labels for value in given):
        return task.labels  # numbers or colours
    numbers = numbers_of_names(task, [name for name in values if name not in BACKGROUND_NAMES])
    background = BACKGROUND if task.kind == "binary" else task.classes[0]
    meant = {AS_IGNORED: IGNORE, AS_BACKGROUND: background, **dict(enumerate(task.classes))}
    labels: dict[str, list[int | str]] = defaultdict(list)
    others = []
    for name, value in values.items():
        if name in numbers:
            labels[meant[numbers[name]]].append(value)
        elif name in BACKGROUND_NAMES or unlisted == "background":
            labels[background].append(value)
        elif unlisted == "ignore":
            labels[IGNORE].append(value)
        else:
            others.append(name)
    if unlisted == "ignore" and task.ignore_index is None:
        raise PartError(UNIGNORED, hint="data.ignore_index: 255")
    if missing := [name for name in task.classes if name not in labels]:
        raise PartError(f"the data set has no {', '.join(missing)}", hint=f"it has {listed([*values], 30)}")
    if others:
        hint = "add them; data.labels maps or ignores them; data.source.unlisted: background leaves them out"
        raise PartError(f"data.classes and data.labels do not have {listed(others, 30)}", hint=hint)
    if task.ignore_index is not None and all(isinstance(value, int) for value in values.values()):
        labels[IGNORE].append(BORDER)
    return tuple((name, tuple(given)) for name, given in labels.items())


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in read_text(file).splitlines() if line.strip() and line[0] != "#"]


def _colour(file: Path, line: str) -> tuple[str, str]:
    name, _, rest = line.partition(":")
    numbers = rest.partition(":")[0].split(",")
    if len(numbers) != 3 or not all(number.strip().isdecimal() and int(number) < 256 for number in numbers):
        hint = "a line of labelmap.txt is a name and its colour, as in road:128,64,128::"
        raise DataError(f"there is no colour in {line!r}", where=str(file), hint=hint, kind="labels")
    red, green, blue = map(int, numbers)
    return name, f"#{red:02x}{green:02x}{blue:02x}"
