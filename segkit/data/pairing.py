"""Matching of image and mask files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

from segkit.core.errors import DataError, Problem
from segkit.core.types import Pixels, Sample, Task
from segkit.data.guess_patterns import MASK_WORDS, guess_patterns
from segkit.data.image_files import ImageFiles, find_images, name_in
from segkit.data.images import ENDINGS, read_image, read_image_at
from segkit.data.instances import read_union
from segkit.data.masks import read_mask, read_mask_at
from segkit.data.name_pattern import Match, match_pattern, similar_match
from segkit.data.readers.raster import Extent
from segkit.data.spelling import spelling_key
from segkit.utils.listing import listed

Read = TypeVar("Read")


def pairs_in(
    images: Path,
    masks: Path,
    pattern: str,
    task: Task,
    channels: int,
    *,
    image_pattern: str = "{name}",
    union: bool = False,
) -> tuple[dict[str, list[Sample]], list[Problem], list[Problem]]:
    """Match the images of a folder with the masks of another one, or of the same.

    Files that do not match the patterns are neither images nor masks; those that match both are masks.

    Args:
        images: folder of images, with any subfolders.
        masks: folder of masks, with the same subfolders.
        pattern: name of a mask (`segkit.data.name_pattern`).
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.
        image_pattern: name of an image.
        union: whether an image may have several masks, whose objects become one foreground.

    Returns:
        Samples of the pairs by split ("" for patterns without {split}); a problem for each file without a
        partner, or a single problem with the likely cause if there are no pairs; and warnings of images that
        lie beside others and fit no pattern, and of test images without any mask.
    """
    try:
        found_images, found_masks = _both(lambda: find_images(images), lambda: find_images(masks))
    except DataError as error:
        return {}, [*dict.fromkeys(error.problems)], []
    mask_side = _side(masks, found_masks, pattern, union=union)
    used = {*mask_side.files.values(), *mask_side.unread.values(), *chain(*mask_side.more.values())}
    image_side = _side(images, found_images, image_pattern, used)
    problems = [*dict.fromkeys([*mask_side.problems, *image_side.problems])]  # one folder may hold both
    warnings = [*_unused(images, image_side, mask_side), *_without_masks(images, image_side, mask_side)]
    image_names, mask_names = ({**side.files, **side.unread} for side in (image_side, mask_side))
    few = max(len(image_names), len(mask_names)) <= 2  # listed one by one
    no_image = not image_names and image_side.others
    if no_image or not (few or image_names.keys() & mask_names.keys()):
        no_pairs = _no_pairs(images, masks, (image_pattern, pattern), image_side, mask_side)
        return {}, [*problems, no_pairs], []
    problems += _unpaired("image", image_side, "mask", mask_side, union=union)
    problems += _unpaired("mask", mask_side, "image", image_side)
    pairs: dict[str, list[Sample]] = defaultdict(list)
    for key, image in sorted(image_side.files.items()):
        if key in mask_side.files:
            files = (image, mask_side.files[key], *mask_side.more.get(key, ()))
            read = _Pair(files, task, channels, union)
            pairs[key.split].append(Sample(key.name, read, files, read_at=read, variant=""))
    return pairs, problems, warnings


def sample(
    name: str,
    image: Path,
    mask: Path,
    task: Task,
    channels: int,
    columns: Mapping[str, str] | None = None,
) -> Sample:
    """A sample of an image file and a mask file."""
    read = _Pair((image, mask), task, channels)
    return Sample(name, read, read.files, read_at=read, variant="", columns=columns)


def files_by_name(folder: Path, pattern: str) -> Side:
    """Image files of a folder by their name in a pattern.

    Raises:
        DataError: if there is no such folder.
    """
    return _side(folder, find_images(folder), pattern)


def check_extent(image: tuple[int, ...], mask: tuple[int, ...], image_file: str, mask_file: str) -> None:
    """Raise a `DataError` naming both files if image and mask differ in height or width."""
    if image[:2] != mask[:2]:
        (height, width), (mask_height, mask_width) = image[:2], mask[:2]
        problem = f"the mask is {mask_width}x{mask_height} pixels, its image {width}x{height}"
        raise DataError(problem, where=mask_file, hint=f"the image is {image_file}", kind="size")


class Side(NamedTuple):
    """Images, or masks, by the split and name of the image."""

    pattern: str

    files: dict[Match, Path]
    more: dict[Match, list[Path]]  # further masks of an image
    unread: dict[Match, Path]
    others: dict[str, Path]  # files that do not match the pattern, by their own name
    problems: list[Problem]


def _side(
    folder: Path, found: ImageFiles, pattern: str, used: Container[Path] = (), *, union: bool = False
) -> Side:
    side = Side(pattern, {}, {}, {}, {}, [*found.problems])
    for path in (*found.images, *found.unread):
        if path in used:
            continue
        own_name = name_in(folder, path)
        if not (key := match_pattern(pattern, own_name)):
            side.others[own_name] = path
        elif path in found.unread:
            side.unread[key] = path
            side.problems.append(found.unread[path])
        elif union and key in side.files:
            side.more.setdefault(key, []).append(path)
        else:
            if key in side.files:
                side.problems.append(_clash(path, side.files[key], own_name, key, pattern))
            side.files[key] = path
    return side


def _clash(path: Path, other: Path, own_name: str, key: Match, pattern: str) -> Problem:
    hint = f"the other is {other}; move one of them out of the folder"
    problem = f"two files are called {own_name!r}"
    if pattern != "{name}":
        problem = f"two files fit the pattern '{pattern}' with the name {key.name!r}"
    if "*" in pattern:
        hint = f"the other is {other}; if each is the mask of one object, data.source.instances: union"
    return Problem(problem, str(path), hint=hint, kind="unpaired")


def _no_pairs(
    images: Path, masks: Path, patterns: tuple[str, str], image_side: Side, mask_side: Side
) -> Problem:
    own_names: list[list[str]] = []
    sides = (images, image_side, "image", patterns[0]), (masks, mask_side, "mask", patterns[1])
    for folder, side, what, pattern in sides:
        matches = [name_in(folder, path) for path in (*side.files.values(), *side.unread.values())]
        own_names.append([*side.others, *matches])
        if not own_names[-1]:
            hint = ", ".join(ENDINGS)
            return Problem(f"there are no {what}s in this folder", str(folder), hint=hint, kind="missing")
        if not matches and what == "image":
            problem = f"no image fits data.source.image_pattern '{pattern}'"
            hint = f"one is called {own_names[-1][0]}"
            return Problem(problem, str(folder), hint=hint, kind="unpaired")
    image_names, mask_names = own_names
    guess, share = guess_patterns(image_names, mask_names, shared=images == masks)
    named = dict(zip(("image_pattern", "mask_pattern"), zip(patterns, guess, strict=True), strict=True))
    changes = [f"data.source.{key}: '{new}'" for key, (old, new) in named.items() if old != new]
    called = f"a mask is called {mask_names[0]}, an image {image_names[0]}"
    hint = ", ".join(changes) if share > 0.5 and changes else called
    problem = f"no mask matches any image with the pattern '{patterns[1]}'"
    return Problem(problem, str(masks), hint=hint, kind="unpaired")


def _unused(folder: Path, images: Side, masks: Side) -> list[Problem]:
    folders = {path.parent for path in images.files.values()} - {path.parent for path in masks.files.values()}
    unused = [path for path in images.others.values() if path.parent in folders]
    if not unused:
        return []
    problem = f"{len(unused):,} of the files beside images do not fit data.source.image_pattern: "
    names = listed([path.name for path in unused], 3)
    return [
        Problem(problem + names, str(folder), hint="correct the pattern, if they are images", kind="split")
    ]


def _without_masks(folder: Path, images: Side, masks: Side) -> list[Problem]:
    """Take out the images of a split "test" that has no masks at all, as of a competition."""
    keys = [key for key in images.files if key.split == "test"]
    if not keys or any(key.split == "test" for key in (*masks.files, *masks.unread)):
        return []
    for key in keys:
        del images.files[key]
    problem = f"none of the {len(keys):,} test images has a mask: they are not used"
    return [Problem(problem, str(folder), hint="segkit predict makes masks of them", kind="split")]


def _unpaired(
    kind: str, side: Side, partner: str, partners: Side, *, union: bool = False
) -> Iterator[Problem]:
    """Problems of files without a partner, unless it is there but cannot be read, which is told elsewhere."""
    similar = _similar(side, partners)
    for key, path in side.files.items():
        if key not in partners.files and key not in partners.unread:
            hint = f"add the missing {partner}, or move this {kind} out of the folder"
            if union:
                hint = "if it shows no object, add a black mask; else add its masks, or move it away"
            if path in similar:
                hint = f"does {similar[path].name} belong to it?"
            yield Problem(f"this {kind} has no {partner}", str(path), hint=hint, kind="unpaired")


def _similar(side: Side, partners: Side) -> dict[Path, Path]:
    """By file the only file of the other side that is called so in another spelling."""
    own = {*side.files.values(), *side.unread.values()}  # one folder may hold both
    others = [(_name_of(name, partners), path) for name, path in partners.others.items() if path not in own]
    candidates = _by_spelling([*others, *_named(partners)])
    return {
        paths[0]: candidates[key][0]
        for key, paths in _by_spelling(_named(side)).items()
        if key and len(paths) == len(candidates[key]) == 1
    }


def _name_of(path: str, side: Side) -> str:
    match = similar_match(side.pattern, path)
    return f"{match.split}/{match.name}" if match else path


def _named(side: Side) -> Iterator[tuple[str, Path]]:
    return ((f"{key.split}/{key.name}", path) for key, path in side.files.items())


def _by_spelling(files: Iterable[tuple[str, Path]]) -> dict[tuple[str, ...], list[Path]]:
    spellings: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for name, path in files:
        spellings[tuple(word for word in spelling_key(name) if word not in MASK_WORDS)].append(path)
    return spellings


@dataclass(frozen=True, slots=True)
class _Pair:  # one object for both ways to read, as there may be millions
    files: tuple[Path, ...]
    task: Task
    channels: int
    union: bool = False

    def __call__(self, size: Extent | None = None) -> tuple[Pixels, Pixels]:
        image, mask = self.files[:2]
        if size is None:
            return _both(lambda: read_image(image, self.channels), self._whole_mask)
        (pixels, extent), (labels, mask_extent) = _both(
            lambda: read_image_at(image, self.channels, size), lambda: self._mask_at(size)
        )
        check_extent(extent, mask_extent, str(image), str(mask))
        return pixels, labels

    def _whole_mask(self) -> Pixels:
        if self.union:
            return read_union(self.files[1:], self.task)[0]
        return read_mask(self.files[1], self.task)

    def _mask_at(self, size: Extent) -> tuple[Pixels, Extent]:
        if self.union:
            return read_union(self.files[1:], self.task, size)
        return read_mask_at(self.files[1], self.task, size)


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
