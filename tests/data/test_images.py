"""Whatever an image is encoded as, its values count; what cannot be understood names its file."""

import errno
import logging
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from segkit.data.images import opened, read_image, read_image_at
from segkit.data.masks import read_mask
from segkit.data.pairing import sample
from segkit.data.resize import resize_image
from tests.data.cases import BINARY, HALF, LOSSLESS, RED, SHAPE, WHITE, fails, palette, picture, save, stack


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


def test_missing_file_is_named(tmp_path):
    with fails(r"none\.png: there is no such file"):
        read_image(tmp_path / "none.png", 3)


def test_empty_file_and_no_image_are_told_apart(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("version https://example.org", encoding="utf-8")
    with fails(r"empty\.png: the file is empty\n  try: copy or download it again"):
        read_image(tmp_path / "empty.png", 3)
    with fails(r"text\.png: this is not a readable image file\n  try: copy or download it again"):
        read_mask(tmp_path / "text.png", BINARY)


def test_folder_is_no_file(tmp_path):
    with fails(r": the file cannot be read: Is a directory"):
        read_image(tmp_path, 3)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "gif"])
def test_truncated_file_is_damaged(tmp_path, ending):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = save(tmp_path / f"a.{ending}", noise)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with fails(rf"a\.{ending}: (the image is damaged: |this is not a readable)"):
        read_image(file, 3)


def huge(file: Path, side: int) -> Path:
    """A PNG without pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + data)
    return file


def size_of(file: Path) -> tuple[int, int]:
    with opened(file) as image:
        return image.size


@pytest.mark.parametrize("side", [12_000, 30_000])
def test_huge_image_is_not_read(tmp_path, side):
    for action in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            with fails(r"a\.png: the image has more than 134 million pixels\n  try: make it smaller"):
                read_image(huge(tmp_path / "a.png", side), 1)


@pytest.mark.parametrize("limit", [1000, Image.MAX_IMAGE_PIXELS, None])
def test_no_warning_tells_of_a_large_image_that_is_read(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    file = huge(tmp_path / "a.png", 10_000)
    with warnings.catch_warnings(), ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("error")
        sizes = {*pool.map(size_of, [file] * 100)}
    assert sizes == {(10_000, 10_000)}
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.posix("there are no named pipes")
@pytest.mark.parametrize("read", [lambda path: read_image(path, 3), lambda path: read_mask(path, BINARY)])
def test_a_pipe_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "a.png")
    with fails(r"a\.png: this is not a file"):
        read(tmp_path / "a.png")


@pytest.mark.posix("links need a privilege there")
def test_a_loop_of_links_is_told(tmp_path):
    (tmp_path / "a.png").symlink_to("a.png")
    with fails(r"a\.png: the file cannot be read: Too many levels of symbolic links"):
        read_image(tmp_path / "a.png", 3)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError("out of memory error when reading image file"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
@pytest.mark.parametrize(
    "step", ["PngImagePlugin.PngImageFile.load", "ImageOps.exif_transpose", "Image.Image.resize"]
)
def test_too_little_memory_is_no_damage(tmp_path, monkeypatch, error, step):
    file = save(tmp_path / "a.png", picture())
    monkeypatch.setattr(f"PIL.{step}", Mock(side_effect=error))
    with pytest.raises(MemoryError, match=r"while reading .*a\.png"):
        read_image_at(file, 3, (6, 9))


@pytest.mark.parametrize("message", ["broken data stream", "could not create decoder object"])
def test_a_decoder_that_does_not_know_of_too_little_memory_is_not_believed(tmp_path, monkeypatch, message):
    """Those of progressive JPEGs and of WebP."""
    file = save(tmp_path / "a.png", picture())
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", Mock(side_effect=OSError(message)))
    with fails(f"the image is damaged: {message}"):
        read_image(file, 3)
    monkeypatch.setattr("segkit.data.images.np.empty", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError, match=r"while reading .*a\.png"):
        read_image(file, 3)


def test_tiff_of_several_images_is_refused(tmp_path):
    page = Image.fromarray(picture())
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
    with fails(r"a\.tif: the file holds 3 images\n  try: save each image as a separate file"):
        read_image(tmp_path / "a.tif", 3)


def photograph(height: int, width: int) -> np.ndarray:
    """Soft, as what a camera sees: a JPEG keeps it nearly."""
    rows, columns = np.mgrid[:height, :width] / 40
    planes = [np.sin(rows + phase) * np.cos(columns * (1 + phase)) for phase in (0, 0.7, 1.9)]
    return (np.stack(planes, axis=-1) * 100 + 128).astype(np.uint8)


@pytest.mark.parametrize("ending", [*LOSSLESS, "jpg"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_image_at_a_size_is_the_image_resized(tmp_path, ending, channels):
    file = tmp_path / f"a.{ending}"
    Image.fromarray(picture()).save(file, **({"lossless": True} if ending == "webp" else {}))
    small, extent = read_image_at(file, channels, (6, 9))
    assert extent == SHAPE
    np.testing.assert_array_equal(small, resize_image(read_image(file, channels), (6, 9)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(301, 215), (160, 400), (41, 37)])
def test_large_jpeg_at_a_size_is_all_of_it_resized(tmp_path, orientation, shape):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(tmp_path / "a.jpg", photograph(*shape), exif=exif)
    whole = read_image(file, 3)
    for size in ((32, 24), (20, 50), (7, 5)):
        small, extent = read_image_at(file, 3, size)
        assert extent == whole.shape[:2]
        np.testing.assert_array_equal(small, resize_image(whole, size))


def test_damaged_jpeg_is_refused_at_a_size_too(tmp_path):
    file = save(tmp_path / "a.jpg", photograph(200, 200))
    file.write_bytes(file.read_bytes()[:2000])
    with fails(r"a\.jpg: the image is damaged: image file is truncated"):
        read_image_at(file, 3, (16, 16))


def test_sizes_in_the_files_are_compared(tmp_path):
    image = save(tmp_path / "a.jpg", photograph(400, 640))
    mask = save(tmp_path / "m.png", np.zeros((400, 641), np.uint8))
    with fails(r"m\.png: the mask is 641x400 pixels, its image 640x400"):
        sample("a", image, mask, BINARY, 3).read_at((16, 16))


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_an_orientation_that_means_nothing_turns_nothing(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(tmp_path / f"a.{ending}", photograph(40, 60), exif=exif)
    small, extent = read_image_at(file, 3, (20, 30))
    assert (small.shape, extent) == ((20, 30, 3), (40, 60))
    assert read_image(file, 3).shape == (40, 60, 3)


@pytest.mark.parametrize("content", [b"P5 2 2 255\n\0\0\0\0", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_other_formats_are_not_read_whatever_they_are_called(tmp_path, content):
    """Some of them start other programs."""
    (tmp_path / "a.png").write_bytes(content)
    with fails(
        r"a\.png: this is not a readable image file\n  try: .*PNG, JPEG, BMP, TIFF, GIF and WebP are read"
    ):
        read_image(tmp_path / "a.png", 1)


def test_what_a_decoder_logs_is_not_printed(tmp_path, capsys):
    """Beside the line of a file that is refused."""
    file = save(tmp_path / "a.tif", picture())
    content = file.read_bytes()
    file.write_bytes(
        content.replace(struct.pack("<HHII", 277, 3, 1, 3), struct.pack("<HHII", 277, 3, 1, 130))
    )
    logging.getLogger("PIL").propagate = False
    try:
        with fails(r"a\.tif"):
            read_image(file, 3)
    finally:
        logging.getLogger("PIL").propagate = True
    assert not capsys.readouterr().err


def test_colours_that_cannot_be_converted_are_named(tmp_path):
    Image.new("LAB", (3, 2)).save(tmp_path / "a.tif")
    with fails(r"a\.tif: images in LAB cannot be converted to L\n  try: save it in RGB or grey"):
        read_image(tmp_path / "a.tif", 1)


def test_damaged_exif_is_told_as_such(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = save(tmp_path / "a.png", picture(), exif=exif.tobytes().replace(b"MM\0*", b"MN\0*"))
    with fails(r"a\.png: the image is damaged: its EXIF orientation cannot be read \("):
        read_image(file, 3)


def test_file_for_another_program_is_no_image_whatever_it_is_called(tmp_path, monkeypatch):
    """Pillow would hand PostScript to Ghostscript."""
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *given, **options: pytest.fail("called"))
    (tmp_path / "a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "EPS"
    for read in (lambda path: read_image(path, 3), lambda path: read_mask(path, BINARY)):
        with fails(r"a\.png: this is not a readable image file\n  try: copy or download it again"):
            read(tmp_path / "a.png")
