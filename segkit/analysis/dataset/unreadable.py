"""Faults that keep a sample from being read: all of them would end a run before its first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segkit.analysis.dataset.finding import KINDS, Finding
from segkit.analysis.dataset.sample_stats import SampleStats, header_of
from segkit.core.errors import DataError, Problem
from segkit.data.masks import read_values

_FAR = 16  # numbers of classes are near each other, black and white are not
_FLAT = 0.2  # of the pixels of odd values may lie in areas of their own, where edges were blended


def source_faults(problems: Sequence[Problem]) -> Iterator[Finding]:
    """What the source could not find or pair."""
    for problem in problems:
        kind = problem.kind if problem.kind in KINDS else "source"
        message = f"line {problem.line}: {problem.problem}" if problem.line else problem.problem
        yield Finding(kind, "error", (problem.file,) if problem.file else (), message, problem.hint)


def reading_faults(looks: Sequence[SampleStats]) -> Iterator[Finding]:
    """What keeps files from being read as the task wants them."""
    for look in looks:
        for problem in look.problems:
            if problem.kind == "size":
                yield _size_fault(look, problem)
            elif problem.kind == "labels":
                yield _labels_fault(problem)
            else:
                yield Finding("unreadable", "error", (problem.file,), problem.problem, problem.hint)


def _size_fault(look: SampleStats, problem: Problem) -> Finding:
    files = (problem.file, look.file)
    image = look.headers[0] if look.headers else None
    mask = header_of(Path(problem.file))
    if image and mask and image.orientation > 4 and mask.extent == image.stored:
        message = f"{problem.problem}, which its EXIF tag turns by a quarter: unturned, the mask would fit"
        return Finding("size", "error", files, message, "turn the mask likewise, or take the tag away")
    return Finding(
        "size", "error", files, problem.problem, "is it the mask of another image, or a small copy?"
    )


def _labels_fault(problem: Problem) -> Finding:
    header = header_of(Path(problem.file))
    if header and header.lossy:
        return Finding("jpeg_mask", "error", (problem.file,), problem.problem, problem.hint)
    if ends := _blended(Path(problem.file)):
        message = f"values between {ends[0]} and {ends[1]} along the edges, as after smooth resizing or JPEG"
        hint = "resize masks by the nearest pixel; cut this one halfway, and save it as PNG"
        return Finding("interpolated", "error", (problem.file,), message, hint)
    return Finding("labels", "error", (problem.file,), problem.problem, problem.hint)


def _blended(file: Path) -> tuple[int, int] | None:
    """The two most frequent values of a mask, where others lie between them, along edges only."""
    try:
        values = read_values(file)
    except DataError:
        return None
    if values is None:
        return None
    found, counts = np.unique(values, return_counts=True)
    if len(found) < 3 or int(found[-1]) - int(found[0]) < _FAR:
        return None
    low, high = sorted(found[np.argsort(counts)[-2:]].tolist())
    odd = (values > low) & (values < high)
    slopes = odd.any() and (odd & _is_flat(values)).sum() < _FLAT * odd.sum()
    return (low, high) if slopes else None


def _is_flat(values: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """(H, W): the pixels that are as all four neighbours; a class fills areas, a blended edge has slopes."""
    padded = np.pad(values, 1, mode="edge")
    beside = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    flat: npt.NDArray[np.bool_] = np.logical_and.reduce([values == other for other in beside])
    return flat
