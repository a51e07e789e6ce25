"""Whatever has become of an image file, it gives pixels of the right shape, or an error that names it."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.core.errors import DataError
from segkit.data.images import ENDINGS, read_image, read_image_at
from tests.properties.fuzzing import damage_images, image_damage


@pytest.mark.parametrize("filters", ["ignore", "error"])
@given(chance=st.randoms())
def test_a_damaged_image_is_read_or_named(filters: Any, chance: Any) -> None:
    case = image_damage.draw_case(chance)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, warnings.catch_warnings():
        warnings.simplefilter(filters)
        path = Path(folder, f"case.{case.ending}")
        path.write_bytes(case.content)
        for error in damage_images.read_in_every_way(path, chance):
            assert error is None or str(path) in str(error)


@given(chance=st.randoms())
def test_a_damaged_image_is_the_same_through_the_cache_and_no_warning_leaks(chance: Any) -> None:
    case = image_damage.draw_case(chance)
    with TemporaryDirectory() as folder:
        path = Path(folder, f"case.{case.ending}")
        path.write_bytes(case.content)
        assert damage_images.read_as_a_run_does(path, Path(folder)) == []


def readable(path: Path, channels: int) -> Any:
    """The pixels of a whole file; None of one that is whole and no image all the same."""
    try:
        return read_image(path, channels)
    except DataError as error:
        if any(
            words in str(error) for words in ("holds 3 images", "are not read", "images in LAB", ", not ")
        ):
            return None
        raise


@pytest.mark.parametrize("ending", image_damage.MODES)
@given(seed=st.integers(0, 2**32 - 1), channels=st.sampled_from([1, 3, 4]), name=st.sampled_from(ENDINGS))
def test_an_undamaged_image_is_read_whatever_it_is_called(
    ending: str, seed: int, channels: int, name: str
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"case{name}")
        path.write_bytes(image_damage.encoded(ending, random.Random(seed)))
        pixels = readable(path, channels)
        if pixels is None:
            return
        small, extent = read_image_at(path, channels, (9, 11))
    assert pixels.dtype == small.dtype
    assert pixels.shape == (*extent, channels)
    assert small.shape == (9, 11, channels)
