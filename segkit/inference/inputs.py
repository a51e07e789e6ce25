"""Input files of `segkit predict`: image files, folders and patterns such as photos/*.jpg."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from segkit.core.errors import Problem, SegkitError
from segkit.data.images import ENDINGS
from segkit.inference.outputs import Outputs

_MAX_PROBLEMS = 10  # of one kind


@dataclass(frozen=True)
class InputFile:
    """An image file to predict."""

    path: Path
    name: str  # of its mask, without extension; with the subfolders of the folder that was searched


def find_inputs(patterns: Sequence[str]) -> list[InputFile]:
    """Images of files, folders (with subfolders) and patterns, in order and without duplicates.

    Explicitly named files are always included; whether they can be read is checked later.

    Raises:
        SegkitError: for folders and patterns without images.
    """
    inputs: dict[str, InputFile] = {}
    problems: list[Problem] = []
    for pattern in patterns:
        matches = [*_matches(pattern)]
        if not matches:
            problems.append(_no_match(pattern))
        for match in matches:
            inputs.setdefault(os.path.abspath(match.path), match)
    if problems:
        raise SegkitError.of(problems)
    return [*inputs.values()]


def check_out_folder(out: Path, patterns: Sequence[str]) -> None:
    """Check that masks are not written among the images, where the next prediction would read them.

    Raises:
        SegkitError: if `out` is inside a folder of images, or a file.
    """
    if out.exists() and not out.is_dir():
        raise SegkitError("not a folder", where=str(out), hint="choose another --out")
    for pattern in patterns:
        if Path(pattern).is_dir() and out.resolve().is_relative_to(Path(pattern).resolve()):
            raise SegkitError(
                f"this folder is inside {pattern}: the next prediction would read the masks as images",
                where=str(out),
                hint="choose an --out folder outside it",
            )


def check_overwriting(inputs: Sequence[InputFile], outputs: Outputs, *, overwrite: bool) -> None:
    """Check that no image or other mask would be overwritten, and no existing file unless `overwrite`.

    Raises:
        SegkitError: listing the files.
    """
    images = {os.path.realpath(image.path) for image in inputs}
    written: dict[str, InputFile] = {}
    problems: list[Problem] = []
    for image in inputs:
        for file in outputs.files(image.name):
            resolved = os.path.realpath(file)
            if other := written.get(resolved):
                problems.append(_same_mask_file(other, image, file))
                break
            written[resolved] = image
            if resolved in images:
                hint = "choose another folder for --out"
                problems.append(Problem("the mask would overwrite this image", str(file), hint=hint))
            elif os.path.lexists(file) and not overwrite:
                hint = "use --overwrite, or another folder for --out"
                problems.append(Problem("this file already exists", str(file), hint=hint))
    if problems:
        hidden = len(problems) - _MAX_PROBLEMS
        more = [Problem(f"and {hidden} more")] if hidden > 0 else []
        raise SegkitError.of([*problems[:_MAX_PROBLEMS], *more])


def _matches(pattern: str) -> Iterator[InputFile]:
    path = Path(pattern)
    if os.path.isdir(path):
        yield from _in_folder(path)
    elif os.path.lexists(path) or not has_magic(pattern):
        yield InputFile(path, path.stem)
    else:
        for match in map(Path, sorted(glob(pattern, recursive=True))):
            if match.is_dir():
                yield from _in_folder(match)
            elif _is_image(match):
                yield InputFile(match, match.stem)


def _in_folder(folder: Path) -> Iterator[InputFile]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if _is_image(path) and not any(part.startswith(".") for part in relative.parts):
            yield InputFile(path, relative.with_suffix("").as_posix())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and path.is_file()


def _no_match(pattern: str) -> Problem:
    problem = "this folder has no images" if Path(pattern).is_dir() else "no image matches this pattern"
    return Problem(problem, pattern, hint=f"image files end in {', '.join(ENDINGS)}")


def _same_mask_file(first: InputFile, second: InputFile, file: Path) -> Problem:
    problem = f"{first.path} and {second.path} would have the same mask file, {file.name}"
    hint = "rename one, use two output folders, or predict their common folder: subfolders are kept"
    return Problem(problem, hint=hint)
