"""Whatever an image or a mask is encoded as, its values count; what cannot be understood names its file."""

import struct
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segkit.data.files import read_image, read_image_at, read_mask, read_mask_at
from segkit.data.pairing import sample
from segkit.data.resize import resize_image, resize_mask
from segkit.errors import DataError

from .cases import BINARY, HALF, MULTICLASS, SHAPE, palette, picture, save

IGNORING = replace(BINARY, ignore_index=255)
INDICES = HALF + (picture()[..., 0] > 100)  # 0, 1 and 2
LOSSLESS = ["png", "bmp", "tif", "gif", "webp"]
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def fails(message: str):
    return pytest.raises(DataError, match=message)


def stack(pixels: np.ndarray) -> np.ndarray:
    return np.stack([pixels] * 3, axis=-1)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_image_is_read_as_it_was_saved(tmp_path, ending, channels):
    pixels = picture(channels=channels)
    file = save(tmp_path / f"a.{ending}", pixels if channels == 3 else pixels[..., 0])
    np.testing.assert_array_equal(read_image(file, channels), pixels)


def test_image_in_a_jpeg_is_nearly_what_was_saved(tmp_path):
    file = save(tmp_path / "a.jpg", picture(), quality=95, subsampling=0)
    assert np.abs(read_image(file, 3).astype(int) - picture()).mean() < 3


def test_image_has_the_channels_that_are_asked_for(tmp_path):
    grey = save(tmp_path / "grey.png", picture()[..., 0])
    alpha = save(tmp_path / "alpha.png", picture(channels=4))
    np.testing.assert_array_equal(read_image(grey, 3), stack(picture()[..., 0]))
    np.testing.assert_array_equal(read_image(alpha, 4), picture(channels=4))
    np.testing.assert_array_equal(read_image(alpha, 3), picture())
    assert read_image(alpha, 1).shape == (*SHAPE, 1)
    assert (read_image(grey, 4)[..., 3] == 255).all()


def test_palette_image_is_read_by_its_colours(tmp_path):
    palette(HALF, [RED, WHITE]).save(tmp_path / "a.png", transparency=b"\x00\xff")
    pixels = read_image(tmp_path / "a.png", 3)
    assert (pixels[HALF == 0] == RED).all()
    assert (pixels[HALF == 1] == WHITE).all()


def test_one_bit_image_is_black_and_white(tmp_path):
    Image.fromarray(HALF * 255).convert("1").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 1)[..., 0], HALF * 255)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_image_is_scaled_by_its_type(tmp_path, ending):
    deep = np.array([[0, 256, 257], [1000, 32768, 65535]], np.uint16)
    pixels = read_image(save(tmp_path / f"a.{ending}", deep), 1)[..., 0]
    np.testing.assert_array_equal(pixels, [[0, 0, 1], [3, 127, 255]])


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_image_of_numbers_without_a_range_is_refused(tmp_path, kind):
    file = save(tmp_path / "a.tif", picture()[..., 0].astype(kind))
    with fails(r"a\.tif: the image holds 32-bit numbers(.|\n)*save it with 8 or 16 bits"):
        read_image(file, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_and_mask_are_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = read_image(save(tmp_path / "a.png", picture(), exif=exif), 3)
    assert upright.shape[:2] == (SHAPE if orientation < 5 else SHAPE[::-1])
    first = [(0, 0), (0, -1), (-1, -1), (-1, 0), (0, 0), (0, -1), (-1, -1), (-1, 0)][orientation - 1]
    np.testing.assert_array_equal(upright[first], picture()[0, 0])
    mask = read_mask(save(tmp_path / "m.png", HALF * 255, exif=exif), BINARY)
    assert mask.shape == upright.shape[:2]


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
        rf"m\.png: a binary mask holds 0 and one other value, and this one {listed}\n  try: 0 is back"
    ):
        read_mask(file, BINARY)


def test_binary_mask_of_three_colours_is_refused_though_two_are_equally_bright(tmp_path):
    image = palette(INDICES, [BLACK, RED, (0, 130, 0)])
    image.save(tmp_path / "m.png")
    with fails(
        r"m\.png: a binary mask holds black and one other colour, and this one #000000, #008200, #ff0000"
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
    with fails("holds 0 and one other value, and this one 0, 1, 255"):
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
    hint = "classes are 0 to 2; data.ignore_index names a value to leave out"
    with fails(rf"m\.png: the mask holds 9, 255, which is no class\n  try: {hint}"):
        read_mask(file, MULTICLASS)
    with fails(r"the mask holds 9, which is no class"):
        read_mask(file, replace(MULTICLASS, ignore_index=255))


def test_multiclass_mask_keeps_what_is_ignored(tmp_path):
    pixels = np.where(INDICES == 2, 255, INDICES).astype(np.uint8)
    mask = read_mask(save(tmp_path / "m.png", pixels), replace(MULTICLASS, ignore_index=255))
    np.testing.assert_array_equal(mask, pixels)


def test_multiclass_mask_in_colours_needs_their_names(tmp_path):
    file = save(tmp_path / "m.png", stack(INDICES) * np.array(RED, np.uint8))
    with fails(
        r"m\.png: the mask is a colour image, where class indices are wanted\n  try: data.source.colours"
    ):
        read_mask(file, MULTICLASS)


def test_coloured_mask_is_read_by_the_named_colours(tmp_path):
    colours = {BLACK: 0, RED: 1, (0, 130, 0): 2}
    image = palette(INDICES, [*colours])
    for name, saved in {"palette": image, "rgb": image.convert("RGB")}.items():
        saved.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.png", MULTICLASS, colours), INDICES)
    with fails(
        r"rgb\.png: the mask holds #008200, which is no class's colour\n  try: name it in data.source.c"
    ):
        read_mask(tmp_path / "rgb.png", MULTICLASS, {BLACK: 0, RED: 1})


def test_missing_file_is_named(tmp_path):
    with fails(r"none\.png: there is no such file"):
        read_image(tmp_path / "none.png", 3)


def test_empty_file_and_no_image_are_told_apart(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("version https://example.org", encoding="utf-8")
    with fails(r"empty\.png: the file is empty\n  try: copy or download it again"):
        read_image(tmp_path / "empty.png", 3)
    with fails(r"text\.png: this is no image that can be read\n  try: copy or download it again"):
        read_mask(tmp_path / "text.png", BINARY)


def test_folder_is_no_file(tmp_path):
    with fails(r": the file cannot be read: Is a directory"):
        read_image(tmp_path, 3)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "gif"])
def test_truncated_file_is_damaged(tmp_path, ending):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = save(tmp_path / f"a.{ending}", noise)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with fails(rf"a\.{ending}: (the image is damaged: |this is no image)"):
        read_image(file, 3)


@pytest.mark.parametrize("side", [12_000, 30_000])
def test_huge_image_is_not_read(tmp_path, side):
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + data)
    for action in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            with fails(r"a\.png: the image has more than 134 million pixels\n  try: make it smaller"):
                read_image(tmp_path / "a.png", 1)


def test_tiff_of_several_images_is_refused(tmp_path):
    page = Image.fromarray(picture())
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
    with fails(r"a\.tif: the file holds 3 images\n  try: save each of them as a file of its own"):
        read_image(tmp_path / "a.tif", 3)


def photograph(height: int, width: int) -> np.ndarray:
    """Soft, as what a camera sees: a JPEG keeps it nearly."""
    rows, columns = np.mgrid[:height, :width] / 40
    planes = [np.sin(rows + phase) * np.cos(columns * (1 + phase)) for phase in (0, 0.7, 1.9)]
    return (np.stack(planes, axis=-1) * 100 + 128).astype(np.uint8)


@pytest.mark.parametrize("ending", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_image_at_a_size_is_the_image_resized(tmp_path, ending, channels):
    file = tmp_path / f"a.{ending}"
    Image.fromarray(picture()).save(file, **({"lossless": True} if ending == "webp" else {}))
    small, extent = read_image_at(file, channels, (6, 9))
    assert extent == SHAPE
    np.testing.assert_array_equal(small, resize_image(read_image(file, channels), (6, 9)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(301, 215), (160, 400), (41, 37)])
def test_jpeg_at_a_size_is_upright_and_where_it_was(tmp_path, orientation, shape):
    """Also where its sides are no multiples of what divides them: nothing moves by a part of a pixel."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(tmp_path / "a.jpg", photograph(*shape), exif=exif, quality=95, subsampling=0)
    whole = read_image(file, 3)
    for size in ((32, 24), (20, 50), (7, 5)):
        small, extent = read_image_at(file, 3, size)
        assert extent == whole.shape[:2]
        off = small.astype(int) - resize_image(whole, size)
        assert np.abs(off).mean() < 1.5
        assert abs(off.mean()) < 0.5


def test_jpeg_is_decoded_no_smaller_than_it_is_wanted(tmp_path, monkeypatch):
    decoded = []
    original = Image.Image.resize

    def seen(image, *given, **options):
        decoded.append(image.size)
        return original(image, *given, **options)

    monkeypatch.setattr(Image.Image, "resize", seen)
    file = save(tmp_path / "a.jpg", photograph(400, 640))
    for size in ((50, 80), (51, 80), (100, 100), (400, 640), (800, 800)):
        read_image_at(file, 3, size)
    assert decoded == [(80, 50), (160, 100), (160, 100), (640, 400), (640, 400)]


@pytest.mark.parametrize("channels", [1, 4])
def test_jpeg_at_a_size_has_the_channels_that_are_asked_for(tmp_path, channels):
    file = save(tmp_path / "a.jpg", photograph(80, 80), quality=95)
    small, _ = read_image_at(file, channels, (10, 10))
    assert np.abs(small.astype(int) - resize_image(read_image(file, channels), (10, 10))).mean() < 1.5


def test_damaged_jpeg_is_refused_at_a_size_too(tmp_path):
    file = save(tmp_path / "a.jpg", photograph(200, 200))
    file.write_bytes(file.read_bytes()[:2000])
    with fails(r"a\.jpg: the image is damaged: image file is truncated"):
        read_image_at(file, 3, (16, 16))


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
    with fails("a binary mask holds 0 and one other value, and this one 0, 77, 255"):
        read_mask_at(save(tmp_path / "m.png", pixels), BINARY, (2, 2))


def test_true_sizes_are_compared(tmp_path):
    """Not those that a JPEG was decoded at."""
    image = save(tmp_path / "a.jpg", photograph(400, 640))
    mask = save(tmp_path / "m.png", np.zeros((400, 641), np.uint8))
    with fails(r"m\.png: the mask is 641x400 pixels, its image 640x400"):
        sample("a", image, mask, BINARY, 3).read_at((16, 16))


def test_file_for_another_program_is_no_image_whatever_it_is_called(tmp_path, monkeypatch):
    """Pillow would hand PostScript to Ghostscript."""
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *given, **options: pytest.fail("called"))
    (tmp_path / "a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "EPS"
    for read in (lambda path: read_image(path, 3), lambda path: read_mask(path, BINARY)):
        with fails(r"a\.png: this is no image that can be read\n  try: copy or download it again"):
            read(tmp_path / "a.png")
