"""Problems that keep a sample from being read; a run would stop at each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segkit.analysis.dataset.finding import KINDS, Finding, Severity
from segkit.analysis.dataset.sample_stats import SampleStats, header_or_none
from segkit.core.errors import DataError, Problem
from segkit.data.masks import read_values

_MIN_RANGE = 16  # smaller ranges are class indices, not black and white
_MAX_FLAT = 0.2  # fraction of unexpected pixels in flat areas; interpolated edges are not flat


def source_findings(problems: Sequence[Problem], severity: Severity) -> Iterator[Finding]:
    """Problems reported by the source and the split."""
    for problem in problems:
        kind = problem.kind if problem.kind in KINDS else "source"
        message = f"line {problem.line}: {problem.problem}" if problem.line else problem.problem
        yield Finding(kind, severity, (problem.file,) if problem.file else (), message, problem.hint)


def check_readable(stats: Sequence[SampleStats]) -> Iterator[Finding]:
    """Problems of reading images and masks."""
    for item in stats:
        for problem in item.problems:
            if problem.kind == "size":
                yield _size_finding(item, problem)
            elif problem.kind == "labels":
                yield _labels_finding(problem)
            else:
                yield Finding("unreadable", "error", (problem.file,), problem.problem, problem.hint)


def _size_finding(item: SampleStats, problem: Problem) -> Finding:
    image = item.headers[0] if item.headers else None
    mask = header_or_none(Path(problem.file))
    message, hint = problem.problem, "is it the mask of another image, or a thumbnail?"
    if image and mask and image.orientation > 4 and mask.extent == image.stored:
        message += ". The camera marked this photo as rotated (EXIF); the mask was drawn on the unrotated one"
        hint = "rotate the mask by 90 degrees, or remove the EXIF tag"
    return Finding("size", "error", (problem.file, item.file), message, hint)


def _labels_finding(problem: Problem) -> Finding:
    file = Path(problem.file)
    kind, message, hint = "labels", problem.problem, problem.hint
    if (header := header_or_none(file)) and header.lossy:
        kind = "jpeg_mask"
    elif ends := _blended(file):
        kind = "interpolated"
        message = f"values between {ends[0]} and {ends[1]} along the edges, as after interpolation or JPEG"
        hint = "resize masks with nearest-neighbour; threshold this one at the middle and save it as PNG"
    return Finding(kind, "error", (problem.file,), message, hint)


def _blended(file: Path) -> tuple[float, float] | None:
    """The two most frequent values of a mask, if the values between them occur only along edges."""
    try:
        pixels = read_values(file)
    except DataError:
        return None
    if pixels is None:
        return None
    values, counts = np.unique(pixels, return_counts=True)
    if len(values) < 3 or float(values[-1]) - float(values[0]) < _MIN_RANGE:
        return None
    low, high = sorted(values[np.argsort(counts)[-2:]].tolist())
    between = (pixels > low) & (pixels < high)
    only_edges = between.any() and (between & _is_flat(pixels)).sum() < _MAX_FLAT * between.sum()
    return (low, high) if only_edges else None


def _is_flat(pixels: npt.NDArray[np.number]) -> npt.NDArray[np.bool_]:
    """Mask (H, W) of the pixels that equal their four neighbours."""
    padded = np.pad(pixels, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    flat: npt.NDArray[np.bool_] = np.logical_and.reduce([pixels == shifted for shifted in neighbours])
    return flat
