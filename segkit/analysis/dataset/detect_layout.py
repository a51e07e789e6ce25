"""Layout detection: the source, mask names and task of a folder without a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from segkit.analysis.dataset.dataset import Dataset
from segkit.analysis.dataset.detect_annotations import (
    detect_coco,
    detect_cvat,
    detect_labelme,
    detect_voc,
    detect_yolo,
)
from segkit.analysis.dataset.detect_folders import (
    detect_folders,
    detect_image_folders,
    detect_split_folders,
    split_of,
)
from segkit.analysis.dataset.guess import Guess, build_source, guess_task
from segkit.core.errors import DataError
from segkit.core.paths import as_stored, quoted
from segkit.core.types import Task
from segkit.data.csv_table import read_table
from segkit.data.source_scan import scan_source
from segkit.data.split_names import NAMES
from segkit.parts.sources.isic2016 import FOLDERS
from segkit.utils.listing import listed


def dataset_of_folder(path: Path) -> Dataset:
    """The data set in a folder or CSV file.

    Raises:
        DataError: if the layout is not recognised, or the masks have too many colours.
    """
    return guess_layout(path).dataset()


def guess_layout(path: Path) -> Guess:
    """The data set in a folder or CSV file, with the recipe lines that read it.

    Raises:
        DataError: if the layout is not recognised, or the masks have too many colours.
    """
    if path.suffix.lower() == ".csv" and not path.is_dir():
        return _manifest(path)
    try:
        return next(guess for detect in DETECTORS if (guess := detect(path)))
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(path)) from None


def _detect_isic2016(root: Path) -> Guess | None:
    if not any((root / name).is_dir() for pair in FOLDERS.values() for name in pair):
        return None
    source = {"name": "isic2016", "root": root}
    return Guess("the folders of ISIC 2016", source, Task("binary", ("lesion",)))


def _detect_manifest(root: Path) -> Guess | None:
    tables = [file for file in sorted(root.glob("*.csv")) if file.is_file() and _is_manifest(file)]
    if len(tables) > 1:
        hint = f"segkit data check {quoted(tables[0])}"
        names = listed([file.name for file in tables])
        raise DataError(f"several CSV files list images: {names}", where=str(root), hint=hint)
    return _manifest(tables[0]) if tables else None


def _detect_lists(root: Path) -> Guess | None:
    """Text files called as splits, with paths or with names of images."""
    lists: dict[str, Path] = {}
    for file in sorted([*root.glob("*.txt"), *root.glob("*.lst")]):
        if file.is_file() and (found := split_of(file.stem)):
            lists.setdefault(found[0], file)
    if not lists:
        return None
    named = {"name": "list", **{split: lists[split] for split in NAMES if split in lists}}
    candidates: list[tuple[Mapping[str, Any], str]] = [(named, "")]
    with suppress(DataError):
        folders = detect_folders(root)
        options = {key: value for key, value in folders.source.items() if key != "name"}
        candidates.append((named | options, folders.more))
    about = f"the images listed in {listed([file.name for file in lists.values()])}"
    for source, more in candidates:
        with suppress(DataError):
            if any(scan_source(build_source(source, Task("binary", ("foreground",)))).splits.values()):
                return Guess.of_masks(about, source, more)
    return None


def _manifest(file: Path) -> Guess:
    comments: dict[str, str] = {}
    columns = [column for _, row in read_table(file, ["image"])[:1] for column in row]
    classes = [column.removeprefix("mask_") for column in columns if column.startswith("mask_")]
    if classes and "mask" not in columns:
        task = Task("multilabel", tuple(classes))
    else:
        masks = [row["mask"] for _, row in read_table(file, ["image", "mask"]) if row["mask"]]
        task, comments = guess_task([as_stored(file.parent / mask) for mask in masks])
    source = {"name": "manifest", "file": file}
    return Guess(f"the images listed in {file.name}", source, task, comments=comments)


def _is_manifest(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8-sig") as table:
            header = table.readline(10_000)
    except (OSError, UnicodeDecodeError):
        return False
    columns = [column.strip().strip('"') for column in header.split(",")]
    return "image" in columns and any(column == "mask" or column.startswith("mask_") for column in columns)


# Asked in this order; the first that knows the folder decides. The last one raises the error.
DETECTORS: tuple[Callable[[Path], Guess | None], ...] = (
    _detect_isic2016,
    _detect_manifest,
    detect_coco,
    detect_yolo,
    detect_labelme,
    detect_cvat,
    detect_voc,
    _detect_lists,
    detect_split_folders,
    detect_image_folders,
    detect_folders,
)
