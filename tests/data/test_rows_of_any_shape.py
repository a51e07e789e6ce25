"""Images that keep their aspect ratio or their resolution: rows of different shapes, in memory and cached."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segkit.core.errors import DataError
from segkit.core.types import Sample, Task
from segkit.data.cache import store
from segkit.data.cache.array_view import IndexedArrays, channels_of
from segkit.data.cache.cache import Cache
from segkit.data.class_counts import count_classes
from segkit.data.fit import Fit
from segkit.data.measure_range import measure_range
from segkit.data.pairing import pairs_in
from segkit.data.preprocess import Prepared, decode, layout_of, prepare
from segkit.data.resize import resize_image, resize_mask
from segkit.data.same_images import shared_image_warnings
from tests.data.cases import BINARY, MULTILABEL, picture, save

EXTENTS = [(12, 10), (30, 45), (12, 10), (7, 40)]
LETTERBOX, CROP, HALF_SIZE = Fit("letterbox", (16, 24)), Fit("crop", (16, 24)), Fit("crop", (16, 24), 0.5)


def mask_of(extent: tuple[int, int]) -> np.ndarray:
    return (picture(*extent)[..., 0] > 100).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, extent in enumerate(EXTENTS):
        # The camera's orientation of a JPEG: it is stored on its side.
        image, turned = picture(*extent) + np.uint8(number), {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"
            b"\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}  # fmt: skip
        if number % 2:
            save(tmp_path / "images" / f"{number}.jpg", np.rot90(image), **turned)
        else:
            save(tmp_path / "images" / f"{number}.png", image)
        save(tmp_path / "masks" / f"{number}.png", 255 * mask_of(extent))
    return tmp_path


def found(folder: Path) -> list[Sample]:
    return pairs_in(folder / "images", folder / "masks", "{name}", BINARY, 3)[0][""]


def cached(folder: Path, fit: Fit) -> Prepared:
    cache = Cache(folder / "cache", layout_of(fit, BINARY, 3), {"fit": fit.kind, "scale": fit.scale})
    return prepare(found(folder), fit, BINARY, 3, cache=cache)


@pytest.mark.parametrize("fit", [LETTERBOX, CROP, HALF_SIZE], ids=str)
def test_rows_have_the_size_that_their_image_keeps(folder: Path, fit: Fit) -> None:
    in_memory, cold, warm = prepare(found(folder), fit, BINARY, 3), cached(folder, fit), cached(folder, fit)
    assert in_memory.digest() == cold.digest() == warm.digest()
    for prepared in (in_memory, cold, warm):
        assert prepared.names == ["0", "1", "2", "3"]
        for sample, image, mask in zip(found(folder), prepared.images, prepared.masks, strict=True):
            whole, labels = sample.read()
            extent = labels.shape
            np.testing.assert_array_equal(image, resize_image(whole, fit.content(extent)))
            expected = labels if fit.kind == "crop" else resize_mask(labels, fit.content(extent))
            np.testing.assert_array_equal(mask, expected)
    assert {image.shape for image in in_memory.images} == {(*fit.content(each), 3) for each in EXTENTS}
    assert len({file.parent for file in (folder / "cache").glob("*/*.safetensors")}) == 1


def test_a_row_of_the_cache_is_not_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = cached(folder, CROP).images
    window = images[1][3:9, 5:7]
    assert window.shape == (6, 2, 3)
    assert not images[1].flags.owndata
    assert not images[1].flags.writeable
    assert isinstance(images, IndexedArrays)
    assert (len(images), channels_of(images), images.dtype) == (4, 3, np.uint8)
    with pytest.raises(ValueError, match="the rows have 3 shapes"):
        images.copy()
    assert images[::2].copy().shape == (2, 12, 10, 3)
    mapped: list[Path] = []
    monkeypatch.setattr(store, "_mapped", lambda path, map=store._mapped: mapped.append(path) or map(path))
    again = pickle.loads(pickle.dumps(images))
    for row, other in zip(images, again, strict=True):
        np.testing.assert_array_equal(row, other)
    assert len(mapped) == 1  # three arrays of one file, which stays open


def test_windows_of_any_size_share_a_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(folder, CROP)
    monkeypatch.setattr("segkit.data.preprocess._read", None)
    assert len(cached(folder, replace(CROP, size=(8, 8), overlap=0.5))) == 4


def test_a_photograph_is_letterboxed_without_being_held_whole(folder: Path) -> None:
    (_, photograph, *_) = found(folder)

    def fail() -> None:
        raise AssertionError("read() holds the whole photograph")

    image, mask = decode(replace(photograph, read=fail), layout_of(LETTERBOX, BINARY, 3))
    assert (image.shape, mask.shape) == ((16, 24, 3), (16, 24))
    # A tile has the size that its source says, whatever that of the file is.
    tile = replace(photograph, variant="1", read=lambda: (picture(8, 40), mask_of((8, 40))))
    assert decode(tile, layout_of(LETTERBOX, BINARY, 3))[1].shape == (5, 24)


@pytest.mark.parametrize("fit", [LETTERBOX, CROP])
def test_what_does_not_fit_together_is_told(folder: Path, fit: Fit) -> None:
    save(folder / "masks" / "1.png", 255 * mask_of((30, 44)))
    (folder / "images" / "3.jpg").write_bytes(b"no image")
    with pytest.raises(DataError) as error:
        prepare(found(folder), fit, BINARY, 3)
    assert [problem.problem for problem in error.value.problems] == [
        "the mask is 44x30 pixels, its image 45x30",
        "this is not a readable image file",
    ]
    odd = Sample("odd", lambda: (picture(channels=4), mask_of((12, 10))))
    message = r"an image \(\d+, \d+, 4\) of uint8 and a mask \(\d+, \d+\), expected \(H, W, 3\) of uint8, .*"
    with pytest.raises(DataError, match=rf"odd: the source gives {message}, and \(H, W\)\n"):
        prepare([odd], fit, BINARY, 3)


def test_labels_and_bands_and_types_of_rows(tmp_path: Path) -> None:
    task, extents = MULTILABEL, [(6, 8), (9, 5), (6, 8)]
    types = (np.uint8, np.uint16, np.float32)
    samples = [
        Sample(str(n), lambda e=e, t=t: (picture(*e, 4).astype(t), np.stack([mask_of(e)] * 2, -1)))
        for n, (e, t) in enumerate(zip(extents, types, strict=True))
    ]
    prepared = prepare(samples, CROP, task, 2, bands=[3, 0])
    assert [row.shape for row in prepared.images] == [(6, 8, 2), (9, 5, 2), (6, 8, 2)]
    assert isinstance(prepared.images, IndexedArrays)
    assert prepared.images.dtypes == {*map(np.dtype, types)}
    np.testing.assert_array_equal(prepared.images[1], picture(9, 5, 4)[..., [3, 0]])
    counts = count_classes(prepared.masks, task)
    assert counts.pixels == (sum(int(mask_of(extent).sum()) for extent in extents),) * 2
    numbers = np.concatenate([row.reshape(-1, 2) for row in prepared.images])
    for percentile in (None, (5.0, 95.0)):
        measured = measure_range(prepared.images, percentile)
        ends = np.percentile(numbers, percentile or (0, 100), axis=0)
        np.testing.assert_allclose([measured.low, measured.high], ends, atol=1)
    empty = prepare([], CROP, BINARY, 3)
    assert (len(empty), channels_of(empty.images)) == (0, 3)


def test_images_in_two_splits_are_found(folder: Path) -> None:
    samples = {"train": found(folder), "test": found(folder)[2:]}
    samples["test"] = [replace(sample, variant=None) for sample in samples["test"]]
    prepared = {split: prepare(part, CROP, BINARY, 3) for split, part in samples.items()}
    (warning,) = shared_image_warnings(samples, prepared)
    assert warning.startswith("2 of the 2 test images are also training images (2, 3)")


def test_a_task_with_padding_decodes_with_the_values_of_its_files() -> None:
    task = Task("binary", ("lesion",))
    sample = Sample("a", lambda: (picture(), np.full((12, 10), 255, np.uint8)))
    with pytest.raises(DataError, match="a mask of 255, which is not a class"):
        prepare([sample], LETTERBOX, task, 3)
