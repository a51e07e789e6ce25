"""Rows keep the type of their image, in memory and in the cache, also if the images of a set differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.cache.array_view import IndexedArrays, types_of
from segkit.data.preprocess import decode, layout_of, prepare
from tests.data.cache.conftest import SIZE, cache_in, pack_files
from tests.data.cases import BINARY

TYPES = (np.uint8, np.uint16, np.int16, np.float32)


def images(kinds: tuple[type, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(-9 if kind in (np.int16, np.float32) else 0, 200, (*SIZE, 3)).astype(kind)
        for kind in kinds
    ]


def samples(folder: Path, kinds: tuple[type, ...]) -> list[Sample]:
    """Samples whose files are there for their bytes only."""
    found = []
    for number, image in enumerate(images(kinds)):
        file = folder / f"{number}.bin"
        file.write_bytes(image.tobytes() + image.dtype.name.encode())
        mask = np.full(SIZE, number % 2, np.uint8)
        found.append(Sample(str(number), lambda pair=(image, mask): pair, (file,), variant=""))
    return found


@pytest.mark.parametrize("kinds", [*((kind, kind) for kind in TYPES), (*TYPES, *TYPES[::-1])])
def test_rows_keep_their_type(tmp_path: Path, kinds: tuple[type, ...]) -> None:
    found = samples(tmp_path, kinds)
    in_memory = prepare(found, SIZE, BINARY, 3)
    cold, warm = (prepare(found, SIZE, BINARY, 3, cache=cache_in(tmp_path)) for _ in range(2))
    assert isinstance(in_memory.images, IndexedArrays) == (len({*kinds}) > 1)
    for prepared in (in_memory, cold, warm):
        assert types_of(prepared.images) == {*map(np.dtype, kinds)}
        for row, image in zip(prepared.images, images(kinds), strict=True):
            assert row.dtype == image.dtype
            np.testing.assert_array_equal(row, image)
        assert prepared.digest() == in_memory.digest()
    part = cold.images[:1]
    assert types_of(part) == {np.dtype(kinds[0])}
    assert part.copy().dtype == kinds[0]


def test_bands_are_selected_in_their_order(tmp_path: Path) -> None:
    found = samples(tmp_path, (np.uint16,))
    prepared = prepare(found, SIZE, BINARY, 2, bands=(2, 0))
    np.testing.assert_array_equal(prepared.images[0], images((np.uint16,))[0][..., [2, 0]])


@pytest.mark.parametrize("other", [b"I16", b"F16", b"BF16"])
def test_changed_type_in_a_pack_is_a_miss(tmp_path: Path, other: bytes) -> None:
    found = samples(tmp_path, (np.uint16, np.uint16))
    good = prepare(found, SIZE, BINARY, 3, cache=cache_in(tmp_path)).digest()
    (pack,) = pack_files(tmp_path)
    content = pack.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(b'"U16"', b'"' + other + b'"').rstrip(b" ").ljust(length)
    assert header != content[8 : 8 + length]
    pack.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    again = prepare(found, SIZE, BINARY, 3, cache=cache_in(tmp_path))
    assert types_of(again.images) == {np.dtype(np.uint16)}
    assert again.digest() == good
    assert pack not in pack_files(tmp_path)


def test_arrays_that_are_no_images_are_refused() -> None:
    layout = layout_of(SIZE, BINARY, 3)
    for image, problem in (
        (
            np.zeros((*SIZE, 3)),
            r"image \(6, 8, 3\) of float64 and a mask \(6, 8\), expected \(6, 8, 3\) of uint8",
        ),
        (np.full((*SIZE, 3), np.nan, np.float32), "the image holds NaN or infinity"),
    ):
        read = lambda image=image: (image, np.zeros(SIZE, np.uint8))  # noqa: E731
        with pytest.raises(DataError, match=problem):
            decode(Sample("a", read, read_at=lambda size, read=read: read()), layout)
