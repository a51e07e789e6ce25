"""Matching of image and mask files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar
from unicodedata import normalize

from segkit.core.errors import DataError, Problem
from segkit.core.types import Pixels, Sample, Task
from segkit.data.image_files import ImageFiles, find_images, name_in
from segkit.data.images import ENDINGS, Extent, read_image, read_image_at
from segkit.data.masks import read_mask, read_mask_at
from segkit.data.spelling import spelling_key

Read = TypeVar("Read")
_PATTERN_MASKS = 200  # used to guess the pattern of their names
_MASK_WORDS = {
    "mask", "masks", "msk", "seg", "segm", "segmentation", "label", "labels", "gt", "annotation", "outline",
}  # fmt: skip


def pairs_in(
    images: Path, masks: Path, pattern: str, task: Task, channels: int
) -> tuple[list[Sample], list[Problem]]:
    """Match the images of a folder with the masks of another one, or of the same.

    Files that do not match the pattern are not masks; if both folders are the same, they are the images.

    Args:
        images: folder of images, with any subfolders.
        masks: folder of masks, with the same subfolders.
        pattern: file name of a mask, with {name} for that of its image; both without extension.
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.

    Returns:
        Samples of the pairs, and a problem for each file without a partner, or a single problem with the
        likely cause if there are no pairs.
    """
    try:
        found_images, found_masks = _both(lambda: find_images(images), lambda: find_images(masks))
    except DataError as error:
        return [], [*dict.fromkeys(error.problems)]
    mask_side = _side(masks, found_masks, pattern)
    used = {*mask_side.files.values(), *mask_side.unread.values()}
    image_side = _side(images, found_images, "{name}", used)
    problems = [*dict.fromkeys([*mask_side.problems, *image_side.problems])]  # one folder may hold both
    image_names, mask_names = ({**side.files, **side.unread} for side in (image_side, mask_side))
    if not image_names.keys() & mask_names.keys() and max(len(image_names), len(mask_names)) > 2:
        # A few are listed one by one.
        no_pairs = _no_pairs(images, masks, pattern, [*image_names], [*mask_side.others, *mask_names])
        return [], [*problems, no_pairs]
    problems += _unpaired("image", image_side, "mask", mask_side)
    problems += _unpaired("mask", mask_side, "image", image_side)
    pairs = [
        sample(name, image, mask_side.files[name], task, channels)
        for name, image in sorted(image_side.files.items())
        if name in mask_side.files
    ]
    return pairs, problems


def sample(name: str, image: Path, mask: Path, task: Task, channels: int) -> Sample:
    """A sample of an image file and a mask file."""
    read = _Pair((image, mask), task, channels)
    return Sample(name, read, read.files, read_at=read, variant="")


def guess_pattern(images: Sequence[str], masks: Sequence[str], *, shared: bool = False) -> tuple[str, float]:
    """The most frequent pattern by which the name of a mask contains that of an image.

    Args:
        images: names of images, with their subfolders.
        masks: names of masks, with their subfolders.
        shared: whether both are in one folder, where an image is not its own mask.

    Returns:
        The pattern, "{name}" if no mask matches, and the share of masks that match.
    """
    known = set(images)
    lengths = sorted({len(image.rpartition("/")[2]) for image in images}, reverse=True)
    counts: Counter[str] = Counter()
    masks = masks[:: len(masks) // _PATTERN_MASKS + 1]
    for mask in masks:
        if mask in known and not shared:
            counts["{name}"] += 1
        folder, slash, name = mask.rpartition("/")
        patterns = (
            f"{name[:start]}{{name}}{name[start + length :]}"
            for length in lengths
            if length < len(name)
            for start in range(len(name) - length + 1)
            if f"{folder}{slash}{name[start : start + length]}" in known
        )
        counts.update(islice(patterns, 1))  # the longest
    pattern, count = counts.most_common(1)[0] if counts else ("{name}", 0)
    return pattern, count / max(len(masks), 1)


def check_extent(image: tuple[int, ...], mask: tuple[int, ...], image_file: str, mask_file: str) -> None:
    """Raise a `DataError` naming both files if image and mask differ in height or width."""
    if image[:2] != mask[:2]:
        (height, width), (mask_height, mask_width) = image[:2], mask[:2]
        problem = f"the mask is {mask_width}x{mask_height} pixels, its image {width}x{height}"
        raise DataError(problem, where=mask_file, hint=f"the image is {image_file}", kind="size")


class _Side(NamedTuple):
    """The images, or the masks by the name of their image."""

    files: dict[str, Path]
    unread: dict[str, Path]
    others: dict[str, Path]  # files that do not match the pattern, by their own name
    problems: list[Problem]


def _side(folder: Path, found: ImageFiles, pattern: str, used: Container[Path] = ()) -> _Side:
    before, after = map(re.escape, normalize("NFC", pattern).split("{name}"))
    matches = re.compile(f"((?:.*/)?){before}([^/]+){after}", re.DOTALL)
    side = _Side({}, {}, {}, [*found.problems])
    for path in (*found.images, *found.unread):
        if path in used:
            continue
        own_name = name_in(folder, path)
        if not (match := matches.fullmatch(own_name)):
            side.others[own_name] = path
            continue
        name = match[1] + match[2]
        if path in found.unread:
            side.unread[name] = path
            side.problems.append(found.unread[path])
            continue
        if name in side.files:
            hint = f"the other is {side.files[name]}; move one of them out of the folder"
            problem = f"two files are called {own_name!r}"
            side.problems.append(Problem(problem, str(path), hint=hint, kind="unpaired"))
        side.files[name] = path
    return side


def _no_pairs(
    images: Path, masks: Path, pattern: str, image_names: list[str], mask_names: list[str]
) -> Problem:
    for folder, names, what in ((images, image_names, "images"), (masks, mask_names, "masks")):
        if not names:
            hint = ", ".join(ENDINGS)
            return Problem(f"there are no {what} in this folder", str(folder), hint=hint, kind="missing")
    guess, share = guess_pattern(image_names, mask_names, shared=images == masks)
    called = f"a mask is called {mask_names[0]}, an image {image_names[0]}"
    hint = f"data.source.pattern: '{guess}'" if share > 0.5 and guess != pattern else called
    problem = f"no mask matches any image with the pattern '{pattern}'"
    return Problem(problem, str(masks), hint=hint, kind="unpaired")


def _unpaired(kind: str, side: _Side, partner: str, partners: _Side) -> Iterator[Problem]:
    """Problems of files without a partner, unless it is there but cannot be read, which is told elsewhere."""
    similar = _similar(side, partners)
    for name, path in side.files.items():
        if name not in partners.files and name not in partners.unread:
            hint = f"add the missing {partner}, or move this {kind} out of the folder"
            if path in similar:
                hint = f"does {similar[path].name} belong to it?"
            yield Problem(f"this {kind} has no {partner}", str(path), hint=hint, kind="unpaired")


def _similar(side: _Side, partners: _Side) -> dict[Path, Path]:
    """By file the only file of the other side that is called so in another spelling."""
    own = {*side.files.values(), *side.unread.values()}  # one folder may hold both
    others = [(name, path) for name, path in partners.others.items() if path not in own]
    candidates = _by_spelling([*others, *partners.files.items()])
    return {
        paths[0]: candidates[key][0]
        for key, paths in _by_spelling(side.files.items()).items()
        if key and len(paths) == len(candidates[key]) == 1
    }


def _by_spelling(files: Iterable[tuple[str, Path]]) -> dict[tuple[str, ...], list[Path]]:
    spellings: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for name, path in files:
        spellings[tuple(word for word in spelling_key(name) if word not in _MASK_WORDS)].append(path)
    return spellings


@dataclass(frozen=True, slots=True)
class _Pair:  # one object for both ways to read, as there may be millions
    files: tuple[Path, Path]
    task: Task
    channels: int

    def __call__(self, size: Extent | None = None) -> tuple[Pixels, Pixels]:
        image, mask = self.files
        if size is None:
            return _both(lambda: read_image(image, self.channels), lambda: read_mask(mask, self.task))
        (pixels, extent), (labels, mask_extent) = _both(
            lambda: read_image_at(image, self.channels, size),
            lambda: read_mask_at(mask, self.task, size),
        )
        check_extent(extent, mask_extent, str(image), str(mask))
        return pixels, labels


def _both(first: Callable[[], Read], second: Callable[[], Read]) -> tuple[Read, Read]:
    problems: list[Problem] = []
    results: list[Read] = []
    for read in (first, second):
        try:
            results.append(read())
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError.of(problems)
    return results[0], results[1]
