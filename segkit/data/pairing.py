"""Matching of image and mask files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from segkit.core.errors import DataError, Problem
from segkit.core.registry import near
from segkit.core.types import Pixels, Sample, Task
from segkit.data.images import ENDINGS, Extent, read_image, read_image_at
from segkit.data.masks import Colours, read_mask, read_mask_at

Read = TypeVar("Read")


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
        mask_files, image_files = images_in(masks), images_in(images)
    except DataError as error:
        return [], [*error.problems]
    before, after = map(re.escape, pattern.split("{name}"))
    mask_name = re.compile(f"((?:.*/)?){before}([^/]+){after}")
    named: dict[str, Path] = {}
    others: dict[str, Path] = {}
    mask_names, problems = _by_name(masks, mask_files)
    for name, path in mask_names.items():
        if match := mask_name.fullmatch(name):
            named[match[1] + match[2]] = path
        else:
            others[name] = path
    used = {*named.values()}
    files, duplicates = _by_name(images, [path for path in image_files if path not in used])
    problems += duplicates
    if not files.keys() & named.keys() and max(len(files), len(named)) > 2:  # a few are listed one by one
        return [], [*problems, _no_pairs(images, masks, pattern, [*files], [*others, *named])]
    problems += _unpaired(files, named, {} if images == masks else others)
    paired = sorted(files.keys() & named.keys())
    return [sample(name, files[name], named[name], task, channels, colours) for name in paired], problems


def sample(
    name: str, image: Path, mask: Path, task: Task, channels: int, colours: Colours | None = None
) -> Sample:
    """A sample of an image file and a mask file."""
    read = _Pair((image, mask), task, channels, colours)
    return Sample(name, read, read.files, read_at=read, variant="")


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder and its subfolders, sorted; hidden ones are left out.

    Raises:
        DataError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=str(folder), kind="missing")
    files = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    return sorted(
        path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def check_extent(image: tuple[int, ...], mask: tuple[int, ...], image_file: str, mask_file: str) -> None:
    """Raise a `DataError` naming both files if image and mask differ in height or width."""
    if image[:2] != mask[:2]:
        (height, width), (mask_height, mask_width) = image[:2], mask[:2]
        problem = f"the mask is {mask_width}x{mask_height} pixels, its image {width}x{height}"
        raise DataError(problem, where=mask_file, hint=f"the image is {image_file}", kind="size")


def _by_name(folder: Path, paths: Sequence[Path]) -> tuple[dict[str, Path], list[Problem]]:
    named: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            hint = f"the other is {named[name]}; move one of them out of the folder"
            problems.append(Problem(f"two files are called {name!r}", str(path), hint=hint, kind="unpaired"))
        named[name] = path
    return named, problems


def _no_pairs(
    images: Path, masks: Path, pattern: str, image_names: list[str], mask_names: list[str]
) -> Problem:
    for folder, names, what in ((images, image_names, "images"), (masks, mask_names, "masks")):
        if not names:
            hint = ", ".join(ENDINGS)
            return Problem(f"there are no {what} in this folder", str(folder), hint=hint, kind="missing")
    patterns = (
        mask.replace(image, "{name}") for image in image_names for mask in mask_names if image in mask
    )
    guess = next(patterns, None)
    called = f"a mask is called {mask_names[0]}, an image {image_names[0]}"
    hint = f"data.source.pattern: '{guess}'" if guess and guess != pattern else called
    problem = f"no mask matches any image with the pattern '{pattern}'"
    return Problem(problem, str(masks), hint=hint, kind="unpaired")


def _unpaired(
    images: Mapping[str, Path], masks: Mapping[str, Path], others: Mapping[str, Path]
) -> list[Problem]:
    unpaired_images = {name: images[name] for name in images if name not in masks}
    unpaired_masks = {name: masks[name] for name in masks if name not in images}
    problems = []
    for kind, partner, files, candidates in (
        ("image", "mask", unpaired_images, {**others, **unpaired_masks}),
        ("mask", "image", unpaired_masks, unpaired_images),
    ):
        remedy = f"add the missing {partner}, or move this {kind} out of the folder"
        problems += [
            Problem(
                f"this {kind} has no {partner}",
                str(path),
                hint=_guess(name, candidates) or remedy,
                kind="unpaired",
            )
            for name, path in files.items()
        ]
    return problems


def _guess(name: str, files: Mapping[str, Path]) -> str:
    # Names with different numbers are different images, however similar.
    similar = near(name, [file for file in files if _numbers(file) == _numbers(name)])
    return f"does {files[similar[0]].name} belong to it?" if similar else ""


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


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
