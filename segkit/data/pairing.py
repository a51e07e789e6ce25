"""Finding images and the masks that belong to them, and saying which are left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from segkit.contracts import Pixels, Sample, Task
from segkit.data.files import ENDINGS, Colours, read_image, read_mask
from segkit.errors import DataError, Problem
from segkit.registry import near


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder and of those inside it, by name; hidden ones left out.

    Raises:
        DataError: if there is no such folder.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=str(folder))
    found = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    return sorted(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def stem_in(folder: Path, path: Path) -> str:
    """The file's name below a folder, without ending; what samples are called."""
    return path.relative_to(folder).with_suffix("").as_posix()


def pair(
    images: Mapping[str, Path],
    masks: Mapping[str, Path],
    task: Task,
    channels: int,
    colours: Colours | None = None,
) -> list[Sample]:
    """Samples of images and masks of one name.

    Args:
        images: files by name.
        masks: files by the name of the image they belong to.
        task: for the masks' values.
        channels: of the images.
        colours: class index by RGB colour, for RGB-coded masks.

    Raises:
        DataError: naming every image without a mask and every mask without an image.
    """
    lonely_images = [name for name in images if name not in masks]
    lonely_masks = [name for name in masks if name not in images]
    problems = [
        _lonely("this image has no mask", images[name], name, lonely_masks, masks) for name in lonely_images
    ]
    problems += [
        _lonely("this mask has no image", masks[name], name, lonely_images, images) for name in lonely_masks
    ]
    if problems:
        raise DataError.of(problems)
    return [sample(name, images[name], masks[name], task, channels, colours) for name in sorted(images)]


def sample(
    name: str, image: Path, mask: Path, task: Task, channels: int, colours: Colours | None = None
) -> Sample:
    """A sample of two files."""
    return Sample(name, partial(_read, image, mask, task, channels, colours), (image, mask))


def by_name(folder: Path, paths: Sequence[Path]) -> dict[str, Path]:
    """Files by their name below `folder`, without ending.

    Raises:
        DataError: if two of them share it.
    """
    named: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        name = stem_in(folder, path)
        if name in named:
            problems.append(
                Problem(f"two files are called {name!r}", str(path), hint=f"the other is {named[name]}")
            )
        named[name] = path
    if problems:
        raise DataError.of(problems)
    return named


def _read(
    image: Path, mask: Path, task: Task, channels: int, colours: Colours | None
) -> tuple[Pixels, Pixels]:
    problems: list[Problem] = []
    maps: list[Pixels] = []
    for read in (lambda: read_image(image, channels), lambda: read_mask(mask, task, colours)):
        try:
            maps.append(read())
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError.of(problems)
    return maps[0], maps[1]


def _lonely(problem: str, path: Path, name: str, lonely: Sequence[str], files: Mapping[str, Path]) -> Problem:
    guess = near(name, lonely) if len(lonely) < 500 else []
    hint = f"does {files[guess[0]].name} belong to it?" if guess else "add its partner, or take it away"
    return Problem(problem, str(path), hint=hint)
