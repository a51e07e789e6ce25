"""Exact and near duplicates of images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet

from segkit.analysis.dataset.finding import Finding, Severity
from segkit.analysis.dataset.sample_stats import BLANK_SPREAD, DETAILS, ImageStats, SampleStats
from segkit.core.types import Pixels

# Thresholds between versions of one image and different images; measured in docs/check_data.md.
MAX_BITS = 14  # of 64 in the difference hash
MIN_SIMILARITY = 0.65  # of the details
MIN_CORRELATION = 0.97  # of the thumbnails
_KIND = 0.9  # correlation of the thumbnails of images of one kind, such as aligned photographs
_MIN_KIND = 2  # images beside the pair
_MIN_OWN = 0.95  # correlation of what distinguishes two thumbnails from their kind
_ZOOMS = (0.0, 0.015, 0.03, 0.045)  # cut off at each side: one image may be a crop of the other
_ROWS = 64  # images compared at once with all others
_COLUMNS = 8192  # others at once: bounds the memory
_Details = npt.NDArray[np.int8]
_Floats = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]

_ACROSS = "put both into the same split: otherwise the model is tested on an image it was trained on"
_WITHIN = (
    "keep one of them, or keep them together with data.split.group: "
    "a random split may put one into training and the other into test"
)


def find_duplicates(stats: Sequence[SampleStats]) -> Iterator[Finding]:
    """Groups of identical images, then of nearly identical ones; images of one colour are left out."""
    by_digest: dict[bytes, list[SampleStats]] = defaultdict(list)
    for item in stats:
        if item.image and item.image.spread:
            by_digest[item.image.digest].append(item)
    exact = [*by_digest.values()]
    for group in exact:
        if len(group) > 1:
            splits = {item.split for item in group}
            severity: Severity = "error" if "train" in splits and len(splits) > 1 else "warning"
            yield _finding("duplicate", severity, "the same pixels", group)
    images = [group[0].image for group in exact if group[0].image]
    for indices in _groups(len(images), _similar_pairs(images)):
        group = [item for index in indices for item in exact[index]]
        yield _finding("near_duplicate", "warning", "nearly the same image", group)


def _finding(kind: str, severity: Severity, problem: str, group: Sequence[SampleStats]) -> Finding:
    splits = list(dict.fromkeys(item.split for item in group))
    where = f"in {' and '.join(splits)}" if len(splits) > 1 else f"{len(group)} times in {splits[0]}"
    masks = {item.mask.digest for item in group if item.mask}
    differing = ", with different masks" if len(masks) > 1 else ""
    hint = _ACROSS if len(splits) > 1 else _WITHIN
    return Finding(kind, severity, tuple(item.file for item in group), f"{problem} {where}{differing}", hint)


def _groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Indices of similar images by group: similarity is treated as transitive."""
    groups = DisjointSet(range(count))
    for first, second in pairs:
        groups.merge(first, second)
    return sorted(sorted(group) for group in groups.subsets() if len(group) > 1)


def _similar_pairs(images: Sequence[ImageStats]) -> Iterator[tuple[int, int]]:
    """Index pairs of images with near hashes, and similar details or thumbnails."""
    textured = [index for index, image in enumerate(images) if np.ptp(image.thumb) >= BLANK_SPREAD]
    hashes = np.array([difference_hash(images[index].thumb) for index in textured], np.uint64)
    details = np.array([images[index].details for index in textured], np.int8)
    thumbs = _normalised(np.array([images[index].thumb for index in textured]))
    for start in range(0, len(textured), _ROWS):
        near = np.bitwise_count(hashes[start : start + _ROWS, None] ^ hashes[None, :]) <= MAX_BITS
        np.fill_diagonal(near[:, start:], False)
        rows, columns = start + np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        near = near[np.ix_(rows - start, columns)]
        same = _similar_thumbs(thumbs[rows], thumbs[columns], near)
        for part in range(0, len(columns), _COLUMNS):
            some = slice(part, part + _COLUMNS)
            same[:, some] |= near[:, some] & (
                similarities(details[rows], details[columns[some]]) >= MIN_SIMILARITY
            )
        for first, second in zip(*np.nonzero(same), strict=True):
            yield textured[rows[first]], textured[columns[second]]


def _similar_thumbs(rows: _Floats, columns: _Floats, near: _Mask) -> _Mask:
    """Which near pairs of thumbnails correlate, also without what they have in common with their kind."""
    correlations = rows @ columns.T
    kind = (near & (correlations >= _KIND)).astype(np.float32)
    sums, others = kind @ columns, kind.sum(axis=1, keepdims=True) - 1  # others: images beside the pair
    products, count = sums @ columns.T, np.maximum(others, 1)
    # Products of both thumbnails with the mean of the others, and of that mean with itself.
    with_row = ((rows * sums).sum(axis=1, keepdims=True) - correlations) / count
    with_column = (products - 1) / count
    square = ((sums**2).sum(axis=1, keepdims=True) - 2 * products + 1) / count**2
    lengths = (1 - 2 * with_row + square) * (1 - 2 * with_column + square)
    own = (correlations - with_row - with_column + square) / np.sqrt(np.maximum(lengths, 1e-12))
    similar: _Mask = near & (correlations >= MIN_CORRELATION) & ((others < _MIN_KIND) | (own >= _MIN_OWN))
    return similar


def similarities(first: _Details, second: _Details) -> _Floats:
    """Correlations of the details of N and M images, the highest of several crops of the first: (N, M)."""
    columns = _normalised(second).T
    crops = [_normalised(_cropped(first, share)) @ columns for share in _ZOOMS]
    best: _Floats = np.max(crops, axis=0)
    return best


def _cropped(details: _Details, share: float) -> _Floats:
    """Details without a share of each side, at the same size."""
    box = (share * DETAILS, share * DETAILS, (1 - share) * DETAILS, (1 - share) * DETAILS)
    images = [Image.fromarray(image.astype(np.float32)) for image in details]
    return np.array(
        [image.resize(image.size, Image.Resampling.BILINEAR, box) for image in images], np.float32
    )


def _normalised(images: Pixels | _Details | _Floats) -> _Floats:
    """Rows of mean 0 and length 1: their products are correlations."""
    rows = images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    normalised: _Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return normalised


def difference_hash(thumb: Pixels) -> int:
    """64-bit difference hash (dHash) of a grey thumbnail."""
    small = np.asarray(Image.fromarray(thumb).resize((9, 8), Image.Resampling.BILINEAR))
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")
