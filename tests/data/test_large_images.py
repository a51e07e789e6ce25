"""Images that do not fit into memory: the same pixels as others, in files and by strips."""

from __future__ import annotations

import errno
import gc
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segkit.core.types import Sample, Task
from segkit.data import large_arrays
from segkit.data.cache.cache import Cache
from segkit.data.class_counts import count_classes
from segkit.data.fit import Fit
from segkit.data.images import read_image
from segkit.data.large_arrays import by_strips, is_in_file, strips, subsampled
from segkit.data.measure_range import clipped_images, measure_range
from segkit.data.pairing import sample
from segkit.data.pixel_range import PixelRange
from segkit.data.preprocess import layout_of, prepare
from segkit.data.resize import resize_image
from tests.data.cases import BINARY, MULTICLASS, palette, save

SIDE = 96
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (SIDE, SIDE - 9, 3), np.uint8)
MASK = (COLOURS[..., 0] > 127).astype(np.uint8)
TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.fixture
def _all_are_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(large_arrays, "_LARGE", 0)
    monkeypatch.setattr(large_arrays, "_STRIP", 2000)
    monkeypatch.setattr(large_arrays, "_MAX_RESIDENT", -(1 << 40))  # pages are given back at once
    monkeypatch.setenv("SEGKIT_CACHE", str(tmp_path))


def files(folder: Path) -> dict[str, tuple[Path, int]]:
    """Images of all kinds, with the number of channels as which they are read."""
    deep = RNG.integers(0, 2**16, (*COLOURS.shape[:2], 3), np.uint16)
    opaque = np.dstack([COLOURS, np.full_like(MASK, 255)])
    tiled = {"tile": (32, 48), "compression": "deflate", "photometric": "rgb"}
    tifffile.imwrite(folder / "tiles.tif", deep, **tiled)
    tifffile.imwrite(folder / "planes.tif", np.moveaxis(COLOURS, -1, 0), photometric="rgb", rowsperstrip=7)
    tifffile.imwrite(folder / "lzw.tif", COLOURS, photometric="rgb", compression="lzw", rowsperstrip=9)
    tifffile.imwrite(folder / "float.tif", deep.astype(np.float64) / 7, photometric="rgb")
    return {
        "png": (save(folder / "rgb.png", COLOURS), 3),
        "turned": (save(folder / "turned.png", COLOURS, exif=TURNED), 3),
        "opacity": (save(folder / "rgba.png", opaque), 3),
        "grey": (save(folder / "grey.png", COLOURS[..., 0]), 3),
        "jpeg": (save(folder / "rgb.jpg", COLOURS, quality=90), 3),
        "progressive": (save(folder / "p.jpg", COLOURS, progressive=True, subsampling=0, exif=TURNED), 3),
        "to grey": (save(folder / "g.jpg", COLOURS), 1),
        "bmp": (save(folder / "rgb.bmp", COLOURS), 3),
        **{name: (folder / f"{name}.tif", 3) for name in ("tiles", "planes", "lzw", "float")},
    }


def test_images_are_read_as_small_ones_are(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kinds = files(tmp_path)
    small = {kind: read_image(*given) for kind, given in kinds.items()}
    request.getfixturevalue("_all_are_large")
    for kind, given in kinds.items():
        image = read_image(*given)
        assert is_in_file(image), kind
        assert image.dtype == small[kind].dtype
        np.testing.assert_array_equal(image, small[kind], err_msg=kind)


def test_masks_are_read_as_small_ones_are(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    image, indices = save(tmp_path / "a.png", COLOURS), MASK + (COLOURS[..., 1] > 200)
    masks = {
        "grey": (save(tmp_path / "grey.png", 255 * MASK), BINARY),
        "bit": (tmp_path / "bit.png", BINARY),
        "indices": (save(tmp_path / "indices.png", indices), MULTICLASS),
        "palette": (tmp_path / "palette.png", MULTICLASS),
        "values": (save(tmp_path / "values.png", 7 * MASK), Task("binary", ("a",), 255, (("a", (7,)),))),
    }
    Image.fromarray(255 * MASK).convert("1").save(masks["bit"][0])
    palette(indices, [(0, 0, 0), (255, 0, 0), (0, 255, 0)]).save(masks["palette"][0])
    samples = {kind: sample("a", image, mask, task, 3) for kind, (mask, task) in masks.items()}
    small = {kind: entry.read()[1] for kind, entry in samples.items()}
    request.getfixturevalue("_all_are_large")
    for kind, entry in samples.items():
        np.testing.assert_array_equal(entry.read()[1], small[kind], err_msg=kind)


def gives_pages_back() -> bool:
    return large_arrays.THREAD in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("scale", [1.0, 0.37, 1.9])
def test_images_get_into_the_cache_by_way_of_files(
    tmp_path: Path, request: pytest.FixtureRequest, scale: float
) -> None:
    fit = Fit("crop", (32, 32), scale)
    pair = sample("a", save(tmp_path / "a.png", COLOURS), save(tmp_path / "m.png", 255 * MASK), BINARY, 3)
    whole = prepare([pair], fit, BINARY, 2, bands=[2, 0])
    counts, measured = count_classes(whole.masks, BINARY), measure_range(whole.images, (1, 99))
    clipped = PixelRange((0, 0), (128, 128))
    assert clipped_images(whole.images, clipped) == []
    request.getfixturevalue("_all_are_large")
    cache = Cache(tmp_path / "cache", layout_of(fit, BINARY, 2), {})
    held = prepare([pair], fit, BINARY, 2, bands=[2, 0])
    assert is_in_file(held.images[0])
    assert gives_pages_back()
    for prepared in (held, prepare([pair], fit, BINARY, 2, bands=[2, 0], cache=cache)):
        # Parts of an image are resized as the whole is, but for rounding.
        assert np.abs(prepared.images[0].astype(int) - whole.images[0]).max() <= (scale != 1)
        np.testing.assert_array_equal(prepared.masks[0], whole.masks[0])
        assert count_classes(prepared.masks, BINARY) == counts
        if scale == 1:
            assert prepared.digest() == whole.digest()
            assert measure_range(prepared.images, (1, 99)) == measured
            assert clipped_images(prepared.images, clipped) == []
            assert clipped_images(prepared.images, PixelRange((0, 0), (120, 120))) == [0]


@pytest.mark.usefixtures("_all_are_large")
def test_files_and_thread_go_with_the_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = large_arrays.empty((50, 3), np.uint16)
    array[:] = np.arange(150).reshape(50, 3)
    assert is_in_file(array[3:])
    assert [*strips(array)] == [slice(0, 50)]
    assert by_strips(lambda part: part, array) is array
    large_arrays.give_back_pages()
    assert array.sum() == np.arange(150).sum()  # what was given back is read again
    assert [*tmp_path.iterdir()] == []  # the file has no name
    monkeypatch.setattr(large_arrays.os, "posix_fallocate", _full_disk)
    assert not is_in_file(large_arrays.empty((50, 3), np.uint16))
    del array
    gc.collect()
    for _ in range(100):
        if not gives_pages_back():
            return
        threading.Event().wait(0.05)
    raise AssertionError("the thread goes on")


@pytest.mark.usefixtures("_all_are_large")
@pytest.mark.parametrize("step", [1, 2, 7, 50])
def test_every_nth_row_and_column_of_all_strips(step: int) -> None:
    array = large_arrays.empty((100, 40, 3), np.uint8)
    array[:] = RNG.integers(0, 256, array.shape)
    assert len([*strips(array)]) == 7
    np.testing.assert_array_equal(subsampled(array, step), array[::step, ::step])


def _full_disk(*_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("_all_are_large")
def test_generated_images_stay_what_they_are() -> None:
    image, mask = np.full((9, 9, 3), 7, np.uint8), np.zeros((9, 9), np.uint8)
    held = prepare([Sample("a", lambda: (image, mask))], Fit("crop", (8, 8)), BINARY, 3)
    image[:] = 0  # the source uses its array again
    assert (held.images[0] == 7).all()
    np.testing.assert_array_equal(resize_image(held.images[0], (4, 4)), np.full((4, 4, 3), 7))
