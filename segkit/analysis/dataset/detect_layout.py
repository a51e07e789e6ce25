"""Layout detection: the source, mask names and task of a folder without a recipe."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segkit.analysis.dataset.dataset import Dataset
from segkit.core.errors import DataError
from segkit.core.paths import quoted
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
_PATTERN_FILES = 200  # used to guess the pattern of mask names
_TASK_MASKS = 60  # read to guess the task
_MIN_BINARY = 0.9  # fraction of masks
_CHANNELS = 3
_LAYOUTS = (
    "a folder that holds the folders images and masks, or images beside their masks, or a CSV file with the "
    "columns image and mask, or the folders of ISIC 2016; or name a recipe"
)


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
    tables = [file for file in sorted(root.glob("*.csv")) if _is_manifest(file)]
    if len(tables) == 1:
        return _manifest_dataset(tables[0])
    if tables:
        names = ", ".join(file.name for file in tables)
        hint = f"segkit data check {quoted(tables[0])}"
        raise DataError(f"several CSV files list images: {names}", where=str(root), hint=hint)
    return _pairs_dataset(root)


def _manifest_dataset(file: Path) -> Dataset:
    columns = [column for _, row in read_table(file, ["image"])[:1] for column in row]
    classes = [column.removeprefix("mask_") for column in columns if column.startswith("mask_")]
    if classes and "mask" not in columns:
        task = Task("multilabel", tuple(classes))
    else:
        masks = [file.parent / row["mask"] for _, row in read_table(file, ["image", "mask"]) if row["mask"]]
        task = _guess_task(masks)
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
    images, masks = _image_and_mask_folders(root)
    pattern = _guess_pattern(images, masks)
    if images == masks and pattern == "{name}":
        raise _unknown_layout(root, "no file is named like the mask of another image")
    prefix, suffix = pattern.split("{name}")
    files = [file for file in images_in(masks) if file.stem.startswith(prefix) and file.stem.endswith(suffix)]
    about = f"images in {images.name}, masks in {masks.name}, named '{pattern}'"
    task = _guess_task(files)
    return _dataset(folder(task, _CHANNELS, images=images, masks=masks, pattern=pattern), about, task)


def _dataset(source: Source, about: str, task: Task) -> Dataset:
    return Dataset.of(scan_source(source), f"detected {about}; {task.kind} masks", task)


def _image_and_mask_folders(root: Path) -> tuple[Path, Path]:
    """The folder of images and the folder of masks, which may be the same."""
    paths = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    folders = [path for path in paths if images_in(path)]
    masks = [path for path in folders if MASKS.search(path.name)]
    candidates = images = [path for path in folders if path not in masks]
    if len(masks) == 1 and len(images) > 1:  # other folders may hold images without masks
        images = [path for path in images if _share_names(path, masks[0])]
    if len(masks) == 1 and len(images) == 1:
        return images[0], masks[0]
    if not images and any(path.parent == root for path in images_in(root)):
        return root, masks[0] if len(masks) == 1 else root
    raise _unknown_layout(root, _layout_problem(candidates, masks))


def _layout_problem(images: Sequence[Path], masks: Sequence[Path]) -> str:
    image_names, mask_names = ([path.name for path in paths] for paths in (images, masks))
    if len(masks) > 1:
        return f"several folders may hold the masks: {', '.join(mask_names)}"
    if masks and images:
        return f"cannot tell which folder holds the images of {mask_names[0]}: {' or '.join(image_names)}"
    if masks:
        return f"there is a folder of masks, {mask_names[0]}, but no folder of images"
    if images:
        return f"no folder is named like a folder of masks: {', '.join(image_names)}"
    return "this folder holds no images"


def _unknown_layout(root: Path, problem: str) -> DataError:
    return DataError(problem, where=str(root), hint=_LAYOUTS)


def _share_names(images: Path, masks: Path) -> bool:
    return not {_name(file, images) for file in images_in(images)}.isdisjoint(
        _name(file, masks) for file in images_in(masks)
    )


def _guess_pattern(images: Path, masks: Path) -> str:
    """The most frequent pattern by which a mask's name contains an image's name."""
    names = [_name(file, images) for file in images_in(images)][:_PATTERN_FILES]
    known = set(names)
    counts: Counter[str] = Counter()
    for file in images_in(masks)[:_PATTERN_FILES]:
        mask = _name(file, masks)
        if images != masks and mask in known:
            counts["{name}"] += 1
        contained = [name for name in names if name in mask and name != mask]
        if contained:
            longest = max(contained, key=len).rpartition("/")[2]
            counts[mask.rpartition("/")[2].replace(longest, "{name}", 1)] += 1
    patterns = [pattern for pattern, _ in counts.most_common() if pattern.count("{name}") == 1]
    return patterns[0] if patterns else "{name}"


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


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()
