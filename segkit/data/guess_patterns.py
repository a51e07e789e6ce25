"""Guesses of how the names of masks contain those of images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import islice, product, takewhile

_PATTERN_MASKS = 200  # used to guess the pattern of their names
_MIN_COMMON = 0.5  # share of masks with an image, for patterns on both sides
MASK_WORDS = {
    "mask", "masks", "msk", "seg", "segm", "segmentation", "label", "labels", "gt", "annotation", "outline",
}  # fmt: skip
_WORDS = re.compile(r"\d+|[^\W\d_]+|[\W_]")
_PATTERN_WORDS = re.compile(r"\{name\}|\d+|[^\W\d_]+|[\W_]")
_Affixes = tuple[str, str]  # before and after the name


def guess_patterns(
    images: Sequence[str], masks: Sequence[str], *, shared: bool = False
) -> tuple[tuple[str, str], float]:
    """The most frequent patterns of images and masks, such as "{name}_training" and "{name}_manual1".

    Args:
        images: names of images, with their subfolders.
        masks: names of masks, with their subfolders.
        shared: whether both are in one folder, where an image is not its own mask.

    Returns:
        The patterns of images and masks, "{name}" if no mask matches, and the share of masks that match.
    """
    pattern, share = guess_pattern(images, masks, shared=shared)
    if share:
        return ("{name}", pattern), share
    if shared:
        masks = [name for name in masks if MASK_WORDS & {*_words(name.lower())}]
        images = [name for name in images if name not in {*masks}]
    return _with_affixes(images, masks)


def guess_split_patterns(images: Sequence[str], masks: Sequence[str]) -> tuple[tuple[str, str], float]:
    """As `guess_patterns`, of names that begin with their split and may be named differently in each.

    "{name}_training" in one split and "{name}_test" in another are "{name}_*".
    """
    patterns, share = guess_patterns(images, masks)
    if share:
        return patterns, share
    found = []
    for split in {*map(_split, images)} & {*map(_split, masks)}:
        sides = [[name for name in names if _split(name) == split] for names in (images, masks)]
        found.append((*guess_patterns(*sides), len(sides[1])))
    found = [guess for guess in found if guess[1]]
    if not found:
        return patterns, share
    united = tuple(reduce(_united, side) for side in zip(*(guess[0] for guess in found), strict=True))
    return (united[0], united[1]), sum(share * count for _, share, count in found) / len(masks)


def _split(name: str) -> str:
    return name.partition("/")[0]


def _united(first: str, second: str) -> str:
    """Both patterns as one: words that differ are *."""
    words = [_PATTERN_WORDS.findall(pattern) for pattern in (first, second)]
    if words[0] == words[1]:
        return first
    start = _equal(*words)
    end = _equal(*(side[start:][::-1] for side in words))
    return "".join([*words[0][:start], "*", *words[0][len(words[0]) - end :]])


def _equal(first: Sequence[str], second: Sequence[str]) -> int:
    """Number of words that are the same from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def guess_pattern(images: Sequence[str], masks: Sequence[str], *, shared: bool = False) -> tuple[str, float]:
    """The most frequent pattern by which the name of a mask contains that of an image.

    Args:
        images: names of images, with their subfolders.
        masks: names of masks, with their subfolders.
        shared: whether both are in one folder, where an image is not its own mask.

    Returns:
        The pattern, "{name}" if no mask matches, and the share of masks that match.
    """
    known = set(images)
    lengths = sorted({len(image.rpartition("/")[2]) for image in images}, reverse=True)
    counts: Counter[str] = Counter()
    masks = masks[:: len(masks) // _PATTERN_MASKS + 1]
    for mask in masks:
        if mask in known and not shared:
            counts["{name}"] += 1
        folder, slash, name = mask.rpartition("/")
        patterns = (
            f"{name[:start]}{{name}}{name[start + length :]}"
            for length in lengths
            if length < len(name)
            for start in range(len(name) - length + 1)
            if f"{folder}{slash}{name[start : start + length]}" in known
        )
        counts.update(islice(patterns, 1))  # the longest
    pattern, count = counts.most_common(1)[0] if counts else ("{name}", 0)
    return pattern, count / max(len(masks), 1)


def _with_affixes(images: Sequence[str], masks: Sequence[str]) -> tuple[tuple[str, str], float]:
    best: tuple[float, int, int, _Affixes, _Affixes] = (0, 0, 0, ("", ""), ("", ""))
    mask_keys = {affixes: _keys(masks, affixes) for affixes in _common_affixes(masks)}
    for of_images in _common_affixes(images):
        image_keys = _keys(images, of_images)
        for of_masks, keys in mask_keys.items():
            share = len(image_keys & keys) / max(len(masks), 1)
            affixes = "".join((*of_images, *of_masks))
            words = sum(letter.isalnum() for letter in affixes)
            if share > _MIN_COMMON:  # few words, but the marks beside them: "{name}_training"
                best = max(best, (share, -words, len(affixes), of_images, of_masks))
    share, _, _, of_images, of_masks = best
    return ("{name}".join(of_images), "{name}".join(of_masks)), share


def _common_affixes(names: Sequence[str]) -> Iterator[_Affixes]:
    """Texts of whole words with which all names start and end."""
    files = {name.rpartition("/")[2] for name in names}
    words = _words(min(files, default=""))
    starts = ["".join(words[:count]) for count in range(len(words))]
    ends = ["".join(words[count:]) for count in range(len(words), 0, -1)]
    starts = [start for start in starts if all(file.startswith(start) for file in files)]
    ends = [end for end in ends if all(file.endswith(end) for file in files)]
    shortest = min(map(len, files), default=0)
    return (pair for pair in product(starts, ends) if sum(map(len, pair)) < shortest)


def _keys(names: Sequence[str], affixes: _Affixes) -> set[str]:
    before, after = map(len, affixes)
    parted = (name.rpartition("/") for name in names)
    return {f"{folder}/{file[before : len(file) - after]}" for folder, _, file in parted}


def _words(name: str) -> list[str]:
    return _WORDS.findall(name.rpartition("/")[2])
