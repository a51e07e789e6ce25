"""Exact and near duplicates of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from segkit.analysis.dataset.finding import Finding, Severity
from segkit.analysis.dataset.sample_stats import BLANK_SPREAD, THUMB, SampleStats
from segkit.core.types import Pixels

# Thresholds between versions of one image and different images; measured in docs/check_data.md.
MAX_BITS = 10  # of 64 in the difference hash
MIN_CORRELATION = 0.97  # of the thumbnails
_MAX_PAIRS = 1 << 22  # compared at once: bounds the memory

_ACROSS = "put both into the same split: otherwise the model is tested on an image it was trained on"
_WITHIN = "keep one of them: a random split may put one into training and the other into test"


def find_duplicates(stats: Sequence[SampleStats]) -> Iterator[Finding]:
    """Groups of identical images, then groups of nearly identical ones; blank images are left out."""
    by_digest: dict[bytes, list[SampleStats]] = defaultdict(list)
    thumbs: list[Pixels] = []  # of the first image of each digest
    for item in stats:
        if item.image and item.image.spread >= BLANK_SPREAD:
            if item.image.digest not in by_digest:
                thumbs.append(item.image.thumb)
            by_digest[item.image.digest].append(item)
    exact = [*by_digest.values()]
    for group in exact:
        if len(group) > 1:
            splits = {item.split for item in group}
            severity: Severity = "error" if "train" in splits and len(splits) > 1 else "warning"
            yield _finding("duplicate", severity, "the same pixels", group)
    for indices in _similar(thumbs):
        group = [item for index in indices for item in exact[index]]
        yield _finding("near_duplicate", "warning", "nearly the same image", group)


def _finding(kind: str, severity: Severity, problem: str, group: Sequence[SampleStats]) -> Finding:
    splits = list(dict.fromkeys(item.split for item in group))
    where = f"in {' and '.join(splits)}" if len(splits) > 1 else f"{len(group)} times in {splits[0]}"
    masks = {item.mask.digest for item in group if item.mask}
    differing = ", with different masks" if len(masks) > 1 else ""
    hint = _ACROSS if len(splits) > 1 else _WITHIN
    return Finding(kind, severity, tuple(item.file for item in group), f"{problem} {where}{differing}", hint)


def _similar(thumbs: Sequence[Pixels]) -> list[list[int]]:
    """Indices of similar images, grouped by union-find: similarity is treated as transitive."""
    parent = list(range(len(thumbs)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for first, second in _similar_pairs(np.array(thumbs, np.uint8).reshape(len(thumbs), THUMB * THUMB)):
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(thumbs)):
        groups[root(index)].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _similar_pairs(thumbs: Pixels) -> Iterator[tuple[int, int]]:
    """Index pairs of thumbnails (N, pixels) with near hashes and a high correlation."""
    textured = np.flatnonzero(np.ptp(thumbs, axis=1) >= BLANK_SPREAD)
    hashes = np.array([difference_hash(thumb) for thumb in thumbs[textured]], np.uint64)
    rows = max(1, _MAX_PAIRS // max(len(textured), 1))
    for start in range(0, len(textured), rows):
        distances = np.bitwise_count(hashes[start : start + rows, None] ^ hashes[None, :])
        first, second = np.nonzero(distances <= MAX_BITS)
        first += start
        later = second > first
        first, second = textured[first[later]], textured[second[later]]
        for pair in range(0, len(first), rows):
            i, j = first[pair : pair + rows], second[pair : pair + rows]
            similar = correlations(thumbs[i], thumbs[j]) >= MIN_CORRELATION
            yield from zip(i[similar].tolist(), j[similar].tolist(), strict=True)


def difference_hash(thumb: Pixels) -> int:
    """64-bit difference hash (dHash) of a grey thumbnail."""
    image = Image.fromarray(thumb.reshape(THUMB, THUMB))
    small = np.asarray(image.resize((9, 8), Image.Resampling.BILINEAR))
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def correlations(first: Pixels, second: Pixels) -> npt.NDArray[np.float32]:
    """Pearson correlation of each pair of rows: (N, pixels), (N, pixels) -> (N,)."""
    a, b = (pixels.astype(np.float32) - pixels.mean(axis=1, keepdims=True) for pixels in (first, second))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result: npt.NDArray[np.float32] = (a * b).sum(axis=1) / np.maximum(norms, 1e-6)
    return result
