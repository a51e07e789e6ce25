"""Near duplicates that are compared part by part are those of all pairs, one by one; memory stays small."""

from __future__ import annotations

import tracemalloc
from functools import partial
from itertools import permutations

import numpy as np
import pytest
from PIL import Image

import segkit.analysis.dataset.duplicates as duplicates
from segkit.analysis.dataset import Dataset
from segkit.analysis.dataset.looks import DETAILS, LOOKS
from segkit.analysis.dataset.sample_stats import SampleStats, collect_stats
from segkit.core.types import Sample
from segkit.utils.record_file import RecordFile, Records
from tests.analysis.dataset.cases import BINARY, blob, picture

SIDE = 64


def collected(images: list[np.ndarray], looks: RecordFile) -> list[SampleStats]:
    def read(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return image, blob(0, 1, len(image))

    samples = [Sample(str(number), partial(read, image)) for number, image in enumerate(images)]
    return collect_stats(Dataset("drawn", BINARY, {"train": samples}), looks, lambda label, done, total: None)


def smooth(number: int, cells: int, strength: int) -> np.ndarray:
    cell = np.random.default_rng(number).integers(0, strength, (cells, cells, 1), np.uint8).repeat(3, 2)
    return np.asarray(Image.fromarray(cell).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(np.int16)


def several_kinds() -> list[np.ndarray]:
    """Images of one kind, some of them twice with other noise, among different ones and versions of them."""
    common = smooth(0, 6, 200)
    images = [common + smooth(number, 9, 24) for number in range(1, 25)]
    images += [smooth(99, 3, 180) + smooth(number, 9, 70) for number in range(1, 16)]  # hashes differ more
    rng = np.random.default_rng(0)
    images += [image + rng.integers(-9, 10, image.shape) for image in images[::3]]
    images += [picture(number, SIDE).astype(np.int16) for number in range(12)]
    images += [image + smooth(99, 3, 12) for image in images[-12::3]]
    images += [image[2:-2, 2:-2].repeat(2, 0).repeat(2, 1) for image in images[-8:-4]]
    clipped = [image.clip(0, 255).astype(np.uint8) for image in images]
    return [clipped[index] for index in rng.permutation(len(clipped))]


def test_pairs_are_those_of_a_comparison_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordFile(LOOKS) as looks:
        stats = collected(several_kinds(), looks)
        hashes = {index: item.image.hash for index, item in enumerate(stats) if item.image}
        whole = {*duplicates._similar_pairs(hashes, looks)}
        for name, size in {"_ROWS": 5, "_HASHES": 7, "_COLUMNS": 3}.items():
            monkeypatch.setattr(duplicates, name, size)
        parts = {*duplicates._similar_pairs(hashes, looks)}
        by_details, by_thumbs, refused = one_by_one(hashes, looks.read(np.arange(len(stats))))
    assert parts == whole == by_details | by_thumbs
    assert all([by_details - by_thumbs, by_thumbs - by_details, refused])


def one_by_one(hashes: dict[int, int], looks: Records) -> list[set[tuple[int, int]]]:
    """Pairs with similar details, with similar thumbnails, and those whose kind alone is similar."""
    thumbs = [unit(look["thumb"]) for look in looks]
    near = {(a, b) for a, b in permutations(hashes, 2) if (hashes[a] ^ hashes[b]).bit_count() <= 14}
    by_details, by_thumbs, refused = found = [set(), set(), set()]
    for a, b in near:
        versions = [unit(zoomed(looks[a]["details"], share)) for share in (0, 0.015, 0.03, 0.045)]
        if max(float(version @ unit(looks[b]["details"])) for version in versions) >= 0.65:
            by_details.add((a, b))
        if thumbs[a] @ thumbs[b] < 0.97:
            continue
        kind = [thumbs[c] for c in hashes if c != b and (a, c) in near and thumbs[a] @ thumbs[c] >= 0.9]
        mean = np.mean(kind, axis=0) if len(kind) >= 2 else 0
        own = [(thumb - mean) / np.linalg.norm(thumb - mean) for thumb in (thumbs[a], thumbs[b])]
        (by_thumbs if len(kind) < 2 or own[0] @ own[1] >= 0.95 else refused).add((a, b))
    return found


def unit(image: np.ndarray) -> np.ndarray:
    centred = image.ravel() - image.mean(dtype=np.float64)
    return centred / np.linalg.norm(centred)


def zoomed(details: np.ndarray, share: float) -> np.ndarray:
    low, high = share * DETAILS, (1 - share) * DETAILS
    image = Image.fromarray(details.astype(np.float32))
    return np.asarray(image.resize(image.size, Image.Resampling.BILINEAR, (low, low, high, high)))


def test_an_image_more_takes_less_than_2_kilobytes() -> None:
    images = [picture(number % 7, 16) + np.uint8(number) for number in range(240)]
    with RecordFile(LOOKS) as looks:
        collected(images[:40], looks)  # what is made once
        tracemalloc.start()
        stats = collected(images, looks)
        read = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert read < 2000 * len(stats)
