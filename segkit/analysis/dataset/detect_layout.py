"""Layout detection: the source, mask names and task of a folder without a recipe."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segkit.analysis.dataset.dataset import Dataset
from segkit.core.errors import DataError, Problem
from segkit.core.paths import as_stored, quoted
from segkit.core.types import Source, Task
from segkit.data.csv_table import read_table
from segkit.data.decoding import MAX_PROBLEMS
from segkit.data.image_files import find_images, is_hidden, name_in
from segkit.data.images import read_header
from segkit.data.masks import read_values
from segkit.data.pairing import guess_pattern
from segkit.data.source_scan import scan_source
from segkit.parts.sources.folder import folder
from segkit.parts.sources.isic2016 import FOLDERS, isic2016
from segkit.parts.sources.manifest import manifest
from segkit.utils.listing import listed

# Not "labelled" or "outlined", which are images.
MASKS = re.compile(
    "(mask|label|outline)(?!(l?e)?d([^a-z]|$))|annotation|ground.?truth|segmentation|^gt$|^seg$|^y$",
    re.IGNORECASE,
)
WITHOUT_MASKS = re.compile(
    "(^|[^a-z])(without|not?|un)[^a-z]*(mask|label|outline|annotat|segment|ground.?truth|gt)", re.IGNORECASE
)
_TASK_MASKS = 60  # read to guess the task
_MIN_BINARY = 0.9  # fraction of masks
_CHANNELS = 3
_LAYOUTS = (
    "a folder that holds the folders images and masks, or images beside their masks, or a CSV file with the "
    "columns image and mask, or the folders of ISIC 2016; or name a recipe"
)


class _Pairs(NamedTuple):
    images: Path
    masks: Path  # the same folder or another one
    pattern: str
    without_masks: list[Path]  # other folders of images


def dataset_of_folder(path: Path) -> Dataset:
    """The data set in a folder or CSV file.

    Raises:
        DataError: if the layout is not recognised, or the masks are in colour.
    """
    if path.suffix.lower() == ".csv" and not path.is_dir():
        return _manifest_dataset(path)
    try:
        return _folder_dataset(path)
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(path)) from None


def _folder_dataset(root: Path) -> Dataset:
    if any((root / name).is_dir() for pair in FOLDERS.values() for name in pair):
        task = Task("binary", ("lesion",))
        return _dataset(isic2016(task, _CHANNELS, root=root), "the folders of ISIC 2016", task)
    tables = [file for file in sorted(root.glob("*.csv")) if file.is_file() and _is_manifest(file)]
    if len(tables) == 1:
        return _manifest_dataset(tables[0])
    if tables:
        hint = f"segkit data check {quoted(tables[0])}"
        raise DataError(f"several CSV files list images: {_listed_names(tables)}", where=str(root), hint=hint)
    return _pairs_dataset(root)


def _manifest_dataset(file: Path) -> Dataset:
    columns = [column for _, row in read_table(file, ["image"])[:1] for column in row]
    classes = [column.removeprefix("mask_") for column in columns if column.startswith("mask_")]
    if classes and "mask" not in columns:
        task = Task("multilabel", tuple(classes))
    else:
        masks = [row["mask"] for _, row in read_table(file, ["image", "mask"]) if row["mask"]]
        task = _guess_task([as_stored(file.parent / mask) for mask in masks])
    return _dataset(manifest(task, _CHANNELS, file=file), f"the images listed in {file.name}", task)


def _is_manifest(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8-sig") as table:
            header = table.readline(10_000)
    except (OSError, UnicodeDecodeError):
        return False
    columns = [column.strip().strip('"') for column in header.split(",")]
    return "image" in columns and any(column == "mask" or column.startswith("mask_") for column in columns)


def _pairs_dataset(root: Path) -> Dataset:
    images, masks, pattern, without_masks = _detect_pairs(root)

    def source(task: Task) -> Source:
        return folder(task, _CHANNELS, images=images, masks=masks, pattern=pattern)

    pairs = scan_source(source(Task("binary", ("foreground",)))).splits.values()
    task = _guess_task([sample.files[1] for samples in pairs for sample in samples])
    about = f"images in {images.name}, masks in {masks.name}, named '{pattern}'"
    more = f"; without masks: {_listed_names(without_masks)}" if without_masks else ""
    return _dataset(source(task), about, task, more)


def _dataset(source: Source, about: str, task: Task, more: str = "") -> Dataset:
    return Dataset.of(scan_source(source), f"detected {about}; {task.kind} masks{more}", task)


def _detect_pairs(root: Path) -> _Pairs:
    paths = [path for path in sorted(root.iterdir()) if path.is_dir() and not is_hidden(path.name)]
    names = {path: found for path in paths if (found := _names(path))}
    masks = [path for path in names if MASKS.search(path.name) and not WITHOUT_MASKS.search(path.name)]
    images = [path for path in names if path not in masks]
    everything = _names(root)
    if direct := [name for name in everything if "/" not in name]:
        names[root] = direct
    if direct and not masks:
        pattern, _ = guess_pattern(everything, everything, shared=True)
        if pattern == "{name}":
            raise _unknown_layout(root, "no file is named like the mask of another image")
        return _Pairs(root, root, pattern, [])
    if len(masks) == 1:
        guesses = {path: guess_pattern(names[path], names[masks[0]]) for path in names if path not in masks}
        most = max((share for _, share in guesses.values()), default=0)
        chosen = [path for path, (_, share) in guesses.items() if share == most]
        if len(chosen) == 1:
            others = [path for path in images if path != chosen[0]] if chosen[0] != root else []
            return _Pairs(chosen[0], masks[0], guesses[chosen[0]][0], others)
    raise _unknown_layout(root, _layout_problem(images, masks))


def _layout_problem(images: Sequence[Path], masks: Sequence[Path]) -> str:
    if len(masks) > 1:
        return f"several folders may hold the masks: {_listed_names(masks)}"
    if masks and images:
        return f"cannot tell which folder holds the images of {masks[0].name}: {_listed_names(images)}"
    if masks:
        return f"there is a folder of masks, {masks[0].name}, but no folder of images"
    if images:
        return f"no folder is named like a folder of masks: {_listed_names(images)}"
    return "this folder holds no images"


def _unknown_layout(root: Path, problem: str) -> DataError:
    found = find_images(root)
    reasons = [*found.problems, *found.unread.values()][:MAX_PROBLEMS]
    return DataError.of([Problem(problem, str(root), hint=_LAYOUTS), *reasons])


def _names(folder: Path) -> list[str]:
    """Names of the images in a folder, also of those that cannot be read."""
    found = find_images(folder)
    return [name_in(folder, path) for path in (*found.images, *found.unread)]


def _listed_names(folders: Sequence[Path]) -> str:
    return listed([path.name for path in folders])


def _guess_task(masks: Sequence[Path]) -> Task:
    """Guess the task from evenly spaced masks.

    Raises:
        DataError: if most of them are in colour.
    """
    selected = [masks[i] for i in np.linspace(0, len(masks) - 1, min(_TASK_MASKS, len(masks))).astype(int)]
    values = [_values_of(file) for file in selected]
    coloured = [file for file, found in zip(selected, values, strict=True) if found is None]
    if 2 * len(coloured) > len(selected):
        raise DataError(
            "the masks are in colour; only a recipe can name the class of each colour",
            where=str(coloured[0]),
            hint="set data.source.colours in a recipe and run segkit data check RECIPE",
        )
    return _task_of([found for found in values if found])


def _values_of(mask: Path) -> set[int] | None:
    """Values of a mask; empty if it is lossy or unreadable (reported later), None if it is in colour."""
    try:
        values = read_values(mask)
        if values is None:
            return None
        return set() if read_header(mask).lossy else set(np.unique(values).tolist())
    except DataError:
        return set()


def _task_of(masks: Sequence[set[int]]) -> Task:
    counts = Counter(value for values in masks for value in values if value)
    binary = {0, *(value for value, _ in counts.most_common(1))}
    if sum(values <= binary for values in masks) >= _MIN_BINARY * len(masks):
        return Task("binary", ("foreground",))  # the other masks are reported as errors
    labels = {value for value in counts if value < 255}
    if len(labels) > 1 or 255 not in counts or 1 in labels:
        classes = tuple(f"class {value}" for value in range(max(labels) + 1))
        return Task("multiclass", classes, 255 if 255 in counts else None)
    return Task("binary", ("foreground",))
