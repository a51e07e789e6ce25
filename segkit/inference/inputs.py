"""The images that are to be predicted: files, folders of them, and patterns such as photos/*.jpg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from segkit.core.errors import Problem, SegkitError
from segkit.data.images import ENDINGS
from segkit.inference.outputs import Outputs


@dataclass(frozen=True)
class Input:
    """An image that is to be predicted.

    Args:
        path: of its file.
        name: what its mask is called, without ending; folders inside the one that was named come before it.
    """

    path: Path
    name: str


def find_inputs(named: Sequence[str]) -> list[Input]:
    """The images of files, folders and patterns, each once, in order; folders with all that is inside.

    A file that is named is taken, whatever it is: whether it can be read is seen when it is.

    Raises:
        SegkitError: for folders and patterns without images.
    """
    inputs: dict[Path, Input] = {}
    problems: list[Problem] = []
    for one in named:
        found = [*_found(one)]
        if not found:
            problems.append(_nothing(one))
        for input_ in found:
            inputs.setdefault(input_.path.resolve(), input_)
    if problems:
        raise SegkitError.of(problems)
    return [*inputs.values()]


def refuse_out(out: Path, named: Sequence[str]) -> None:
    """See to it that masks do not come to lie among the images, where the next one would take them for some.

    Args:
        out: where masks go.
        named: files, folders and patterns with the images.

    Raises:
        SegkitError: if they would, or if the place is a file.
    """
    if out.exists() and not out.is_dir():
        raise SegkitError("this is no folder", where=str(out), hint="another name for --out")
    for one in named:
        if Path(one).is_dir() and out.resolve().is_relative_to(Path(one).resolve()):
            raise SegkitError(
                f"masks would lie among the images of {one}, and be taken for images the next time",
                where=str(out),
                hint="--out with a folder that is not inside it",
            )


def refuse_overwriting(inputs: Sequence[Input], outputs: Outputs, *, overwrite: bool) -> None:
    """See to it that no file is lost: neither an image, nor what is there already, nor one mask to another.

    Args:
        inputs: all images.
        outputs: where their masks go.
        overwrite: whether files that are there may be replaced; images never are.

    Raises:
        SegkitError: naming them.
    """
    images = {input_.path.resolve() for input_ in inputs}
    taken: dict[Path, Input] = {}
    problems: list[Problem] = []
    for input_ in inputs:
        for file in outputs.files(input_.name):
            there = file.resolve()
            if other := taken.get(there):
                problems.append(_two_of_one_name(other, input_, file))
                break
            taken[there] = input_
            if there in images:
                hint = "another folder for --out"
                problems.append(Problem("the mask would take the place of this image", str(file), hint=hint))
            elif file.exists() and not overwrite:
                hint = "--overwrite replaces what is there; or another folder for --out"
                problems.append(Problem("this file is there already", str(file), hint=hint))
    if problems:
        rest = len(problems) - _MAX_PROBLEMS
        more = [Problem(f"and {rest} more like these")] if rest > 0 else []
        raise SegkitError.of([*problems[:_MAX_PROBLEMS], *more])


_MAX_PROBLEMS = 10  # problems told: they are all alike


def _found(named: str) -> Iterator[Input]:
    path = Path(named)
    if path.is_dir():
        yield from _inside(path)
    elif path.exists() or not has_magic(named):
        yield Input(path, path.stem)
    else:
        for match in sorted(glob(named, recursive=True)):
            if Path(match).is_dir():
                yield from _inside(Path(match))
            elif _is_image(Path(match)):
                yield Input(Path(match), Path(match).stem)


def _inside(folder: Path) -> Iterator[Input]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if _is_image(path) and not any(part.startswith(".") for part in inside.parts):
            yield Input(path, inside.with_suffix("").as_posix())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and path.is_file()


def _nothing(named: str) -> Problem:
    kinds = ", ".join(ENDINGS)
    if Path(named).is_dir():
        return Problem("there are no images in this folder", named, hint=f"images end in {kinds}")
    return Problem("no image is called so", named, hint=f"images end in {kinds}")


def _two_of_one_name(one: Input, other: Input, file: Path) -> Problem:
    problem = f"{one.path} and {other.path} would have one mask, {file.name}"
    return Problem(problem, hint="rename one, or predict them into two folders; images in folders keep those")
