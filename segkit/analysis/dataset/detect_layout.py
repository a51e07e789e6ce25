"""A folder without a recipe: which of segkit's sources it is made for, and what its masks hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segkit.analysis.dataset.subject import Subject
from segkit.core.errors import DataError
from segkit.core.types import Source, Task
from segkit.data.csv_table import read_table
from segkit.data.images import read_header
from segkit.data.masks import read_values
from segkit.data.pairing import images_in
from segkit.data.source_scan import scan_source
from segkit.parts.sources.folder import folder
from segkit.parts.sources.isic2016 import FOLDERS, isic2016
from segkit.parts.sources.manifest import manifest

MASKS = re.compile("mask|label|annotation|ground.?truth|segmentation|outline|^gt$|^seg$|^y$", re.IGNORECASE)
_SOME = 200  # names that a pattern is guessed by
_FEW = 60  # masks that a task is guessed by
_NEARLY_ALL = 0.9
_CHANNELS = 3
_NEITHER = (
    "a folder that holds the folders images and masks, or images beside their masks, or a CSV file with the "
    "columns image and mask, or the folders of ISIC 2016; or name a recipe"
)


def of_folder(place: Path) -> Subject:
    """The data set that a folder, or a CSV file, holds.

    Args:
        place: the folder or file.

    Raises:
        DataError: if it is none that segkit knows, or its masks mean nothing without a recipe.
    """
    if place.suffix.lower() == ".csv" and not place.is_dir():
        return _of_manifest(place)
    try:
        return _of_folder(place)
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(place)) from None


def _of_folder(place: Path) -> Subject:
    if any((place / name).is_dir() for pair in FOLDERS.values() for name in pair):
        task = Task("binary", ("lesion",))
        return _subject(isic2016(task, _CHANNELS, root=place), "the folders of ISIC 2016", task)
    tables = [file for file in sorted(place.glob("*.csv")) if _is_manifest(file)]
    if len(tables) == 1:
        return _of_manifest(tables[0])
    if tables:
        names = ", ".join(file.name for file in tables)
        hint = f"segkit data check {tables[0]}"
        raise DataError(f"several CSV files list images: {names}", where=str(place), hint=hint)
    return _of_pairs(place)


def _of_manifest(file: Path) -> Subject:
    header = [*dict(read_table(file, ["image"])[:1]).values()]
    columns = [*header[0]] if header else []
    named = [column.removeprefix("mask_") for column in columns if column.startswith("mask_")]
    if named and "mask" not in columns:
        task = Task("multilabel", tuple(named))
    else:
        masks = [file.parent / row["mask"] for _, row in read_table(file, ["image", "mask"]) if row["mask"]]
        task = _guess_task(masks, file)
    return _subject(manifest(task, _CHANNELS, file=file), f"the images that {file.name} lists", task)


def _is_manifest(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8-sig") as opened:
            header = opened.readline(10_000)
    except (OSError, UnicodeDecodeError):
        return False
    columns = [column.strip().strip('"') for column in header.split(",")]
    return "image" in columns and any(column == "mask" or column.startswith("mask_") for column in columns)


def _of_pairs(place: Path) -> Subject:
    """Of two folders, or of one."""
    images, masks = _two_folders(place)
    pattern = _guess_pattern(images, masks)
    if images == masks and pattern == "{name}":
        raise DataError("this is no data set that can be recognised", where=str(place), hint=_NEITHER)
    before, after = pattern.split("{name}")
    files = [file for file in images_in(masks) if file.stem.startswith(before) and file.stem.endswith(after)]
    about = f"images in {images.name}, masks in {masks.name}, called '{pattern}'"
    task = _guess_task(files, place)
    return _subject(folder(task, _CHANNELS, images=images, masks=masks, pattern=pattern), about, task)


def _subject(source: Source, about: str, task: Task) -> Subject:
    return Subject.of(scan_source(source), f"taken for {about}; {task.kind} masks", task)


def _two_folders(place: Path) -> tuple[Path, Path]:
    """The folder of images and that of masks, which may be one."""
    inside = [path for path in sorted(place.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    folders = [path for path in inside if images_in(path)]
    of_masks = [path for path in folders if MASKS.search(path.name)]
    others = [path for path in folders if path not in of_masks]
    if len(of_masks) == 1 and len(others) > 1:  # photographs without masks may lie in folders beside
        others = [path for path in others if _share_names(path, of_masks[0])]
    if len(of_masks) == 1 and len(others) == 1:
        return others[0], of_masks[0]
    if not others and any(path.parent == place for path in images_in(place)):
        return place, of_masks[0] if len(of_masks) == 1 else place
    found = ", ".join(path.name for path in folders) or "no images"
    raise DataError(
        f"this is no data set that can be recognised: found {found}", where=str(place), hint=_NEITHER
    )


def _share_names(images: Path, masks: Path) -> bool:
    """Whether any mask is called as an image is."""
    return not {_name(file, images) for file in images_in(images)}.isdisjoint(
        _name(file, masks) for file in images_in(masks)
    )


def _guess_pattern(images: Path, masks: Path) -> str:
    """What stands around an image's name in most masks' names."""
    names = [_name(file, images) for file in images_in(images)][:_SOME]
    known = set(names)
    found: Counter[str] = Counter()
    for file in images_in(masks)[:_SOME]:
        mask = _name(file, masks)
        if images != masks and mask in known:
            found["{name}"] += 1
        inside = [name for name in names if name in mask and name != mask]
        if inside:
            longest = max(inside, key=len)
            last = mask.rpartition("/")[2]
            found[last.replace(longest.rpartition("/")[2], "{name}", 1)] += 1
    patterns = [pattern for pattern, _ in found.most_common() if pattern.count("{name}") == 1]
    return patterns[0] if patterns else "{name}"


def _guess_task(masks: Sequence[Path], place: Path) -> Task:
    """What the values of masks, evenly chosen among all, can mean.

    Raises:
        DataError: if they are colours, which only a recipe can name.
    """
    few = [masks[index] for index in np.linspace(0, len(masks) - 1, min(_FEW, len(masks))).astype(int)]
    held = [_values_of(file) for file in few]
    coloured = [file for file, values in zip(few, held, strict=True) if values is None]
    if 2 * len(coloured) > len(few):
        raise DataError(
            "the masks are in colour, and only a recipe can say which class has which",
            where=str(coloured[0]),
            hint="data.source.colours names them, and segkit data check RECIPE reads it",
        )
    return _task_of([values for values in held if values])


def _values_of(mask: Path) -> set[int] | None:
    """The values of a mask; none where it cannot be read, which is told later. None for colours."""
    try:
        values = read_values(mask)
        if values is None:
            return None
        return set() if read_header(mask).lossy else set(np.unique(values).tolist())
    except DataError:
        return set()


def _task_of(masks: Sequence[set[int]]) -> Task:
    """Binary if nearly all masks hold 0 and the same other value; the others are at fault then."""
    often = Counter(value for values in masks for value in values if value)
    usual = {0, *(value for value, _ in often.most_common(1))}
    if sum(values <= usual for values in masks) >= _NEARLY_ALL * len(masks):
        return Task("binary", ("foreground",))
    labels = {value for value in often if value < 255}
    if len(labels) > 1 or 255 not in often or 1 in labels:
        classes = tuple(f"class {value}" for value in range(max(labels) + 1))
        return Task("multiclass", classes, 255 if 255 in often else None)
    return Task("binary", ("foreground",))


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()
