"""Detection of annotation files: COCO, YOLO, labelme, CVAT, and the folders of PASCAL VOC."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segkit.analysis.dataset.guess import Guess
from segkit.core.errors import DataError
from segkit.core.paths import as_stored
from segkit.core.types import Task, TaskKind
from segkit.data.coco_file import read_coco
from segkit.data.image_files import is_hidden
from segkit.data.labels import BACKGROUND, IGNORE, as_tuples
from segkit.data.outlines import BACKGROUND_NAMES, OutlinedData
from segkit.data.split_names import split_named
from segkit.parts.sources import coco, cvat, labelme, voc, yolo
from segkit.utils.listing import listed

_END = 20_000  # characters at both ends of a file, which tell its format
_MAX_FILES = 200  # of one kind that are looked at
_MAX_CLASSES = 254
_IGNORED_NAMES = ("__ignore__", "ignore", "ignored", "dont_care", "DontCare")
_COCO = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')
_YOLO_NAMES = re.compile(r"^names\s*:", re.MULTILINE)
_YOLO_IMAGES = re.compile(r"^(train|val|test)\s*:", re.MULTILINE)
_CVAT = re.compile(r"<annotations>.*<(meta|image)\b", re.DOTALL)


def detect_coco(root: Path) -> Guess | None:
    """Annotation files in COCO's format in the folder or in its folders.

    Raises:
        DataError: if several files are for the same split.
    """
    files = [file for file in _files(root, "*.json") if len({*_COCO.findall(_ends(file))}) > 1]
    files = [file for file in files if "instances" in file.name] or files
    if not files:
        return None
    names = listed([file.relative_to(root).as_posix() for file in files])
    unnamed = [file for file in files if not _split_of(file, root)]
    by_split = {split: file for file in files if (split := _split_of(file, root))}
    if len(unnamed) == 1:
        by_split.setdefault("train", unnamed[0])
    if len(files) > 1 and len(by_split) < len(files):
        hint = "name the file of each split in data.source.annotations, and run segkit data check RECIPE"
        raise DataError(f"several files hold annotations: {names}", where=str(root), hint=hint)
    found = by_split if len(files) > 1 else {"train": files[0]}
    folders = {split: _folder_of_images(root, file, split) for split, file in found.items()}
    first = next(iter(folders.values()))
    source = {
        "name": "coco",
        "images": folders if {*folders.values()} != {first} else first,
        "annotations": found if len(files) > 1 else files[0],
    }
    data = coco.read_files({split: (folders[split], file) for split, file in found.items()})
    return _guess(f"annotations in COCO's format in {names}", source, data)


def detect_yolo(root: Path) -> Guess | None:
    """A YAML file in the folder that names classes and images.

    Raises:
        DataError: if there are several.
    """
    files = [*_files(root, "*.yaml", deep=False), *_files(root, "*.yml", deep=False)]
    texts = {file: _ends(file) for file in files}
    found = [file for file, text in texts.items() if _YOLO_NAMES.search(text) and _YOLO_IMAGES.search(text)]
    found = [file for file in found if file.stem == "data"] or found
    if len(found) > 1:
        hint = "name one in data.source.file, and run segkit data check RECIPE"
        names = listed([file.name for file in found])
        raise DataError(f"several files describe a data set: {names}", where=str(root), hint=hint)
    if not found:
        return None
    source = {"name": "yolo", "file": found[0]}
    return _guess(f"a YOLO data set in {found[0].name}", source, yolo.read_files(found[0]))


def detect_labelme(root: Path) -> Guess | None:
    """Images with labelme's JSON files beside them."""
    files = _files(root, "*.json")
    if not any('"shapes"' in _ends(file) for file in files):
        return None
    source = {"name": "labelme", "folder": root}
    return _guess("labelme's JSON files beside the images", source, labelme.read_files(root))


def detect_cvat(root: Path) -> Guess | None:
    """CVAT's annotations.xml, with images beside it or in a folder."""
    for file in _files(root, "*.xml", deep=False):
        if _CVAT.search(_ends(file)):
            images = root / "images" if (root / "images").is_dir() else root
            source = {"name": "cvat", "file": file, "images": images}
            return _guess(f"CVAT's annotations in {file.name}", source, cvat.read_files(file, images))
    return None


def detect_voc(root: Path) -> Guess | None:
    """The folders of PASCAL VOC, with lists or names of classes."""
    beside = (voc.LISTS, *voc.CLASS_FILES)
    if not all((root / name).is_dir() for name in (voc.IMAGES, voc.MASKS)):
        return None
    if not any((root / name).exists() for name in beside):
        return None
    values = voc.values_of_classes(root)
    task = Task("multiclass", tuple(values), voc.BORDER)
    colors = {name: value for name, value in values.items() if isinstance(value, str)}
    return Guess("the folders of PASCAL VOC", {"name": "voc", "root": root}, task, keys=_colors(colors))


def _guess(about: str, source: Mapping[str, Any], data: OutlinedData) -> Guess:
    names = [name for name in data.used_names if name not in (*BACKGROUND_NAMES, *_IGNORED_NAMES)]
    ignored_names = [name for name in data.used_names if name in _IGNORED_NAMES]
    crowds = any(outline.crowd for image in data.images for outline in image.outlines)
    ignored = 255 if crowds or ignored_names else None
    if len(names) > _MAX_CLASSES:
        more = f"{len(names)} names, which are one class here"
        return Guess(about, source, Task("binary", ("foreground",), ignored), more)
    backgrounds = [name for name in BACKGROUND_NAMES if name in data.used_names]
    kind: TaskKind = "binary" if len(names) < 2 else "multiclass"
    first = backgrounds[0] if backgrounds and kind == "multiclass" else BACKGROUND
    labels = {name: [name] for name in names} | ({first: backgrounds} if backgrounds else {})
    if ignored_names:
        labels[IGNORE] = ignored_names
    needs_labels = ignored_names or (backgrounds and kind == "binary") or len(backgrounds) > 1
    classes = (first, *names) if kind == "multiclass" else (*names,) or ("foreground",)
    colors = {name: data.colors[name] for name in names if name in data.colors}
    task = Task(kind, classes, ignored, as_tuples(labels) if needs_labels and names else None)
    return Guess(about, source, task, keys=_colors(colors))


def _colors(colors: Mapping[str, str]) -> dict[str, Any]:
    """Colours of classes as a recipe has them; none if there are none, or two are the same."""
    return {"colors": colors} if colors and len({*colors.values()}) == len(colors) else {}


def _files(root: Path, pattern: str, *, deep: bool = True) -> list[Path]:
    """Files of a folder, and of the folders in it."""
    found: list[Path] = []
    for folder in (root, *(_folders(root) if deep else ())):
        found += [file for file in sorted(folder.glob(pattern)) if file.is_file()][:_MAX_FILES]
    return found[:_MAX_FILES]


def _folders(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.iterdir()) if path.is_dir() and not is_hidden(path.name))


def _ends(file: Path) -> str:
    """The first and the last characters of a text file; "" if it cannot be read."""
    try:
        with file.open("rb") as content:
            text = content.read(_END)
            if file.stat().st_size > _END:
                content.seek(-_END, os.SEEK_END)
                text += content.read()
    except OSError:
        return ""
    return text.decode("utf-8-sig", errors="replace")


def _split_of(path: Path, root: Path) -> str | None:
    """The split in the name of a file or folder, or of the folder around it."""
    names = [path.stem, path.parent.name] if path.parent != root else [path.stem]
    words = [word for name in names for word in re.findall("[a-zA-Z]+", name)]
    return next((split for word in words if (split := split_named(word))), None)


def _folder_of_images(root: Path, file: Path, split: str) -> Path:
    """The folder in which the first images of a file are; one of that split, if there are several."""
    names = [image.file_name.replace("\\", "/") for image in [*read_coco(file).images.values()][:5]]
    inner = [folder for outer in _folders(root) for folder in _folders(outer)]
    folders = [file.parent, *_folders(file.parent), root, *_folders(root), *inner]
    complete = [folder for folder in folders if all(as_stored(folder / name).is_file() for name in names)]
    of_split = [folder for folder in complete if _split_of(folder, root) == split]
    return next(iter([*of_split, *complete]), file.parent)
