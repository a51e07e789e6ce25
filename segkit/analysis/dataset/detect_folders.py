"""Detection of folders of images and masks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from segkit.analysis.dataset.choose_masks import choose_masks
from segkit.analysis.dataset.guess import Guess
from segkit.core.errors import DataError, Problem
from segkit.data.guess_patterns import guess_patterns, guess_split_patterns
from segkit.data.image_files import find_images, is_hidden, name_in
from segkit.data.name_pattern import match_pattern
from segkit.data.split_names import WORDS
from segkit.utils.listing import listed

_Key = TypeVar("_Key")
# Not "labelled" or "outlined", which are images.
MASKS = re.compile(
    "(mask|label|outline)(?!(l?e)?d([^a-z]|$))|annot(?!ated)|ground.?truth|segmentation|manual"
    "|^gt$|^seg$|^anns?(_dir)?$|^y$",
    re.IGNORECASE,
)
WITHOUT_MASKS = re.compile(
    "(^|[^a-z])(without|not?|un)[^a-z]*(mask|label|outline|annotat|segment|ground.?truth|gt)", re.IGNORECASE
)
_FEW = 0.6  # share of masks whose name fits one pattern; less, if they are numbered
_MAX_NAMES = 3  # of files in the folders of images; more have nothing in common
_LAYOUTS = (
    "a folder that holds the folders images and masks, or images beside their masks, or a CSV file with the "
    "columns image and mask, or text files such as train.txt, or annotation files (COCO, YOLO, labelme, "
    "CVAT), or the folders of ISIC 2016; or name a recipe"
)


def detect_folders(root: Path) -> Guess:
    """A folder of images beside one of masks, or both in one folder.

    Raises:
        DataError: if neither is found.
    """
    folders = _folders(root)
    files = {path: found for path in folders if (found := _files(path))}
    names = {path: [*found] for path, found in files.items()}
    masks = [path for path in names if _is_of_masks(path.name)]
    images = [path for path in names if path not in masks]
    left_out = ""
    if len(masks) > 1:
        name, left_out = choose_masks({path.name: [*files[path].values()] for path in masks})
        names = {path: found for path, found in names.items() if path not in masks or path.name == name}
        masks = [root / name]
    everything = _names(root) if any(not path.is_dir() for path in root.iterdir()) else []
    if direct := [name for name in everything if "/" not in name]:
        names[root] = direct
    if direct and not masks:
        patterns, share = guess_patterns(everything, everything, shared=True)
        if not share:
            raise _unknown_layout(root, "no file is named like the mask of another image")
        return _guess(root, root, patterns)
    if len(masks) == 1:
        guesses = {path: guess_patterns(names[path], names[masks[0]]) for path in names if path not in masks}
        chosen = _most_matched(guesses)
        if len(chosen) == 1:
            patterns, share = guesses[chosen[0]]
            if share < _FEW and (pattern := _of_objects(names[chosen[0]], names[masks[0]])):
                patterns = ("{name}", pattern)
            others = [path.name for path in images if path != chosen[0]] if chosen[0] != root else []
            return _guess(chosen[0], masks[0], patterns, others, left_out)
    empty = [path for path in folders if path not in files and _is_of_masks(path.name)]
    raise _unknown_layout(root, _layout_problem(images, masks, empty))


def detect_split_folders(root: Path) -> Guess | None:
    """Folders of splits that hold images and masks: train/images and train/masks, or train and trainannot."""
    if not any(split_of(path.name) for path in _folders(root)):
        return None
    names: dict[str, list[str]] = defaultdict(list)  # by folder with {split}
    files: dict[str, list[Path]] = defaultdict(list)
    for name, file in _files(root).items():
        first, *rest = name.split("/")
        if rest and (found := split_of(first)):
            split, folder = found
            if folder == "{split}" and len(rest) > 1:
                folder, rest = f"{folder}/{rest[0]}", rest[1:]
            names[folder].append("/".join((split, *rest)))
            files[folder].append(file)
    masks = [folder for folder in names if _is_of_masks(folder.replace("{split}", ""))]
    left_out = ""
    if len(masks) > 1:
        name, left_out = choose_masks({folder: files[folder] for folder in masks})
        names = {folder: found for folder, found in names.items() if folder not in {*masks} - {name}}
        masks = [name]
    if masks:
        images = [folder for folder in names if folder not in masks]
        guesses = {folder: guess_split_patterns(names[folder], names[masks[0]]) for folder in images}
    else:
        masks = ["{split}"]
        guesses = {"{split}": guess_patterns(names["{split}"], names["{split}"], shared=True)}
    chosen = _most_matched(guesses)
    if len(chosen) != 1 or not guesses[chosen[0]][1]:
        return None
    folders, patterns = (chosen[0], masks[0]), guesses[chosen[0]][0]
    paths = [f"{folder}/{pattern}" for folder, pattern in zip(folders, patterns, strict=True)]
    others = sorted(names.keys() - {*folders})
    more = [f"without masks: {listed(others)}"] if others else []
    about = f"images named '{paths[0]}', masks named '{paths[1]}'"
    return Guess.of_masks(about, _source(root, root, paths), "; ".join([*more, *filter(None, [left_out])]))


def detect_image_folders(root: Path) -> Guess | None:
    """A folder for each image, with its mask or the masks of its objects."""
    if any(_is_of_masks(path.name) for path in _folders(root)):
        return None
    files: dict[str, list[str]] = defaultdict(list)  # paths in the folder of an image, by its name
    for name in _names(root):
        folder, _, rest = name.partition("/")
        files[folder].append(rest.replace(folder, "{name}") if rest else "")
    patterns = {
        f"{{name}}/{folder}{file}"
        for folder, named in _by_folder(files).items()
        for file in (named if len(named) <= _MAX_NAMES else ["*"])
    }
    masks = [pattern for pattern in patterns if _is_of_masks(pattern.replace("{name}", ""))]
    images = [pattern for pattern in patterns if pattern not in masks]
    if len(files) < 2 or len(masks) != 1 or len(images) != 1:
        return None
    counts = [
        [sum(bool(match_pattern(pattern, f"{folder}/{file}".replace("{name}", folder))) for file in named)
         for folder, named in files.items()] for pattern in (images[0], masks[0])
    ]  # fmt: skip
    if {*counts[0]} != {1}:
        return None
    source = _source(root, root, (images[0], masks[0]))
    more = ""
    if max(counts[1]) > 1:
        source["instances"] = "union"
        more = f"up to {max(counts[1])} masks for an image, which become one foreground"
    about = f"images named '{images[0]}', masks named '{masks[0]}'"
    return Guess.of_masks(about, source, more)


def _of_objects(images: Sequence[str], masks: Sequence[str]) -> str | None:
    """The pattern of the masks of objects: in a folder called as the image, or numbered, a_1 and a_2."""
    known = {*images}
    if all(name.rpartition("/")[0] in known for name in masks):
        return "{name}/*"
    for mark in ("_", "-", " ", "."):
        parts = [name.rpartition(mark) for name in masks]
        if all(name in known and number.isdecimal() for name, _, number in parts):
            return f"{{name}}{mark}*"
    return None


def _by_folder(files: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    by_folder: dict[str, set[str]] = defaultdict(set)
    for path in chain(*files.values()):
        folder, slash, file = path.rpartition("/")
        by_folder[folder + slash].add(file)
    return by_folder


def split_of(name: str) -> tuple[str, str] | None:
    """Split and pattern with {split} of a name such as train, trainannot, train_masks or masks-train."""
    for word in sorted(WORDS, key=len, reverse=True):
        if name.lower().startswith(word):
            rest = name[len(word) :]
            if not rest[:1].isalpha() or _is_of_masks(rest):
                return WORDS[word], f"{{split}}{rest}"
        if name.lower().endswith(word):
            rest = name[: -len(word)]
            if not rest[-1:].isalpha():
                return WORDS[word], f"{rest}{{split}}"
    return None


def _most_matched(guesses: Mapping[_Key, tuple[tuple[str, str], float]]) -> list[_Key]:
    # Of equal shares the one where masks contain the whole names of images.
    ranks = {key: (share, patterns[0] == "{name}") for key, (patterns, share) in guesses.items()}
    return [key for key, rank in ranks.items() if rank == max(ranks.values())]


def _is_of_masks(path: str) -> bool:
    names = [name.strip("_-. ") for name in path.split("/")]
    return any(MASKS.search(name) and not WITHOUT_MASKS.search(name) for name in names)


def _guess(
    images: Path,
    masks: Path,
    patterns: tuple[str, str],
    without_masks: Sequence[str] = (),
    left_out: str = "",
) -> Guess:
    image, mask = (f", named '{pattern}'" for pattern in patterns)
    about = f"images in {images.name}{image if patterns[0] != '{name}' else ''}, masks in {masks.name}{mask}"
    more = [f"without masks: {listed(without_masks)}"] if without_masks else []
    more += [left_out] if left_out else []
    source = _source(images, masks, patterns)
    if "*" in patterns[1]:
        source["instances"] = "union"
        more.append("several masks for an image, which become one foreground")
    return Guess.of_masks(about, source, "; ".join(more))


def _source(images: Path, masks: Path, patterns: Sequence[str]) -> dict[str, Any]:
    keys = dict(zip(("image_pattern", "mask_pattern"), patterns, strict=True))
    named = {key: pattern for key, pattern in keys.items() if pattern != "{name}"}
    return {"name": "folder", "images": images, "masks": masks, **named}


def _layout_problem(images: Sequence[Path], masks: Sequence[Path], empty: Sequence[Path]) -> str:
    if masks and images:
        return f"cannot tell which folder holds the images of {masks[0].name}: {_listed_names(images)}"
    if masks:
        return f"there is a folder of masks, {masks[0].name}, but no folder of images"
    if images and empty:
        return f"this folder of masks holds no images: {_listed_names(empty)}"
    if images:
        return f"no folder is named like a folder of masks: {_listed_names(images)}"
    return "this folder holds no images"


def _folders(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not is_hidden(path.name)]


def _names(folder: Path) -> list[str]:
    return [*_files(folder)]


def _files(folder: Path) -> dict[str, Path]:
    """Images of a folder by name, also those that cannot be read."""
    found = find_images(folder)
    return {name_in(folder, path): path for path in (*found.images, *found.unread)}


def _unknown_layout(root: Path, problem: str) -> DataError:
    found = find_images(root)
    reasons = [*found.problems, *found.unread.values()]
    return DataError.of([Problem(problem, str(root), hint=_LAYOUTS), *reasons])


def _listed_names(folders: Sequence[Path]) -> str:
    return listed([path.name for path in folders])
