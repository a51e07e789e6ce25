"""TIFF files that Pillow cannot read, or would read wrong, are refused with what they hold."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.data.images import read_header, read_image, read_image_at
from segkit.data.masks import read_mask
from tests.data.cases import BINARY, HALF, MULTICLASS, fails, picture, save
from tests.points import check_points

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
GREY, RGB = 1, 2


def tiff(
    path: Path, pixels: np.ndarray, *, photometric: int = GREY, extra: tuple[int, ...] = (),
    planar: bool = False, compression: int = 1, big: bool = False,
) -> Path:  # fmt: skip
    """Write (H, W) or (H, W, C) of any numbers as an uncompressed TIFF of one strip per channel or in all."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width, channels = pixels.shape
    planes = [pixels[..., channel] for channel in range(channels)] if planar else [pixels]
    strips = [plane.tobytes() for plane in planes]
    bits, kind = 8 * pixels.dtype.itemsize, {"u": UNSIGNED, "i": SIGNED, "f": FLOAT}[pixels.dtype.kind]
    start = 16 if big else 8
    offsets = [start + sum(map(len, strips[:number])) for number in range(len(strips))]
    tags = {
        256: [width], 257: [height], 258: [bits] * channels, 259: [compression], 262: [photometric],
        273: offsets, 277: [channels], 278: [height], 279: [*map(len, strips)], 284: [2 if planar else 1],
        338: [*extra], 339: [kind] * channels,
    }  # fmt: skip
    path.write_bytes(_file({tag: values for tag, values in tags.items() if values}, b"".join(strips), big))
    return path


def _file(tags: dict[int, list[int]], content: bytes, big: bool) -> bytes:
    word = "Q" if big else "I"  # all values are written as LONG
    size = struct.calcsize(f"<{word}")
    header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16 + len(content)) if big else b""
    header = header or struct.pack("<2sHI", b"II", 42, 8 + len(content))
    count = struct.pack("<Q" if big else "<H", len(tags))
    later = len(header) + len(content) + len(count) + len(tags) * (4 + 2 * size) + size
    entries, values = b"", b""
    for tag, numbers in tags.items():
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(packed) > size:
            place, values = struct.pack(f"<{word}", later + len(values)), values + packed
        else:
            place = packed.ljust(size, b"\0")
        entries += struct.pack(f"<HH{word}", tag, 4, len(numbers)) + place
    return header + content + count + entries + struct.pack(f"<{word}", 0) + values


SMALL = picture()[..., 0]
FIVE = np.dstack([picture(), picture()[..., :2]])


@pytest.mark.parametrize(
    ("pixels", "options", "numbers"),
    [
        (SMALL.astype(np.int8), {}, "8-bit signed integers"),
        (SMALL.astype(np.int16), {}, "16-bit signed integers"),
        (SMALL.astype(np.int32), {}, "32-bit signed integers"),
        (SMALL.astype(np.uint32), {}, "32-bit integers"),
        (SMALL.astype(np.uint64), {}, "64-bit integers"),
        (SMALL.astype(np.float16), {}, "16-bit floating-point numbers"),
        (SMALL.astype(np.float32), {}, "32-bit floating-point numbers"),
        (SMALL.astype(np.float64), {"big": True}, "64-bit floating-point numbers"),
        (SMALL.astype(np.uint16), {"photometric": 0}, "16-bit integers of which 0 is white"),
        (SMALL, {"compression": 34887}, "numbers compressed by method 34887"),
        (SMALL, {"photometric": 32803}, "photometric interpretation 32803"),
        (FIVE[..., :2].astype(np.uint16), {"extra": (2,)}, "2 channels of 16-bit integers"),
        (FIVE, {"extra": (0, 0, 0, 0)}, "5 channels of 8-bit integers"),
        (FIVE, {"extra": (0, 0, 0, 0), "planar": True}, "5 channels of 8-bit integers"),
        (FIVE, {"photometric": RGB, "extra": (0, 0)}, "5 channels of 8-bit integers"),
        (FIVE[..., :2], {"extra": (0,)}, "2 channels of 8-bit integers"),
        (picture().astype(np.float32), {"photometric": RGB}, "3 channels of 32-bit floating-point numbers"),
        (
            picture().astype(np.uint16),
            {"photometric": RGB, "planar": True},
            "3 channels of 16-bit integers, stored one channel after the other",
        ),
    ],
)
def test_what_is_not_read_is_told(tmp_path, pixels, options, numbers):
    file = tiff(tmp_path / "a.tif", pixels, **options)
    hint = "scale its values to the range of 8 or 16 bits; save it as grey, RGB or RGBA in PNG or TIFF"

    def is_told(read, channels):
        with fails(rf"a\.tif: images of {numbers} are not supported yet\n  try: {hint}"):
            read(file, channels)

    readers = (read_image, lambda file, channels: read_image_at(file, channels, (6, 9)))
    check_points([is_told], [(read, channels) for read in readers for channels in (1, 3, 4)])


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_read_has_its_values(tmp_path, kind, big):
    grey, rgb = SMALL.astype(kind), picture().astype(kind)
    if kind == np.uint16:
        grey, rgb = grey * 257, rgb * 257
    np.testing.assert_array_equal(read_image(tiff(tmp_path / "a.tif", grey, big=big), 1)[..., 0], SMALL)
    file = tiff(tmp_path / "b.tif", rgb, photometric=RGB, big=big)
    np.testing.assert_array_equal(read_image(file, 3), picture())


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("meaning", [0, 2])
def test_a_fourth_channel_is_read_whether_it_is_called_alpha_or_not(tmp_path, kind, meaning):
    pixels = np.dstack([picture(), np.full_like(SMALL, 200)])
    deep = pixels.astype(kind) * kind(257 if kind == np.uint16 else 1)
    file = tiff(tmp_path / "a.tif", deep, photometric=RGB, extra=(meaning,))
    np.testing.assert_array_equal(read_image(file, 4), pixels)
    np.testing.assert_array_equal(read_image(file, 3), picture())


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint32, np.float32])
def test_a_mask_may_hold_any_numbers_of_one_channel(tmp_path, kind):
    file = tiff(tmp_path / "m.tif", HALF.astype(kind))
    np.testing.assert_array_equal(read_mask(file, BINARY), HALF)
    np.testing.assert_array_equal(read_mask(file, MULTICLASS), HALF)


def test_a_binary_mask_of_fractions_keeps_its_foreground(tmp_path):
    np.testing.assert_array_equal(read_mask(tiff(tmp_path / "m.tif", HALF * np.float32(0.98)), BINARY), HALF)
    half, missing = HALF.astype(np.float32), np.where(HALF, np.float32(np.nan), np.float32(0))
    half[0] = 0.5
    with fails(r"m\.tif: a binary mask must hold 0 and one other value; this one holds 0\.0, 0\.5, 1\.0"):
        read_mask(tiff(tmp_path / "m.tif", half), BINARY)
    with fails(r"m\.tif: a binary mask must hold 0 and one other value; this one holds 0\.0, nan"):
        read_mask(tiff(tmp_path / "m.tif", missing), BINARY)


def test_a_damaged_file_is_not_called_unsupported(tmp_path):
    file = tiff(tmp_path / "a.tif", picture(), photometric=RGB)
    file.write_bytes(file.read_bytes()[:-40])
    with fails(r"a\.tif: (the image is damaged|this is not a readable image file)"):
        read_image(file, 3)


def test_files_of_sixteen_bits_are_known(tmp_path):
    deep = picture().astype(np.uint16)
    assert read_header(tiff(tmp_path / "a.tif", deep, photometric=RGB)).deep
    assert read_header(tiff(tmp_path / "a.tif", deep[..., 0])).deep
    assert read_header(save(tmp_path / "a.png", deep[..., 0])).deep
    assert cv2.imwrite(str(tmp_path / "colours.png"), deep)
    assert read_header(tmp_path / "colours.png").deep
    for ending in ("png", "tif", "jpg", "bmp", "gif"):
        assert not read_header(save(tmp_path / f"b.{ending}", picture())).deep
    Image.fromarray(picture()).save(tmp_path / "c.tif", compression="tiff_lzw")
    assert not read_header(tmp_path / "c.tif").deep
