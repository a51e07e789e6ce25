"""Detection of folders of images and masks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from segkit.analysis.dataset.guess import Guess
from segkit.core.errors import DataError, Problem
from segkit.data.decoding import MAX_PROBLEMS
from segkit.data.image_files import find_images, is_hidden, name_in
from segkit.data.pairing import guess_pattern
from segkit.utils.listing import listed

# Not "labelled" or "outlined", which are images.
MASKS = re.compile(
    "(mask|label|outline)(?!(l?e)?d([^a-z]|$))|annotation|ground.?truth|segmentation|^gt$|^seg$|^y$",
    re.IGNORECASE,
)
WITHOUT_MASKS = re.compile(
    "(^|[^a-z])(without|not?|un)[^a-z]*(mask|label|outline|annotat|segment|ground.?truth|gt)", re.IGNORECASE
)
_LAYOUTS = (
    "a folder that holds the folders images and masks, or images beside their masks, or a CSV file with the "
    "columns image and mask, or the folders of ISIC 2016; or name a recipe"
)


def detect_folders(root: Path) -> Guess:
    """A folder of images beside one of masks, or both in one folder.

    Raises:
        DataError: if neither is found.
    """
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
        return _guess(root, root, pattern)
    if len(masks) == 1:
        guesses = {path: guess_pattern(names[path], names[masks[0]]) for path in names if path not in masks}
        most = max((share for _, share in guesses.values()), default=0)
        chosen = [path for path, (_, share) in guesses.items() if share == most]
        if len(chosen) == 1:
            others = [path for path in images if path != chosen[0]] if chosen[0] != root else []
            return _guess(chosen[0], masks[0], guesses[chosen[0]][0], others)
    raise _unknown_layout(root, _layout_problem(images, masks))


def _guess(images: Path, masks: Path, pattern: str, without_masks: Sequence[Path] = ()) -> Guess:
    source = {"name": "folder", "images": images, "masks": masks}
    if pattern != "{name}":
        source["pattern"] = pattern
    about = f"images in {images.name}, masks in {masks.name}, named '{pattern}'"
    more = f"without masks: {_listed_names(without_masks)}" if without_masks else ""
    return Guess.of_masks(about, source, more)


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


def _names(folder: Path) -> list[str]:
    """Names of the images in a folder, also of those that cannot be read."""
    found = find_images(folder)
    return [name_in(folder, path) for path in (*found.images, *found.unread)]


def _unknown_layout(root: Path, problem: str) -> DataError:
    found = find_images(root)
    reasons = [*found.problems, *found.unread.values()][:MAX_PROBLEMS]
    return DataError.of([Problem(problem, str(root), hint=_LAYOUTS), *reasons])


def _listed_names(folders: Sequence[Path]) -> str:
    return listed([path.name for path in folders])
