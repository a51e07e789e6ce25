"""The numbers of TIFF files count as they are stored; what is not read is told with what the file holds."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from segkit.data.images import read_header, read_image, read_image_at, read_raster
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


def written(path: Path, pixels: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


@pytest.mark.parametrize(
    ("pixels", "options", "numbers"),
    [
        (picture(channels=4), {"compression": 7, "photometric": 2}, "numbers compressed by method 7"),
        (SMALL, {"compression": 34887}, "numbers compressed by method 34887"),
        (SMALL, {"photometric": 32803}, "photometric interpretation 32803"),
        (picture(channels=4).astype(np.uint16), {"photometric": 5}, "4 channels of 16-bit integers in CMYK"),
        (np.dstack([FIVE, SMALL]), {"photometric": 5}, "6 channels of 8-bit integers in CMYK"),
        (SMALL.astype(np.uint16), {"photometric": 3}, "16-bit integers in a palette"),
    ],
)
def test_what_is_not_read_is_told(tmp_path, pixels, options, numbers):
    file = tiff(tmp_path / "a.tif", pixels, **options)
    hint = "save it as grey or RGB, without compression or with deflate"

    def is_told(read, channels):
        with fails(rf"a\.tif: images of {numbers} are not read\n  try: {hint}"):
            read(file, channels)

    readers = (read_image, lambda file, channels: read_image_at(file, channels, (6, 9)))
    check_points([is_told], [(read, channels) for read in readers for channels in (1, 3, 4)])


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("uint8", "uint8"), ("uint16", "uint16"), ("int16", "int16"), ("float32", "float32"),
        ("int8", "int16"), ("int32", "float32"), ("uint32", "float32"), ("uint64", "float32"),
        ("float16", "float32"), ("float64", "float32"),
    ],
)  # fmt: skip
def test_numbers_of_every_type_are_read_as_they_are(tmp_path, stored, read, big):
    five = FIVE.astype(stored)
    if stored == "uint16":
        five = five * 257 - 1  # nothing that 8 bits could hold
    elif five.dtype.kind != "u":
        five = five - 100 if stored != "int8" else five
    files = [(five[..., 0], 1, {}), (five[..., :3], 3, {"photometric": RGB}), (five, 5, {"extra": (0,) * 4})]
    for pixels, channels, options in files:
        for planar in (False, True):
            file = tiff(tmp_path / "a.tif", pixels, big=big, planar=planar, **options)
            image, header = read_image(file, channels), read_header(file)
            assert image.dtype == header.dtype == read
            assert (header.channels, header.opacity, header.pages) == (channels, False, 1)
            np.testing.assert_array_equal(image, pixels.reshape(image.shape))
            small, extent = read_image_at(file, channels, (6, 9))
            assert (small.dtype, small.shape, extent) == (image.dtype, (6, 9, channels), image.shape[:2])


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd", "lzma", "packbits"])
def test_every_way_to_store_the_same_numbers_gives_them(tmp_path, compression):
    for kind, predictor in ((np.uint16, 2), (np.float32, 3)):
        numbers = (FIVE.astype(kind) * 100).repeat(3, axis=0).repeat(4, axis=1)
        planes = np.ascontiguousarray(np.moveaxis(numbers, -1, 0))
        for tile in (None, (16, 32)):
            for used in (None, predictor) if compression not in (None, "packbits") else (None,):
                options = {"compression": compression, "predictor": used, "tile": tile, "photometric": 1}
                for planar, pixels in (("contig", numbers), ("separate", planes)):
                    file = written(tmp_path / "a.tif", pixels, planarconfig=planar, **options)
                    np.testing.assert_array_equal(read_image(file, 5), numbers)


def test_where_0_is_white_numbers_are_turned_round(tmp_path):
    for kind, highest in ((np.uint8, 255), (np.uint16, 65535)):
        grey = SMALL.astype(kind) * (highest // 255)
        file = tiff(tmp_path / "a.tif", grey, photometric=0)
        np.testing.assert_array_equal(read_image(file, 1)[..., 0], highest - grey)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_fourth_channel_is_opacity_only_where_the_file_says_so(tmp_path, kind):
    pixels = np.dstack([picture(), np.full_like(SMALL, 200)]).astype(kind) * kind(np.iinfo(kind).max // 255)
    near_infrared = tiff(tmp_path / "a.tif", pixels, photometric=RGB, extra=(0,))
    np.testing.assert_array_equal(read_image(near_infrared, 4), pixels)
    with fails(r"a\.tif: the image has 4 channels, not 3\n  try: data\.channels: 4"):
        read_image(near_infrared, 3)
    marked = tiff(tmp_path / "b.tif", pixels, photometric=RGB, extra=(2,))
    assert read_header(marked).opacity
    assert not read_header(near_infrared).opacity
    np.testing.assert_array_equal(read_image(marked, 4), pixels)
    np.testing.assert_array_equal(read_image(marked, 3), pixels[..., :3])
    with fails(r"b\.tif: the image has 4 channels, the last of which is opacity, not 5"):
        read_image(marked, 5)


def test_colours_multiplied_by_opacity_are_divided_by_it(tmp_path):
    """8-bit ones as Pillow divides them."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 4), np.uint8)
    pixels[:4, :, 3], pixels[4:8, :, 3] = 0, 255
    file = tiff(tmp_path / "a.tif", pixels, photometric=RGB, extra=(1,))
    with Image.open(file) as image:
        np.testing.assert_array_equal(read_image(file, 4), np.asarray(image.convert("RGBA")))
    half = np.dstack([np.full((2, 2, 3), 0.25, np.float32), np.full((2, 2), 0.5, np.float32)])
    file = tiff(tmp_path / "b.tif", half, photometric=RGB, extra=(1,))
    assert (read_image(file, 3) == 0.5).all()


def test_grey_and_rgb_are_converted_with_the_same_weights_in_every_type(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    grey = np.asarray(Image.fromarray(rgb).convert("L"))[..., None]
    np.testing.assert_array_equal(read_image(tiff(tmp_path / "a.tif", rgb, photometric=RGB), 1), grey)
    for kind in (np.uint16, np.float32):
        file = tiff(tmp_path / "a.tif", rgb.astype(kind), photometric=RGB)
        np.testing.assert_allclose(read_image(file, 1), grey, atol=0.51)
        file = tiff(tmp_path / "a.tif", rgb[..., 0].astype(kind))
        np.testing.assert_array_equal(read_image(file, 3), rgb[..., [0, 0, 0]])


def test_pages_are_channels_only_if_as_many_are_asked_for(tmp_path):
    planes = np.moveaxis(FIVE.astype(np.uint16), -1, 0)
    channels = written(tmp_path / "channels.tif", planes, imagej=True, metadata={"axes": "CYX"})
    assert (read_header(channels).channels, read_header(channels).pages) == (5, 1)
    for number, options in enumerate(
        [{"imagej": True, "metadata": {"axes": "ZYX"}}, {"photometric": 1}, {"photometric": 1, "ome": True}]
    ):
        pages = written(tmp_path / f"{number}.tif", planes, **options)
        assert (read_header(pages).channels, read_header(pages).pages) == (1, 5)
        np.testing.assert_array_equal(read_image(pages, 5), FIVE)
        hint = "save each image as a separate file; if they are the channels of one image: data.channels: 5"
        with fails(rf"{number}\.tif: the file holds 5 images of \d+x\d+ pixels\n  try: {hint}"):
            read_image(pages, 3)
        with fails(r"the file holds 5 images of \d+x\d+ pixels"):
            read_raster(pages)
    np.testing.assert_array_equal(read_image(channels, 5), FIVE)
    rows = written(tmp_path / "rows.tif", np.zeros((3, 1, 40, 1), np.uint16), photometric=1)
    assert (read_header(rows).extent, read_header(rows).pages) == ((1, 40), 3)
    planes = planes.astype(np.uint8)
    for options in ({"imagej": True, "metadata": {"axes": "CYX"}}, {"photometric": 1}):
        eight_bits = written(tmp_path / "eight_bits.tif", planes, contiguous=True, **options)
        np.testing.assert_array_equal(read_image(eight_bits, 5), FIVE)
    first, *others = (Image.fromarray(plane).convert("1") for plane in planes[:3])
    first.save(tmp_path / "bits.tif", save_all=True, append_images=others)
    with fails(
        r"bits\.tif: the file holds 3 images of \d+x\d+ pixels\n  try: save each image as a separate file$"
    ):
        read_image(tmp_path / "bits.tif", 3)
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as file:
        file.write(SMALL, metadata=None)
        file.write(SMALL[:5], metadata=None)
    with fails(r"sizes\.tif: the image is damaged: its pages differ in size or type"):
        read_image(tmp_path / "sizes.tif", 2)


@pytest.mark.parametrize("first", ["the image", "a reduced copy"])
def test_of_a_pyramid_the_full_image_is_read(tmp_path, first):
    large = np.tile(picture(), (4, 4, 1))
    copies = [(large, 0), (large[::2, ::2], 1), (large[::4, ::4], 1)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for pixels, kind in copies if first == "the image" else copies[::-1]:
            file.write(pixels, photometric="rgb", subfiletype=kind, tile=(16, 16), metadata=None)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(large, photometric="rgb", subifds=1, tile=(16, 16))
        file.write(large[::2, ::2], photometric="rgb", subfiletype=1, tile=(16, 16))
    for name in ("a.tif", "b.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name, 3), large)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiffs_are_turned_as_pillow_turns_them(tmp_path, orientation):
    file = save(tmp_path / "a.tif", picture(), tiffinfo={274: orientation})
    with Image.open(file) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(file, 3), upright)
    assert read_header(file).extent == upright.shape[:2]
    Image.fromarray(picture()).convert("CMYK").save(file, tiffinfo={274: orientation})
    assert read_image(file, 3).shape == upright.shape
    assert read_header(file).extent == upright.shape[:2]
    Image.fromarray(SMALL).convert("P").save(file, tiffinfo={274: orientation})
    np.testing.assert_array_equal(read_image(file, 1), upright[..., :1])
    tifffile.imwrite(
        file, picture().astype(np.uint16), photometric="rgb", extratags=[(274, 3, 1, orientation)]
    )
    np.testing.assert_array_equal(read_image(file, 3), upright)


@pytest.mark.parametrize("number", [np.nan, np.inf, -1e300])
def test_numbers_without_a_value_name_their_file(tmp_path, number):
    pixels = np.stack([SMALL.astype(np.float64)] * 3, axis=-1)
    pixels[3, 4, 1] = number
    problem = "the image holds NaN or infinity, or numbers beyond 32-bit floating-point ones"
    with fails(
        rf"a\.tif: {problem}: 1 pixel of channel 1 \(from 0\)\n"
        "  try: replace them by a number, such as the lowest one"
    ):
        read_image(tiff(tmp_path / "a.tif", pixels, photometric=RGB), 3)


def test_numbers_that_the_file_lacks_are_not_made_up(tmp_path):
    file = written(tmp_path / "a.tif", np.tile(picture(), (9, 9, 1)), photometric="rgb", rowsperstrip=8)
    whole = file.read_bytes()
    with tifffile.TiffFile(file) as content:
        counts = content.pages[0].tags["StripByteCounts"]
        place = counts.valueoffset
    file.write_bytes(whole[:place] + bytes(2) + whole[place + 2 :])
    with fails(r"a\.tif: the image is damaged: parts of it are missing"):
        read_image(file, 3)
    file.write_bytes(whole[:-100])
    with fails(r"a\.tif: the image is damaged: the file is cut off"):
        read_image(file, 3)


def test_many_numbers_are_refused_before_they_are_decoded(tmp_path):
    planes = np.zeros((1, 1), np.float64)
    file = tiff(tmp_path / "a.tif", planes)
    content = bytearray(file.read_bytes())
    for tag, number in ((256, 22_000), (257, 22_000), (278, 22_000), (277, 10)):
        place = content.index(struct.pack("<HH", tag, 4))
        content[place + 8 : place + 12] = struct.pack("<I", number)
    file.write_bytes(bytes(content))
    with fails(r"a\.tif: the numbers of the image need more than 8 GiB\n  try: make it smaller"):
        read_image(file, 10)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint32, np.float32])
def test_a_mask_may_hold_any_numbers_of_one_channel(tmp_path, kind):
    file = tiff(tmp_path / "m.tif", HALF.astype(kind))
    np.testing.assert_array_equal(read_mask(file, BINARY), HALF)
    np.testing.assert_array_equal(read_mask(file, MULTICLASS), HALF)


def test_a_binary_mask_of_fractions_keeps_its_foreground(tmp_path):
    np.testing.assert_array_equal(read_mask(tiff(tmp_path / "m.tif", HALF * np.float32(0.98)), BINARY), HALF)
    half, missing = HALF.astype(np.float32), np.where(HALF, np.float32(np.nan), np.float32(0))
    half[0] = 0.5
    with fails(r"m\.tif: a binary mask must hold 0 and one other value; this one holds 0, 0\.5, 1"):
        read_mask(tiff(tmp_path / "m.tif", half), BINARY)
    with fails(r"m\.tif: a binary mask must hold 0 and one other value; this one holds 0, nan"):
        read_mask(tiff(tmp_path / "m.tif", missing), BINARY)


def test_a_damaged_file_is_not_called_unsupported(tmp_path):
    file = tiff(tmp_path / "a.tif", picture(), photometric=RGB)
    file.write_bytes(file.read_bytes()[:-40])
    with fails(r"a\.tif: (the image is damaged|this is not a readable image file)"):
        read_image(file, 3)


@pytest.mark.parametrize(("tag", "kind", "content"), [(322, 4, 2**27), (257, 2, 64), (277, 5, 64)])
def test_a_tag_of_another_meaning_costs_no_memory(tmp_path, tag, kind, content):
    """A tile of 25 GB; a height that is a text, and a number of channels that is a fraction."""
    file = written(tmp_path / "a.tif", np.zeros((16, 16), np.float32), tile=(16, 16), compression="packbits")
    damaged = bytearray(file.read_bytes())
    with tifffile.TiffFile(file) as whole:
        place = whole.pages[0].tags[tag].offset
    damaged[place : place + 12] = struct.pack("<HHII", tag, kind, 40 if kind == 2 else 1, content)
    file.write_bytes(bytes(damaged))
    tracemalloc.start()
    with fails(r"a\.tif: (the image is damaged|the numbers of the image need more than 8 GiB|the image has)"):
        read_image(file, 1)
    assert tracemalloc.get_traced_memory()[1] < 2**29
    tracemalloc.stop()
