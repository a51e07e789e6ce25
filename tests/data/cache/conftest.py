"""Photographs, and a cache of what was decoded of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.core.types import Sample
from segkit.data.cache.cache import Cache
from segkit.data.pairing import pairs_in
from segkit.data.preprocess import Prepared, layout_of, prepare
from tests.data.cases import BINARY, HALF, picture, save

SIZE = (6, 8)
COUNT = 5


@pytest.fixture
def photographs(tmp_path):
    """Five images and masks, none of them like another, and older than a clock's tick."""
    for number in range(COUNT):
        save(tmp_path / "images" / f"{number}.png", picture() + np.uint8(number))
        save(tmp_path / "masks" / f"{number}.png", np.roll(HALF, number, axis=0) * 255)
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were decoded."""
    opened: list[str] = []
    original = Image.open

    def counted(path, *given, **options):
        opened.append(f"{Path(path).parent.name}/{Path(path).name}")
        return original(path, *given, **options)

    monkeypatch.setattr(Image, "open", counted)
    return opened


def found(folder: Path) -> list[Sample]:
    return pairs_in(folder / "images", folder / "masks", "{name}", BINARY, 3)[0][""]


def cache_in(folder: Path, **about) -> Cache:
    return Cache(folder / "cache", layout_of(SIZE, BINARY, 3), {"size": SIZE, **about})


def cached(folder: Path, samples: list[Sample] | None = None, **about) -> Prepared:
    return prepare(
        found(folder) if samples is None else samples, SIZE, BINARY, 3, cache=cache_in(folder, **about)
    )


def assert_same(one: Prepared, other: Prepared) -> None:
    assert one.names == other.names
    np.testing.assert_array_equal(np.asarray(one.images), np.asarray(other.images))
    np.testing.assert_array_equal(np.asarray(one.masks), np.asarray(other.masks))
    assert one.digest() == other.digest()


def pack_files(folder: Path) -> list[Path]:
    return sorted((folder / "cache").glob("*/*.safetensors"))
