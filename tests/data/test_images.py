"""Whatever an image is encoded as, its values count; what cannot be understood names its file."""

import errno
import logging
import os
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image
from scipy.io import savemat

from segkit.data.images import MAX_PIXELS, read_header, read_image, read_image_at, read_raster
from segkit.data.masks import read_mask
from segkit.data.pairing import sample
from segkit.data.readers.open import open_file
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
    grey_and_alpha = save(tmp_path / "grey_and_alpha.png", picture(channels=2))
    np.testing.assert_array_equal(read_image(grey_and_alpha, 2), picture(channels=2))
    np.testing.assert_array_equal(read_image(grey_and_alpha, 4), picture(channels=2)[..., [0, 0, 0, 1]])
    with fails(r"grey\.png: the image has 1 channel, not 4\n  try: data\.channels: 1"):
        read_image(grey, 4)
    with fails(r"alpha\.png: the image has 4 channels, the last of which is opacity, not 2"):
        read_image(alpha, 2)


def test_palette_image_is_read_by_its_colours(tmp_path):
    palette(HALF, [RED, WHITE]).save(tmp_path / "a.png", transparency=b"\x00\xff")
    pixels = read_image(tmp_path / "a.png", 3)
    assert (pixels[HALF == 0] == RED).all()
    assert (pixels[HALF == 1] == WHITE).all()


def test_one_bit_image_is_black_and_white(tmp_path):
    Image.fromarray(HALF * 255).convert("1").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 1)[..., 0], HALF * 255)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_of_a_png_are_kept(tmp_path, channels):
    numbers = np.random.default_rng(0).integers(0, 65536, (*SHAPE, channels), np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(numbers.squeeze()))
    image, header = read_image(tmp_path / "a.png", channels), read_header(tmp_path / "a.png")
    assert image.dtype == header.dtype == "uint16"
    assert (header.channels, header.opacity) == (channels, channels in (2, 4))
    np.testing.assert_array_equal(image, numbers)
    small, _ = read_image_at(tmp_path / "a.png", channels, (6, 5))
    np.testing.assert_allclose(small.mean(), numbers.mean(), rtol=0.1)
    np.testing.assert_array_equal(small, resize_image(numbers, (6, 5)))


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_frames_are_refused_with_their_number(tmp_path, ending):
    frames = [Image.fromarray(np.roll(picture(), number, axis=1)) for number in range(3)]
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:])
    assert read_header(tmp_path / f"a.{ending}").pages == 3
    for read in (lambda file: read_image(file, 3), lambda file: read_image_at(file, 3, (6, 5)), read_raster):
        with fails(
            rf"a\.{ending}: the file holds 3 images of \d+x\d+ pixels\n  try: save each image as a separate"
        ):
            read(tmp_path / f"a.{ending}")
    grey = [frame.convert("L") for frame in frames]
    grey[0].save(tmp_path / f"b.{ending}", save_all=True, append_images=grey[1:])
    with fails(rf"b\.{ending}: the file holds 3 images of \d+x\d+ pixels"):
        read_image(tmp_path / f"b.{ending}", 3)


def test_of_a_camera_s_pair_of_pictures_the_main_one_is_read(tmp_path):
    first, second = Image.fromarray(picture()), Image.fromarray(picture()[::-1].copy())
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second], quality=95, subsampling=0)
    assert read_header(tmp_path / "a.jpg").pages == 1
    assert np.abs(read_image(tmp_path / "a.jpg", 3).astype(int) - picture()).mean() < 3


def test_arrays_are_images(tmp_path):
    for pixels in (picture()[..., 0], picture().astype(">u2"), picture(channels=7).astype(np.float64)):
        np.save(tmp_path / "a.npy", pixels)
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        image = read_image(tmp_path / "a.npy", channels)
        assert image.dtype == read_header(tmp_path / "a.npy").dtype
        assert image.dtype.isnative
        np.testing.assert_array_equal(image, pixels.reshape(*SHAPE, channels))
    for pixels in (np.zeros(4), np.zeros((2, 2, 2, 2)), np.zeros((0, 2))):
        np.save(tmp_path / "a.npy", pixels)
        with fails(
            r"a\.npy: an array of shape .* is not an image\n  try: save it as \(H, W\) or \(H, W, C\)"
        ):
            read_image(tmp_path / "a.npy", 3)
    np.save(tmp_path / "a.npy", np.array([[1j]]))
    with fails(r"a\.npy: the image is damaged: it holds complex128, not numbers"):
        read_image(tmp_path / "a.npy", 1)
    np.save(tmp_path / "a.npy", np.array([[{}]]), allow_pickle=True)
    with fails(r"a\.npy: the image is damaged"):
        read_image(tmp_path / "a.npy", 1)


def test_numbers_of_portable_maps_are_kept_or_refused(tmp_path):
    grey = (picture()[..., 0].astype(np.uint16) * 257 - 1).byteswap().tobytes()
    for content, channels, kind in [
        (b"P5 10 12 255\n" + picture()[..., 0].tobytes(), 1, np.uint8),
        (b"P6 10 12 255\n" + picture().tobytes(), 3, np.uint8),
        (b"P5 10 12 65535\n" + grey, 1, np.uint16),
    ]:
        (tmp_path / "a.ppm").write_bytes(content)
        image = read_image(tmp_path / "a.ppm", channels)
        assert image.dtype == kind
        assert image.astype(image.dtype.newbyteorder(">")).tobytes() == content[-image.nbytes :]
    (tmp_path / "a.ppm").write_bytes(b"P5 10 12 4095\n" + grey)
    with fails(r"a\.ppm: its numbers would be changed by reading\n  try: save it with a maximum of 255"):
        read_image(tmp_path / "a.ppm", 1)


def test_pictures_of_phones_are_read_with_an_extra(tmp_path, monkeypatch):
    large = np.tile(picture(), (4, 4, 1))
    Image.fromarray(large).save(tmp_path / "a.avif", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow_heif.from_pillow(Image.fromarray(large)).save(tmp_path / "a.heic", exif=exif.tobytes(), quality=95)
    for name, upright in (("a.avif", large), ("a.heic", np.rot90(large, -1))):
        image, header = read_image(tmp_path / name, 3), read_header(tmp_path / name)
        assert (header.extent, header.lossy, header.channels) == (upright.shape[:2], True, 3)
        assert np.abs(image.astype(int) - upright).mean() < 12
    numbers = (large.astype(np.uint16) * 4) << 6
    deep = pillow_heif.from_bytes("RGB;16", large.shape[1::-1], numbers.tobytes())
    deep.save(tmp_path / "deep.heic", quality=95)
    image = read_image(tmp_path / "deep.heic", 3)
    assert image.dtype == np.uint16
    assert np.abs(image.astype(int) - numbers // 64).mean() < 48  # of 1023
    (tmp_path / "deep.avif").write_bytes(imagecodecs.avif_encode(numbers // 64, bitspersample=10))
    with fails(r"deep\.avif: AVIF files of 10 bits are not read\n  try: convert it to PNG or TIFF of"):
        read_image(tmp_path / "deep.avif", 3)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    hint = r"pip install 'segkit-torch\[heic\]', or convert the file to PNG or JPEG"
    with fails(rf"a\.heic: HEIC files are read by pillow-heif, which cannot be imported: .*\n  try: {hint}"):
        read_image(tmp_path / "a.heic", 3)


def test_the_only_matrix_of_a_file_is_read(tmp_path):
    file = tmp_path / "m.mat"
    for kind in (np.uint8, np.float64, np.bool_, np.int32):
        savemat(file, {"mask": HALF.astype(kind), "number": 3, "name": "a"}, do_compression=True)
        raster = read_raster(file)
        assert (raster.pixels.dtype, raster.format) == (kind, "MAT")
        np.testing.assert_array_equal(raster.pixels[..., 0], HALF)
    savemat(file, {"mask": HALF, "again": HALF[:5]})
    with fails(r"m\.mat: the file holds 2 matrices: mask \(12x10\), again \(5x10\)\n  try: save the one"):
        read_raster(file)
    savemat(file, {"name": "a"})
    with fails(r"m\.mat: the file holds 0 matrices\n"):
        read_raster(file)
    file.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(500) + b"\x89HDF")
    with fails(r"m\.mat: MATLAB files of version 7\.3 are not read\n  try: save it with -v7, or as PNG"):
        read_raster(file)


def test_what_a_file_stores_is_told_as_it_is(tmp_path):
    palette(HALF, [RED, WHITE]).save(tmp_path / "a.png", transparency=b"\x00\xff")
    raster = read_raster(tmp_path / "a.png")
    np.testing.assert_array_equal(raster.pixels[..., 0], HALF)
    np.testing.assert_array_equal(raster.palette[:2], [(*RED, 0), (*WHITE, 255)])
    palette(HALF, [RED, WHITE]).save(tmp_path / "a.gif")
    raster = read_raster(tmp_path / "a.gif")
    assert raster.palette.shape[1] == 3
    np.testing.assert_array_equal(raster.palette[raster.pixels[..., 0]][3:9, 2:7], np.full((6, 5, 3), 255))
    Image.fromarray(HALF * 255).convert("1").save(tmp_path / "b.tif")
    raster = read_raster(tmp_path / "b.tif")
    assert (raster.pixels.dtype, raster.palette, raster.opacity) == (np.bool_, None, False)
    np.testing.assert_array_equal(raster.pixels[..., 0], HALF)
    raster = read_raster(save(tmp_path / "c.png", picture(channels=4)))
    assert raster.opacity
    assert not raster.lossy
    assert read_raster(save(tmp_path / "c.jpg", picture())).lossy
    assert read_raster(save(tmp_path / "c.tif", picture(), compression="jpeg")).lossy
    assert read_raster(save(tmp_path / "d.tif", HALF.astype(np.float32))).pixels.dtype == np.float32
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "e.tif")
    assert read_raster(tmp_path / "e.tif").pixels.shape == (*SHAPE, 3)


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
    with open_file(file, MAX_PIXELS) as image:
        return image.stored


@pytest.mark.parametrize(
    ("side", "size", "limit"), [(12_000, (8, 8), 134), (30_000, (8, 8), 134), (30_000, None, 536)]
)
def test_huge_image_is_not_read(tmp_path, side, size, limit):
    file = huge(tmp_path / "a.png", side)
    for action in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            with fails(rf"a\.png: the image has more than {limit} million pixels\n  try: make it smaller; "):
                read_image_at(file, 1, size) if size else read_image(file, 1)


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
    monkeypatch.setattr("segkit.data.readers.open.np.empty", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError, match=r"while reading .*a\.png"):
        read_image(file, 3)


def test_tiff_of_several_images_is_refused(tmp_path):
    page = Image.fromarray(picture())
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
    with fails(
        r"a\.tif: the file holds 3 images of \d+x\d+ pixels\n  try: save each image as a separate file"
    ):
        read_image(tmp_path / "a.tif", 3)


def photograph(height: int, width: int) -> np.ndarray:
    """Soft, as what a camera sees: a JPEG keeps it nearly."""
    rows, columns = np.mgrid[:height, :width] / 40
    planes = [np.sin(rows + phase) * np.cos(columns * (1 + phase)) for phase in (0, 0.7, 1.9)]
    return (np.stack(planes, axis=-1) * 100 + 128).astype(np.uint8)


@pytest.mark.parametrize("ending", [*LOSSLESS, "jpg"])
@pytest.mark.parametrize("channels", [1, 3])
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


@pytest.mark.parametrize("content", [b"8BPS\0\1\0\0\0\0", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_other_formats_are_not_read_whatever_they_are_called(tmp_path, content):
    """Some of them start other programs."""
    (tmp_path / "a.png").write_bytes(content)
    with fails(
        r"a\.png: this is not a readable image file\n  try: .*PNG, JPEG, BMP, TIFF, GIF, WebP, PPM, HEIC"
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
