"""Faults that keep a sample from being read: all of them would end a run before its first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segkit.data.files import read_values
from segkit.doctor.fault import KINDS, Fault
from segkit.doctor.look import Look, header_of
from segkit.errors import DataError, Problem

_FLAT = 0.2  # of the pixels of odd values may lie in areas of their own, where edges were blended


def source_faults(problems: Sequence[Problem]) -> Iterator[Fault]:
    """What the source could not find or pair."""
    for problem in problems:
        kind = problem.kind if problem.kind in KINDS else "source"
        message = f"line {problem.line}: {problem.problem}" if problem.line else problem.problem
        yield Fault(kind, "error", (problem.file,) if problem.file else (), message, problem.hint)


def reading_faults(looks: Sequence[Look]) -> Iterator[Fault]:
    """What keeps files from being read as the task wants them."""
    for look in looks:
        for problem in look.problems:
            if problem.kind == "size":
                yield _size_fault(look, problem)
            elif problem.kind == "labels":
                yield _labels_fault(problem)
            else:
                yield Fault("unreadable", "error", (problem.file,), problem.problem, problem.hint)


def _size_fault(look: Look, problem: Problem) -> Fault:
    files = (problem.file, look.file)
    image = look.headers[0] if look.headers else None
    mask = header_of(Path(problem.file))
    if image and mask and image.orientation > 4 and mask.extent == image.stored:
        message = f"{problem.problem}, which its EXIF tag turns by a quarter: unturned, the mask would fit"
        return Fault("size", "error", files, message, "turn the mask likewise, or take the tag away")
    return Fault("size", "error", files, problem.problem, "is it the mask of another image, or a small copy?")


def _labels_fault(problem: Problem) -> Fault:
    header = header_of(Path(problem.file))
    if header and header.lossy:
        return Fault("jpeg_mask", "error", (problem.file,), problem.problem, problem.hint)
    if _is_blended(Path(problem.file)):
        message = f"the edges are blended, as by smooth resizing: {problem.problem}"
        hint = "resize masks by the nearest pixel, or cut this one at half brightness"
        return Fault("interpolated", "error", (problem.file,), message, hint)
    return Fault("labels", "error", (problem.file,), problem.problem, problem.hint)


def _is_blended(file: Path) -> bool:
    """Whether values between the two most frequent ones are there, and along edges only."""
    try:
        values = read_values(file)
    except DataError:
        return False
    if values is None:
        return False
    found, counts = np.unique(values, return_counts=True)
    if len(found) < 3 or int(found[-1]) - int(found[0]) < 16:
        return False
    low, high = sorted(found[np.argsort(counts)[-2:]].tolist())
    odd = (values > low) & (values < high)
    return bool(odd.any()) and (odd & _is_flat(values)).sum() < _FLAT * odd.sum()


def _is_flat(values: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """(H, W): the pixels that are as all four neighbours; a class fills areas, a blended edge has slopes."""
    padded = np.pad(values, 1, mode="edge")
    beside = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    flat: npt.NDArray[np.bool_] = np.logical_and.reduce([values == other for other in beside])
    return flat
