"""Matching of image and mask files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar
from unicodedata import normalize

from segkit.core.errors import DataError, Problem
from segkit.core.types import Pixels, Sample, Task
from segkit.data.image_files import READ, ImageFiles, find_images, without_ending
from segkit.data.images import ENDINGS, Extent, read_image, read_image_at
from segkit.data.masks import Colours, read_mask, read_mask_at
from segkit.data.spelling import spelling_key

Read = TypeVar("Read")
_PATTERN_MASKS = 200  # used to guess the pattern of their names
_MASK_WORDS = {
    "mask", "masks", "msk", "seg", "segm", "segmentation", "label", "labels", "gt", "annotation", "outline",
}  # fmt: skip


def pairs_in(
    images: Path, masks: Path, pattern: str, task: Task, channels: int, colours: Colours | None = None
) -> tuple[list[Sample], list[Problem]]:
    """Match the images of a folder with the masks of another one, or of the same.

    Files that do not match the pattern are not masks; if both folders are the same, they are the images.

    Args:
        images: folder of images, with any subfolders.
        masks: folder of masks, with the same subfolders.
        pattern: file name of a mask, with {name} for that of its image; both without extension.
        task: kind of masks, classes and ignored value.
        channels: channels of the images.
        colours: class index by RGB colour, for RGB-coded masks.

    Returns:
        Samples of the pairs, and a problem for each file without a partner, or a single problem with the
        likely cause if there are no pairs.
    """
    try:
        found_masks, found_images = find_images(masks), find_images(images)
    except DataError as error:
        return [], [*error.problems]
    mask_side = _masks(masks, found_masks, pattern)
    image_side = _images(images, found_images, {*mask_side.files.values(), *mask_side.unread.values()})
    problems = [*dict.fromkeys([*mask_side.problems, *image_side.problems])]  # one folder may hold both
    files, named = image_side.files, mask_side.files
    known, known_masks = {**files, **image_side.unread}, {**named, **mask_side.unread}
    if not known.keys() & known_masks.keys() and max(len(known), len(known_masks)) > 2:
        # A few are listed one by one.
        no_pairs = _no_pairs(images, masks, pattern, [*known], [*mask_side.others, *known_masks])
        return [], [*problems, no_pairs]
    problems += [*_unpaired("image", image_side, "mask", mask_side)]
    problems += [*_unpaired("mask", mask_side, "image", image_side)]
    paired = sorted(files.keys() & named.keys())
    return [sample(name, files[name], named[name], task, channels, colours) for name in paired], problems


def sample(
    name: str, image: Path, mask: Path, task: Task, channels: int, colours: Colours | None = None
) -> Sample:
    """A sample of an image file and a mask file."""
    read = _Pair((image, mask), task, channels, colours)
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
    counts: Counter[str] = Counter()
    masks = masks[:: len(masks) // _PATTERN_MASKS + 1]
    for mask in masks:
        folder, name = mask[: mask.rfind("/") + 1], mask[mask.rfind("/") + 1 :]
        if mask in known and not shared:
            counts["{name}"] += 1
        lengths = range(len(name) - 1, 0, -1)
        parts = ((start, start + length) for length in lengths for start in range(len(name) - length + 1))
        longest = next(((start, end) for start, end in parts if folder + name[start:end] in known), None)
        if longest:
            counts[f"{name[: longest[0]]}{{name}}{name[longest[1] :]}"] += 1
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
    unread: dict[str, Path]  # images that cannot be read
    others: dict[str, Path]  # images of the folder that are no masks
    lookalikes: dict[str, Path]  # files of the name that are no images
    problems: list[Problem]


def _images(folder: Path, found: ImageFiles, masks: Container[Path]) -> _Side:
    return _side(folder, found, lambda name, path: None if path in masks else name)


def _masks(folder: Path, found: ImageFiles, pattern: str) -> _Side:
    before, after = map(re.escape, pattern.split("{name}"))
    mask_name = re.compile(f"((?:.*/)?){before}([^/]+){after}")

    def image_name(name: str, path: Path) -> str | None:
        match = mask_name.fullmatch(name)
        return match[1] + match[2] if match else None

    return _side(folder, found, image_name)


def _side(folder: Path, found: ImageFiles, image_name: Callable[[str, Path], str | None]) -> _Side:
    side = _Side({}, {}, {}, {}, [*found.problems])
    for path in found.images:
        own_name = _name_in(folder, path)
        if (name := image_name(own_name, path)) is None:
            side.others[own_name] = path
            continue
        if name in side.files:
            hint = f"the other is {side.files[name]}; move one of them out of the folder"
            problem = f"two files are called {own_name!r}"
            side.problems.append(Problem(problem, str(path), hint=hint, kind="unpaired"))
        side.files[name] = path
    for path, reason in found.unread.items():
        if (name := image_name(_name_in(folder, path), path)) is not None:
            side.unread[name] = path
            side.problems.append(reason)
    for path in found.others:
        if (name := image_name(_name_in(folder, path.with_suffix("")), path)) is not None:
            side.lookalikes[name] = path
    return side


def _name_in(folder: Path, path: Path) -> str:
    # The same name may be composed in one folder and decomposed in another, as systems differ.
    return normalize("NFC", without_ending(path.relative_to(folder).as_posix()))


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
    remedy = f"add the missing {partner}, or move this {kind} out of the folder"
    for name, path in side.files.items():
        if name in partners.files or name in partners.unread:
            continue
        hint = remedy
        if lookalike := partners.lookalikes.get(name):
            hint = f"{lookalike.name} is not an image: {READ}"
        elif other := similar.get(name):
            hint = f"does {other.name} belong to it?"
        yield Problem(f"this {kind} has no {partner}", str(path), hint=hint, kind="unpaired")


def _similar(side: _Side, partners: _Side) -> dict[str, Path]:
    """By the name of a file the only file that is called so in another spelling, if it has no partner."""
    own = {*side.files.values()}  # one folder may hold both
    others = [(name, path) for name, path in partners.others.items() if path not in own]
    paired = {path for name, path in partners.files.items() if name in side.files}
    candidates = _by_spelling([*others, *partners.files.items()])
    return {
        files[0][0]: candidates[key][0][1]
        for key, files in _by_spelling(side.files.items()).items()
        if key and len(files) == len(candidates[key]) == 1 and candidates[key][0][1] not in paired
    }


def _by_spelling(files: Iterable[tuple[str, Path]]) -> dict[tuple[str, ...], list[tuple[str, Path]]]:
    spellings: dict[tuple[str, ...], list[tuple[str, Path]]] = defaultdict(list)
    for name, path in files:
        key = tuple(word for word in spelling_key(name) if word not in _MASK_WORDS)
        spellings[key].append((name, path))
    return spellings


@dataclass(frozen=True, slots=True)
class _Pair:  # one object for both ways to read, as there may be millions
    files: tuple[Path, Path]
    task: Task
    channels: int
    colours: Colours | None

    def __call__(self, size: Extent | None = None) -> tuple[Pixels, Pixels]:
        image, mask = self.files
        if size is None:
            return _both(
                lambda: read_image(image, self.channels), lambda: read_mask(mask, self.task, self.colours)
            )
        (pixels, extent), (labels, mask_extent) = _both(
            lambda: read_image_at(image, self.channels, size),
            lambda: read_mask_at(mask, self.task, size, self.colours),
        )
        check_extent(extent, mask_extent, str(image), str(mask))
        return pixels, labels


def _both(read_image: Callable[[], Read], read_mask: Callable[[], Read]) -> tuple[Read, Read]:
    problems: list[Problem] = []
    results: list[Read] = []
    for read in (read_image, read_mask):
        try:
            results.append(read())
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError.of(problems)
    return results[0], results[1]
