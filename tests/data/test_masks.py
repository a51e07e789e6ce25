"""Whatever a mask is encoded as, its values count; what cannot be understood names its file."""

from dataclasses import replace

import numpy as np
import pytest

from segkit.data.masks import read_mask, read_mask_at
from segkit.data.resize import resize_mask
from tests.data.cases import (
    BINARY,
    BLACK,
    HALF,
    IGNORING,
    INDICES,
    LOSSLESS,
    MULTICLASS,
    RED,
    SHAPE,
    WHITE,
    fails,
    palette,
    picture,
    save,
    stack,
)  # fmt: skip


@pytest.mark.parametrize("ending", LOSSLESS)
@pytest.mark.parametrize("foreground", [1, 255])
def test_binary_mask_of_any_lossless_file(tmp_path, ending, foreground):
    options = {"lossless": True} if ending == "webp" else {}
    file = save(tmp_path / f"m.{ending}", HALF * np.uint8(foreground), **options)
    np.testing.assert_array_equal(read_mask(file, BINARY), HALF)


@pytest.mark.parametrize(
    "pixels",
    [
        HALF * np.uint8(7),
        HALF.astype(bool),
        HALF.astype(np.uint16) * 65535,
        HALF.astype(np.uint16) * 255,
        HALF.astype(np.int32),
        stack(HALF * np.uint8(255)),
        stack(HALF) * np.array(RED, np.uint8),
        np.dstack([stack(HALF * np.uint8(255)), np.full(SHAPE, 255, np.uint8)]),
    ],
    ids=["grey 7", "1-bit", "16-bit", "16-bit 255", "32-bit", "RGB", "red", "RGBA"],
)
def test_binary_mask_of_any_encoding(tmp_path, pixels):
    file = save(tmp_path / "m.tif", pixels)
    np.testing.assert_array_equal(read_mask(file, BINARY), HALF)


@pytest.mark.parametrize("other", [WHITE, (1, 1, 1), RED])
def test_binary_mask_with_an_inverted_palette_is_read_by_its_colours(tmp_path, other):
    palette(1 - HALF, [other, BLACK]).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", BINARY), HALF)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (1, 1), (255, 1)])
def test_binary_mask_may_hold_one_value_only(tmp_path, value, expected):
    mask = read_mask(save(tmp_path / "m.png", np.full(SHAPE, value, np.uint8)), BINARY)
    assert (mask == expected).all()


@pytest.mark.parametrize(
    ("pixels", "listed"),
    [
        (HALF * np.uint8(127) + picture()[..., 0] % 2, "0, 1, 127, 128"),
        (picture()[..., 0], "0, 3, 6, 9, 12 and .* more"),
        (np.full(SHAPE, 76, np.uint8), "76"),
        (HALF * np.uint8(50) + 5, "5, 55"),
    ],
)
def test_binary_mask_of_other_values_is_refused(tmp_path, pixels, listed):
    file = save(tmp_path / "m.png", pixels)
    with fails(
        rf"m\.png: a binary mask must hold 0 and one other value; this one holds {listed}\n  try: 0 is back"
    ):
        read_mask(file, BINARY)


def test_binary_mask_of_three_colours_is_refused_though_two_are_equally_bright(tmp_path):
    image = palette(INDICES, [BLACK, RED, (0, 130, 0)])
    image.save(tmp_path / "m.png")
    with fails(
        r"m\.png: a binary mask must hold black and one other colour; this one holds #000000, #008200"
    ):
        read_mask(tmp_path / "m.png", BINARY)


@pytest.mark.parametrize("colours", [None, {BLACK: 0, WHITE: 1}])
def test_mask_whose_meaning_may_lie_in_its_transparency_is_refused(tmp_path, colours):
    file = save(tmp_path / "m.png", np.dstack([np.zeros((*SHAPE, 3), np.uint8), HALF * 255]))
    with fails(r"m\.png: the mask is partly transparent\n  try: save it without transparency"):
        read_mask(file, BINARY, colours)


def test_binary_mask_keeps_what_is_ignored(tmp_path):
    pixels = HALF.copy()
    pixels[0] = 255
    mask = read_mask(save(tmp_path / "m.png", pixels), IGNORING)
    np.testing.assert_array_equal(mask, pixels)
    with fails("hold 0 and one other value; this one holds 0, 1, 255"):
        read_mask(tmp_path / "m.png", BINARY)


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_binary_jpeg_is_black_and_white(tmp_path, quality):
    large = np.zeros((96, 96), np.uint8)
    large[20:70, 30:80] = 1
    for pixels in (large * 255, stack(large * 255)):
        file = save(tmp_path / "m.jpg", pixels, quality=quality)
        np.testing.assert_array_equal(read_mask(file, BINARY), large)
    empty = save(tmp_path / "e.jpg", large * 0)
    assert not read_mask(empty, BINARY).any()


@pytest.mark.parametrize(
    "pixels", [HALF, HALF * np.uint8(128), stack(HALF) * np.array(RED, np.uint8), picture()]
)
def test_binary_jpeg_of_more_than_black_and_white_is_refused(tmp_path, pixels):
    file = save(tmp_path / "m.jpg", np.kron(pixels, np.ones((8, 8, 1)[: pixels.ndim], np.uint8)))
    with fails(
        r"m\.jpg: the mask is a JPEG, which keeps no exact values, and holds more than black and white"
    ):
        read_mask(file, BINARY)


def test_jpeg_cannot_keep_what_is_ignored_or_indexed(tmp_path):
    file = save(tmp_path / "m.jpg", np.zeros((16, 16), np.uint8))
    with fails(r"m\.jpg: the mask is a JPEG, which keeps no exact values(.|\n)*save masks as PNG"):
        read_mask(file, IGNORING)
    with fails(r"m\.jpg: the mask is a JPEG, which keeps no exact values\n  try: save masks as PNG"):
        read_mask(file, MULTICLASS)


@pytest.mark.parametrize("pixels", [INDICES, stack(INDICES), INDICES.astype(np.uint16)])
def test_multiclass_mask_holds_indices(tmp_path, pixels):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", pixels), MULTICLASS), INDICES)


def test_multiclass_palette_mask_holds_indices_whatever_their_colours(tmp_path):
    image = palette(INDICES, [WHITE, RED, BLACK])
    image.save(tmp_path / "m.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", MULTICLASS), INDICES)


def test_multiclass_mask_of_unknown_values_is_refused(tmp_path):
    pixels = INDICES.copy()
    pixels[0, :2] = 9, 255
    file = save(tmp_path / "m.png", pixels)
    hint = "classes are 0 to 2; set data.ignore_index to a value to leave out"
    with fails(rf"m\.png: the mask holds 9, 255, which is not a class\n  try: {hint}"):
        read_mask(file, MULTICLASS)
    with fails(r"the mask holds 9, which is not a class"):
        read_mask(file, replace(MULTICLASS, ignore_index=255))


def test_multiclass_mask_keeps_what_is_ignored(tmp_path):
    pixels = np.where(INDICES == 2, 255, INDICES).astype(np.uint8)
    mask = read_mask(save(tmp_path / "m.png", pixels), replace(MULTICLASS, ignore_index=255))
    np.testing.assert_array_equal(mask, pixels)


def test_multiclass_mask_in_colours_needs_their_names(tmp_path):
    file = save(tmp_path / "m.png", stack(INDICES) * np.array(RED, np.uint8))
    with fails(r"m\.png: the mask is a colour image, not an image of class indices\n  try: set the RGB"):
        read_mask(file, MULTICLASS)


def test_coloured_mask_is_read_by_the_named_colours(tmp_path):
    colours = {BLACK: 0, RED: 1, (0, 130, 0): 2}
    image = palette(INDICES, [*colours])
    for name, saved in {"palette": image, "rgb": image.convert("RGB")}.items():
        saved.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.png", MULTICLASS, colours), INDICES)
    with fails(r"rgb\.png: the mask holds #008200, which is not the colour of any class\n  try: name it in"):
        read_mask(tmp_path / "rgb.png", MULTICLASS, {BLACK: 0, RED: 1})


@pytest.mark.parametrize("task", [BINARY, IGNORING, MULTICLASS])
@pytest.mark.parametrize("size", [(6, 9), SHAPE, (1, 1), (30, 20)])
def test_mask_at_a_size_is_the_mask_thinned_out(tmp_path, task, size):
    pixels = {BINARY: HALF * 255, IGNORING: HALF, MULTICLASS: INDICES}[task]
    file = save(tmp_path / "m.png", pixels)
    small, extent = read_mask_at(file, task, size)
    assert extent == SHAPE
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, resize_mask(read_mask(file, task), size))


def test_pixel_that_is_left_out_is_checked_all_the_same(tmp_path):
    pixels = HALF * 255
    pixels[1, 1] = 77
    assert 77 not in resize_mask(pixels, (2, 2))
    with fails("a binary mask must hold 0 and one other value; this one holds 0, 77, 255"):
        read_mask_at(save(tmp_path / "m.png", pixels), BINARY, (2, 2))
