"""Input files of `segkit predict`: image files, folders and patterns such as photos/*.jpg."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from pathlib import Path
from unicodedata import normalize

from segkit.core.errors import Problem, SegkitError
from segkit.core.paths import as_stored, ignores_case
from segkit.data.image_files import find_images, why_unread, without_ending
from segkit.data.images import ENDINGS
from segkit.inference.outputs import Outputs
from segkit.utils.listing import listed


@dataclass(frozen=True)
class InputFile:
    """An image file to predict."""

    path: Path
    name: str  # of its mask, without extension; with the subfolders of the folder that was searched


@dataclass(frozen=True)
class Inputs:
    """What files, folders and patterns hold, in order and without duplicates.

    Args:
        images: images to predict; whether they can be decoded is checked later.
        problems: problems of images in formats that are not read, of broken links, and of folders.
        others: files in folders and patterns that are not images.
    """

    images: list[InputFile]
    problems: list[Problem]
    others: list[Path]

    def warnings(self) -> list[str]:
        """A sentence about the other files, if there are any."""
        if not self.others:
            return []
        number = f"{len(self.others):,} other file{'s are' if len(self.others) > 1 else ' is'}"
        return [f"{number} not read: {listed([file.name for file in self.others])}."]


def find_inputs(patterns: Sequence[str]) -> Inputs:
    """Images of files, folders (with subfolders, also linked ones) and patterns.

    Explicitly named files count as images whatever they are called.

    Raises:
        SegkitError: for names of nothing, folders and patterns without images, or if no image can be read.
    """
    found: dict[str, InputFile | Problem | Path] = {}
    empty: list[Problem] = []
    for pattern in patterns:
        matches = [*_matches(pattern)]
        for path, match in matches:
            place = os.path.abspath(path)
            if isinstance(found.get(place), Path | None):  # new, or not an image so far
                found[place] = match
        if all(isinstance(match, Path) for _, match in matches):
            empty.append(_no_match(pattern))
    images = [match for match in found.values() if isinstance(match, InputFile)]
    problems = [match for match in found.values() if isinstance(match, Problem)]
    if empty or not images:
        raise SegkitError.of([*empty, *problems])
    return Inputs(images, problems, [match for match in found.values() if isinstance(match, Path)])


def check_out_folder(out: Path, patterns: Sequence[str]) -> None:
    """Check that masks are not written among the images, where the next prediction would read them.

    Raises:
        SegkitError: if `out` is inside a folder of images, or a file.
    """
    if os.path.lexists(out) and not os.path.isdir(out):
        raise SegkitError("not a folder", where=str(out), hint="choose another --out")
    for pattern in patterns:
        inside = Path(os.path.realpath(out)).is_relative_to(os.path.realpath(pattern))
        if os.path.isdir(pattern) and inside:
            raise SegkitError(
                f"this folder is inside {pattern}: the next prediction would read the masks as images",
                where=str(out),
                hint="choose an --out folder outside it",
            )


def check_overwriting(images: Sequence[InputFile], outputs: Outputs, *, overwrite: bool) -> None:
    """Check that no image or other mask would be overwritten, and no existing file unless `overwrite`.

    Raises:
        SegkitError: naming the files.
    """
    paths = {os.path.realpath(image.path) for image in images}
    written: dict[str, InputFile] = {}
    twice: list[Problem] = []
    replaced: list[Path] = []  # images
    existing: list[Path] = []
    for image in images:
        for file in outputs.files(image.name):
            path = os.path.realpath(file)
            # Composed and decomposed Unicode is the same name, and on some systems the same file, as is the
            # same name in upper and lower case.
            key = normalize("NFC", path)
            key = key.casefold() if ignores_case(outputs.folder) else key
            if other := written.get(key):
                twice.append(_same_mask_file(other, image, file))
                break
            written[key] = image
            if path in paths:
                replaced.append(file)
            elif not overwrite and any(
                os.path.lexists(normalize(form, str(file))) for form in ("NFC", "NFD")
            ):
                existing.append(file)
    problems = twice
    if replaced:
        problem = _about(
            replaced, "the mask would overwrite this image", "masks would overwrite these images"
        )
        problems.append(replace(problem, hint="choose another folder for --out"))
    if existing:
        problem = _about(existing, "this file already exists", "files already exist")
        problems.append(replace(problem, hint="use --overwrite, or another folder for --out"))
    if problems:
        raise SegkitError.of(problems)


def _matches(pattern: str) -> Iterator[tuple[Path, InputFile | Problem | Path]]:
    """Paths, each with an image, its problem, or itself if it is not an image."""
    if os.path.isdir(pattern):
        yield from _in_folder(Path(pattern))
    elif os.path.lexists(path := as_stored(Path(pattern))):
        yield path, why_unread(path) or InputFile(path, path.stem)
    elif not has_magic(pattern):
        if problem := why_unread(path):  # such as a name that is too long
            yield path, problem
    else:
        for path in map(Path, sorted(glob(pattern, recursive=True))):
            if os.path.isdir(path):
                yield from _in_folder(path)
            elif problem := why_unread(path):
                yield path, problem
            else:
                yield path, InputFile(path, path.stem) if path.suffix.lower() in ENDINGS else path


def _in_folder(folder: Path) -> Iterator[tuple[Path, InputFile | Problem | Path]]:
    found = find_images(folder)
    for path in found.images:
        yield path, InputFile(path, without_ending(path.relative_to(folder).as_posix()))
    yield from found.unread.items()
    yield from ((Path(problem.file), problem) for problem in found.problems)
    yield from zip(found.others, found.others, strict=True)


def _no_match(pattern: str) -> Problem:
    if not has_magic(pattern) and not os.path.lexists(pattern):
        return Problem("there is no such file or folder", pattern)
    problem = "this folder has no images" if os.path.isdir(pattern) else "no image matches this pattern"
    return Problem(problem, pattern, hint=f"image files end in {', '.join(ENDINGS)}")


def _about(files: Sequence[Path], one: str, several: str) -> Problem:
    if len(files) == 1:
        return Problem(one, str(files[0]))
    folder = os.path.commonpath([file.parent for file in files])
    return Problem(f"{len(files):,} {several}: {listed([os.path.relpath(f, folder) for f in files])}", folder)


def _same_mask_file(first: InputFile, second: InputFile, file: Path) -> Problem:
    problem = f"{first.path} and {second.path} would have the same mask file, {file.name}"
    hint = "rename one, use two output folders, or predict their common folder: subfolders are kept"
    return Problem(problem, hint=hint)
