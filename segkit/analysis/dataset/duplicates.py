"""Images that are there twice, exactly or nearly: in train and in test, they make scores too good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from segkit.analysis.dataset.finding import Finding, Severity
from segkit.analysis.dataset.sample_stats import FLAT, THUMB, SampleStats
from segkit.core.types import Pixels

# What two versions of one picture differ by at most, and two pictures at least: docs/check_data.md.
MAX_BITS = 10  # of 64 in the difference hash
LEAST_CORRELATION = 0.97  # of the thumbnails
_AT_ONCE = 1 << 22  # pairs that are compared at once: bounds the memory

_ACROSS = "keep it in one split: a model is scored on what it has learned by heart"
_WITHIN = "keep one of them: a random split may put one into training and the other into test"


def duplicate_faults(looks: Sequence[SampleStats]) -> Iterator[Finding]:
    """Groups of the same pixels, then groups of nearly the same; images that show nothing are left out."""
    together: dict[bytes, list[SampleStats]] = defaultdict(list)
    for look in looks:
        if look.image and look.image.spread >= FLAT:
            together[look.image.digest].append(look)
    for group in together.values():
        if len(group) > 1:
            severity: Severity = "error" if _is_learned_and_scored(group) else "warning"
            yield _fault("duplicate", severity, "the same pixels", group)
    each = [group[0] for group in together.values()]
    for alike in _alike([look.image.thumb for look in each if look.image]):
        group = [look for index in alike for look in together[_digest(each[index])]]
        yield _fault("near_duplicate", "warning", "nearly the same picture", group)


def _digest(look: SampleStats) -> bytes:
    assert look.image
    return look.image.digest


def _fault(kind: str, severity: Severity, what: str, group: Sequence[SampleStats]) -> Finding:
    splits = list(dict.fromkeys(look.split for look in group))
    where = f"in {' and '.join(splits)}" if len(splits) > 1 else f"{len(group)} times in {splits[0]}"
    masks = {look.mask.digest for look in group if look.mask}
    other = ", with other masks" if len(masks) > 1 else ""
    hint = _ACROSS if len(splits) > 1 else _WITHIN
    return Finding(kind, severity, tuple(look.file for look in group), f"{what} {where}{other}", hint)


def _is_learned_and_scored(group: Sequence[SampleStats]) -> bool:
    splits = {look.split for look in group}
    return "train" in splits and len(splits) > 1


def _alike(thumbs: Sequence[Pixels]) -> list[list[int]]:
    """Groups of pictures that are nearly the same, by their places; one may be like another by a third."""
    leader = list(range(len(thumbs)))

    def lead(index: int) -> int:
        while leader[index] != index:
            leader[index] = index = leader[leader[index]]
        return index

    for first, second in _pairs(np.array(thumbs, np.uint8).reshape(len(thumbs), THUMB * THUMB)):
        low, high = sorted((lead(first), lead(second)))
        leader[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(thumbs)):
        groups[lead(index)].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _pairs(thumbs: Pixels) -> Iterator[tuple[int, int]]:
    """Pairs (N, pixels) -> (i, j) whose hashes are near, and whose thumbnails go together."""
    shown = np.flatnonzero(np.ptp(thumbs, axis=1) >= FLAT)
    hashes = np.array([difference_hash(thumb) for thumb in thumbs[shown]], np.uint64)
    rows = max(1, _AT_ONCE // max(len(shown), 1))
    for start in range(0, len(shown), rows):
        apart = np.bitwise_count(hashes[start : start + rows, None] ^ hashes[None, :])
        first, second = np.nonzero(apart <= MAX_BITS)
        first += start
        later = second > first
        first, second = shown[first[later]], shown[second[later]]
        for some in range(0, len(first), rows):
            i, j = first[some : some + rows], second[some : some + rows]
            close = correlations(thumbs[i], thumbs[j]) >= LEAST_CORRELATION
            yield from zip(i[close].tolist(), j[close].tolist(), strict=True)


def difference_hash(thumb: Pixels) -> int:
    """64 bits of a grey thumbnail: whether it gets brighter from each of 9 x 8 places to the next."""
    picture = Image.fromarray(thumb.reshape(THUMB, THUMB))
    small = np.asarray(picture.resize((9, 8), Image.Resampling.BILINEAR))
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def correlations(first: Pixels, second: Pixels) -> npt.NDArray[np.float32]:
    """(n, pixels), (n, pixels) -> (n,): 1 for pictures that differ in brightness and contrast alone."""
    a, b = (pixels.astype(np.float32) - pixels.mean(axis=1, keepdims=True) for pixels in (first, second))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    close: npt.NDArray[np.float32] = (a * b).sum(axis=1) / np.maximum(lengths, 1e-6)
    return close
