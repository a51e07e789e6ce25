"""Exact and near duplicates of images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet

from segkit.analysis.dataset.finding import Finding, Severity
from segkit.analysis.dataset.looks import DETAILS
from segkit.analysis.dataset.sample_stats import SampleStats
from segkit.core.types import Pixels
from segkit.utils.record_file import RecordFile

# Thresholds between versions of one image and different images; measured in docs/check_data.md.
MAX_BITS = 14  # of 64 in the difference hash
MIN_SIMILARITY = 0.65  # of the details
MIN_CORRELATION = 0.97  # of the thumbnails
_KIND = 0.9  # correlation of the thumbnails of images of one kind, such as aligned photographs
_MIN_KIND = 2  # images beside the pair
_MIN_OWN = 0.95  # correlation of what distinguishes two thumbnails from their kind
_ZOOMS = (0.0, 0.015, 0.03, 0.045)  # cut off at each side: one image may be a crop of the other
_ROWS = 64  # images compared at once with all others
_HASHES = 8192  # hashes of others at once: as many as a processor's cache holds
_COLUMNS = 512  # looks of others at once: bounds the memory
_Details = npt.NDArray[np.int8]
_Floats = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]
_Indices = npt.NDArray[np.intp]

_ACROSS = "put both into the same split: otherwise the model is tested on an image it was trained on"
_WITHIN = (
    "keep one of them, or keep them together with data.split.group: "
    "a random split may put one into training and the other into test"
)


def find_duplicates(stats: Sequence[SampleStats], looks: RecordFile) -> Iterator[Finding]:
    """Groups of identical images, then of nearly identical ones; images of one colour are left out.

    Args:
        stats: of all samples.
        looks: `LOOKS` of their images, by the same index.
    """
    images = {index: item.image for index, item in enumerate(stats) if item.image}
    digests = ((index, image.digest) for index, image in images.items() if image.spread)
    exact = {group[0]: group for group in copies(digests)}
    for group in exact.values():
        splits = {stats[index].split for index in group}
        severity: Severity = "error" if "train" in splits and len(splits) > 1 else "warning"
        yield _finding("duplicate", severity, "the same pixels", [stats[index] for index in group])
    repeated = {index for group in exact.values() for index in group[1:]}
    hashes = {
        index: image.hash
        for index, image in images.items()
        if image.hash is not None and index not in repeated
    }
    for similar in _groups(_similar_pairs(hashes, looks)):
        items = [stats[index] for first in similar for index in exact.get(first, (first,))]
        yield _finding("near_duplicate", "warning", "nearly the same image", items)


def copies(digests: Iterable[tuple[int, bytes]]) -> list[list[int]]:
    """Groups of indices that have the same digest, without groups of one."""
    firsts: dict[bytes, int] = {}
    groups: dict[int, list[int]] = defaultdict(list)
    for index, digest in digests:
        first = firsts.setdefault(digest, index)
        if first != index:
            groups[first].append(index)
    return [[first, *groups[first]] for first in sorted(groups)]


def _finding(kind: str, severity: Severity, problem: str, group: Sequence[SampleStats]) -> Finding:
    splits = list(dict.fromkeys(item.split for item in group))
    where = f"in {' and '.join(splits)}" if len(splits) > 1 else f"{len(group)} times in {splits[0]}"
    masks = {item.mask.digest for item in group if item.mask}
    differing = ", with different masks" if len(masks) > 1 else ""
    hint = _ACROSS if len(splits) > 1 else _WITHIN
    return Finding(kind, severity, tuple(item.file for item in group), f"{problem} {where}{differing}", hint)


def _groups(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Indices of similar images by group: similarity is treated as transitive."""
    groups = DisjointSet()
    for pair in pairs:
        for index in pair:
            groups.add(index)
        groups.merge(*pair)
    return sorted(sorted(group) for group in groups.subsets())


def _similar_pairs(hashes: Mapping[int, int], looks: RecordFile) -> Iterator[tuple[int, int]]:
    """Index pairs of images with near hashes, and similar details or thumbnails."""
    indices = np.fromiter(hashes.keys(), np.intp, len(hashes))
    bits = np.fromiter(hashes.values(), np.uint64, len(hashes))
    for start in range(0, len(bits), _ROWS):
        near = _near(bits[start : start + _ROWS], bits)
        np.fill_diagonal(near[:, start:], False)
        rows, columns = start + np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        if not len(rows):
            continue
        same = _similar(indices[rows], indices[columns], near[np.ix_(rows - start, columns)], looks)
        for first, second in zip(*np.nonzero(same), strict=True):
            yield int(indices[rows[first]]), int(indices[columns[second]])


def _near(rows: npt.NDArray[np.uint64], columns: npt.NDArray[np.uint64]) -> _Mask:
    """Which of N and M hashes are near each other: (N, M)."""
    near = np.empty((len(rows), len(columns)), bool)
    for part in _parts(len(columns), _HASHES):
        np.less_equal(np.bitwise_count(rows[:, None] ^ columns[part]), MAX_BITS, out=near[:, part])
    return near


def _similar(rows: _Indices, columns: _Indices, near: _Mask, looks: RecordFile) -> _Mask:
    """Which near pairs of N and M images have similar details or thumbnails: (N, M)."""
    own = looks.read(rows)
    first, thumbs = crops(own["details"]), _normalised(own["thumb"])
    same, correlated = np.empty_like(near), np.empty_like(near)
    sums, count = np.zeros_like(thumbs), np.zeros((len(rows), 1), np.float32)  # of those of the same kind
    for part in _parts(len(columns), _COLUMNS):
        others = looks.read(columns[part])
        other_thumbs = _normalised(others["thumb"])
        correlations = thumbs @ other_thumbs.T
        kind = (near[:, part] & (correlations >= _KIND)).astype(np.float32)
        sums += kind @ other_thumbs
        count += kind.sum(axis=1, keepdims=True)
        correlated[:, part] = near[:, part] & (correlations >= MIN_CORRELATION)
        same[:, part] = near[:, part] & (similarities(first, others["details"]) >= MIN_SIMILARITY)
    correlated &= ~same
    left = np.flatnonzero(correlated.any(axis=0))
    for part in _parts(len(left), _COLUMNS):
        other_thumbs = _normalised(looks.read(columns[left[part]])["thumb"])
        own_similar = _are_own_similar(thumbs, other_thumbs, sums, count - 1)
        same[:, left[part]] |= correlated[:, left[part]] & own_similar
    return same


def _are_own_similar(rows: _Floats, columns: _Floats, sums: _Floats, others: _Floats) -> _Mask:
    """Which thumbnails correlate without what they have in common with their kind: (N, M).

    Args:
        rows: (N, D) thumbnails.
        columns: (M, D) thumbnails of the same kind.
        sums: (N, D) sums of all thumbnails of the kind of each row, the column's too.
        others: (N, 1) number of images of that kind beside the pair.
    """
    correlations, products, count = rows @ columns.T, sums @ columns.T, np.maximum(others, 1)
    # Products of both thumbnails with the mean of the others, and of that mean with itself.
    with_row = ((rows * sums).sum(axis=1, keepdims=True) - correlations) / count
    with_column = (products - 1) / count
    square = ((sums**2).sum(axis=1, keepdims=True) - 2 * products + 1) / count**2
    lengths = (1 - 2 * with_row + square) * (1 - 2 * with_column + square)
    own = (correlations - with_row - with_column + square) / np.sqrt(np.maximum(lengths, 1e-12))
    similar: _Mask = (others < _MIN_KIND) | (own >= _MIN_OWN)
    return similar


def crops(details: _Details) -> _Floats:
    """Details of N images, normalised, as they are and without several shares of each side: (crops, N, D)."""
    return np.stack([_normalised(_cropped(details, share)) for share in _ZOOMS])


def similarities(first: _Floats, second: _Details) -> _Floats:
    """Correlations of `crops` of N images with the details of M images, the highest of all crops: (N, M)."""
    correlations = first.reshape(-1, first.shape[-1]) @ _normalised(second).T
    best: _Floats = correlations.reshape(*first.shape[:2], len(second)).max(axis=0)
    return best


def in_parts(indices: _Indices) -> Iterator[_Indices]:
    """Indices, so many at once that their looks take little memory."""
    return (indices[part] for part in _parts(len(indices), _COLUMNS))


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


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
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows
