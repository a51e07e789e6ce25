"""Finding images and the masks that belong to them, and saying which are left over."""

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
    images: Path,
    masks: Path,
    pattern: str,
    task: Task,
    channels: int,
    colours: Colours | None = None,
) -> tuple[list[Sample], list[Problem]]:
    """Samples of the images of one folder and the masks of another, or of the same; and what is left over.

    Files that are not called as the pattern says are no masks; in one folder, they are the images.

    Args:
        images: the folder of images, with any folders inside.
        masks: the folder of masks, with the same folders inside.
        pattern: how the mask of an image is called, with {name} for the image; neither has its ending.
        task: for the masks' values.
        channels: of the images.
        colours: class index by RGB colour, for RGB-coded masks.

    Returns:
        The pairs; and a problem for every image without a mask and every mask without an image, or, where
        there are no pairs at all, what may be the reason.
    """
    try:
        mask_files, image_files = images_in(masks), images_in(images)
    except DataError as error:
        return [], [*error.problems]
    before, after = map(re.escape, pattern.split("{name}"))
    wanted = re.compile(f"((?:.*/)?){before}([^/]+){after}")
    named: dict[str, Path] = {}
    others: dict[str, Path] = {}
    mask_names, problems = _by_name(masks, mask_files)
    for name, path in mask_names.items():
        found = wanted.fullmatch(name)
        if found:
            named[found[1] + found[2]] = path
        else:
            others[name] = path
    taken = {*named.values()}
    files, twice = _by_name(images, [path for path in image_files if path not in taken])
    problems += twice
    if not files.keys() & named.keys() and max(len(files), len(named)) > 2:  # few are told one by one
        return [], [*problems, _nothing_fits(images, masks, pattern, [*files], [*others, *named])]
    problems += _left_over(files, named, {} if images == masks else others)
    paired = sorted(files.keys() & named.keys())
    return [sample(name, files[name], named[name], task, channels, colours) for name in paired], problems


def sample(
    name: str, image: Path, mask: Path, task: Task, channels: int, colours: Colours | None = None
) -> Sample:
    """A sample of two files."""
    read = _Pair((image, mask), task, channels, colours)
    return Sample(name, read, read.files, read_at=read, variant="")


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder and of those inside it, by name; hidden ones left out.

    Raises:
        DataError: if there is no such folder.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=str(folder), kind="missing")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    return sorted(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def check_extent(image: tuple[int, ...], mask: tuple[int, ...], image_file: str, mask_file: str) -> None:
    """Refuse a mask of another size than its image.

    Args:
        image: its shape, height and width first.
        mask: likewise.
        image_file: to name.
        mask_file: to name.

    Raises:
        DataError: naming both files.
    """
    if image[:2] != mask[:2]:
        (height, width), (mask_height, mask_width) = image[:2], mask[:2]
        problem = f"the mask is {mask_width}x{mask_height} pixels, its image {width}x{height}"
        raise DataError(problem, where=mask_file, hint=f"the image is {image_file}", kind="size")


def _by_name(folder: Path, paths: Sequence[Path]) -> tuple[dict[str, Path], list[Problem]]:
    """Files by their name below `folder`, without ending; and those whose name another one has."""
    named: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            hint = f"the other is {named[name]}; take one of them away"
            problems.append(Problem(f"two files are called {name!r}", str(path), hint=hint, kind="unpaired"))
        named[name] = path
    return named, problems


def _nothing_fits(
    images: Path, masks: Path, pattern: str, image_names: list[str], mask_names: list[str]
) -> Problem:
    """Not one pair: better said once than for every file."""
    for folder, names, what in ((images, image_names, "images"), (masks, mask_names, "masks")):
        if not names:
            hint = ", ".join(ENDINGS)
            return Problem(f"there are no {what} in this folder", str(folder), hint=hint, kind="missing")
    fitting = (mask.replace(image, "{name}") for image in image_names for mask in mask_names if image in mask)
    guess = next(fitting, None)
    called = f"the masks are called {mask_names[0]} and the like, the images {image_names[0]}"
    hint = f"data.source.pattern: '{guess}'" if guess and guess != pattern else called
    problem = f"no mask belongs to any image by the pattern '{pattern}'"
    return Problem(problem, str(masks), hint=hint, kind="unpaired")


def _left_over(
    images: Mapping[str, Path], masks: Mapping[str, Path], others: Mapping[str, Path]
) -> list[Problem]:
    lonely_images = {name: images[name] for name in images if name not in masks}
    lonely_masks = {name: masks[name] for name in masks if name not in images}
    problems = [
        Problem(
            "this image has no mask",
            str(path),
            hint=_partner(name, {**others, **lonely_masks}, "mask", "image"),
            kind="unpaired",
        )
        for name, path in lonely_images.items()
    ]
    problems += [
        Problem(
            "this mask has no image",
            str(path),
            hint=_partner(name, lonely_images, "image", "mask"),
            kind="unpaired",
        )
        for name, path in lonely_masks.items()
    ]
    return problems


def _partner(name: str, files: Mapping[str, Path], missing: str, present: str) -> str:
    """A hint: the file that may belong to it. Names with other numbers are other images, however near."""
    alike = [other for other in files if _numbers(other) == _numbers(name)]
    guess = near(name, alike)
    if guess:
        return f"does {files[guess[0]].name} belong to it?"
    return f"add the missing {missing}, or move this {present} out of the folder"


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Reads two files; one object for both ways to do it, as there may be very many."""

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
    """What two files hold, or what is wrong with either."""
    problems: list[Problem] = []
    found: list[Read] = []
    for read in (read_image, read_mask):
        try:
            found.append(read())
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError.of(problems)
    return found[0], found[1]
