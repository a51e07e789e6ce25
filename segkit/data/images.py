"""Reading of image files: their numbers in the type and the channels of an image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from segkit.core.errors import DataError
from segkit.core.types import Pixels
from segkit.data.fit import Fit
from segkit.data.large_arrays import by_strips
from segkit.data.readers.open import open_file
from segkit.data.readers.pillow import PillowFile, to_array
from segkit.data.readers.raster import Extent, Header, ImageFile, Numbers, Raster, image_type
from segkit.data.resize import resize, resize_image
from segkit.utils.listing import listed

ENDINGS = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pbm", ".pgm", ".ppm", ".pnm",
    ".heic", ".heif", ".hif", ".avif", ".npy", ".mat",
)  # fmt: skip
MAX_PIXELS = 2**27  # 134 million, of images that are resized
MAX_LARGE = 2**29  # 537 million; larger files are mistakes or decompression bombs
_SEPARATE = "save each image as a separate file; "
_RED, _GREEN, _BLUE = 19595 / 2**16, 38470 / 2**16, 7471 / 2**16  # of grey: ITU-R 601, as in Pillow


def read_image(path: Path, channels: int, max_pixels: int = MAX_LARGE) -> Pixels:
    """Read an image as (H, W, channels), with its EXIF orientation applied.

    Its numbers keep their type if it is uint8, uint16 or int16. One bit becomes 0 and 255, int8 int16; all
    others become float32.

    Args:
        path: image file.
        channels: channels of the file, with or without opacity; grey is read as 3, and RGB as 1. Pages of one
            channel count as channels if there are as many.
        max_pixels: limit of height times width.

    Raises:
        DataError: if the file is missing, damaged or too large, has another number of channels or several
            images, or holds NaN or infinity.
    """
    with open_file(path, max_pixels) as file:
        return _read(file, path, channels, None)


def read_image_at(path: Path, channels: int, size: Extent | Fit) -> tuple[Pixels, Extent]:
    """Read an image at (height, width), or at the size of a fit; returns it and its upright size in the file.

    Raises:
        DataError: as `read_image`.
    """
    in_windows = isinstance(size, Fit) and size.is_native
    with open_file(path, MAX_LARGE if in_windows else MAX_PIXELS) as file:
        at = size.content(file.header.extent) if isinstance(size, Fit) else size
        return _read(file, path, channels, at), file.header.extent


def read_header(path: Path, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the metadata of an image file; numbers are decoded only of a PNG.

    Raises:
        DataError: if the file is missing, not an image, or has more than `max_pixels`.
    """
    with open_file(path, max_pixels) as file:
        return file.header


def extent_in_header(path: Path) -> Extent | None:
    """Upright (height, width) of an image file; None for a PNG, whose orientation may stand at its end.

    Raises:
        DataError: as `read_header`.
    """
    with open_file(path, MAX_PIXELS) as file:
        return None if isinstance(file, PillowFile) and file.format == "PNG" else file.header.extent


def read_raster(path: Path, max_pixels: int = MAX_LARGE) -> Raster:
    """Read the numbers of a file as they are stored, of any type, such as those of a mask.

    Raises:
        DataError: if the file is missing, damaged or too large, or has several images.
    """
    with open_file(path, max_pixels) as file:
        if file.header.pages > 1:
            raise _several_images(file.header, path, may_be_channels=False)
        return file.raster()


def channels_to_read(path: Path) -> int:
    """Channels as which `data.channels: auto` reads a file: 3 for grey and colours, else as many as it has.

    Raises:
        DataError: if the file is missing, or not an image.
    """
    with open_file(path, MAX_LARGE) as file:
        if isinstance(file, PillowFile):  # its header would decode a PNG
            return 3 if file.colors in (1, 3) else file.channels
        return 3 if file.header.colors in (1, 3) else file.header.channels


def decode_file(
    file: ImageFile, path: Path | None, channels: int, *, in_memory: bool = False
) -> Image.Image | Pixels:
    """Decode an open file: 8-bit images of Pillow's formats as Pillow has them, others as (H, W, channels).

    Args:
        file: open file.
        path: its path, for messages.
        channels: as in `read_image`.
        in_memory: whether Pillow may hold a large image too, as to resize it; else it lies in a file.

    Raises:
        DataError: as `read_image`; of kind "channels" if there is another number of them.
    """
    if isinstance(file, PillowFile) and file.header.pages > 1:
        raise _several_images(file.header, path, may_be_channels=False)
    check_channels(file.header, channels, path)
    if isinstance(file, PillowFile) and file.header.dtype == "uint8" and (in_memory or not file.is_large):
        # JPEGs too are decoded in full: decoding at a part of the size is faster, but changes masks visibly.
        return file.converted(channels)
    raster = file.raster()
    return by_strips(lambda part: as_image(replace(raster, pixels=part), channels, path), raster.pixels)


def check_channels(header: Header, channels: int, path: Path | None) -> None:
    """Check that a file is read as so many channels.

    Raises:
        DataError: of kind "channels", if it has another number of them.
    """
    if header.pages > 1:
        if (header.channels, header.pages) != (1, channels):
            raise _several_images(header, path, may_be_channels=header.channels == 1)
        return
    is_gray_or_rgb = header.colors in (1, 3) and channels in (1, 3)
    is_gray_with_opacity = header.opacity and header.colors == 1 and channels == 4
    if channels not in (header.channels, header.colors) and not is_gray_or_rgb and not is_gray_with_opacity:
        last = ", the last of which is opacity" if header.opacity else ""
        plural = "s" if header.channels > 1 else ""
        raise DataError(
            f"the image has {header.channels} channel{plural}{last}, not {channels}",
            where=str(path or ""),
            hint=f"data.channels: {header.channels}",
            kind="channels",
        )


@contextmanager
def hints_for_model(channels: int) -> Iterator[None]:
    """Errors that hint at `data.channels` tell what a trained model takes instead: it cannot be changed.

    Args:
        channels: channels of the image files that the model was trained on.

    Raises:
        DataError: those of the block.
    """
    try:
        yield
    except DataError as error:
        taken = "grey or RGB images" if channels in (1, 3) else f"images with {channels} channels"
        raise DataError.of([
            replace(problem, hint=f"{_SEPARATE * problem.hint.startswith(_SEPARATE)}the model takes {taken}")
            if problem.kind == "channels"
            else problem
            for problem in error.problems
        ]) from None  # fmt: skip


def _read(file: ImageFile, path: Path, channels: int, size: Extent | None) -> Pixels:
    image = decode_file(file, path, channels, in_memory=size is not None)
    if isinstance(image, Image.Image):
        return to_array(resize(image, size) if size else image)
    if size:
        return resize_image(image, size)
    is_repeated = image.shape[-1] > 1 and image.strides[-1] == 0
    if is_repeated:
        return np.repeat(image[..., :1], image.shape[-1], axis=-1)
    return by_strips(np.ascontiguousarray, image)


def _several_images(header: Header, path: Path | None, *, may_be_channels: bool) -> DataError:
    hint = f"{_SEPARATE}if they are the channels of one image: data.channels: {header.pages}"
    height, width = header.stored
    problem = f"the file holds {header.pages} images of {width}x{height} pixels"
    if not may_be_channels:
        return DataError(problem, where=str(path or ""), hint=_SEPARATE.removesuffix("; "))
    return DataError(problem, where=str(path or ""), hint=hint, kind="channels")


def as_image(raster: Raster, channels: int, path: Path | None) -> Pixels:
    """Numbers of a file in a type of images, (H, W, channels).

    Raises:
        DataError: if it holds NaN or infinity.
    """
    numbers, kind = raster.pixels, image_type(raster.pixels.dtype)
    if numbers.dtype == np.bool_:
        numbers = numbers * np.uint8(255)
    with np.errstate(over="ignore"):  # becomes infinity
        numbers = numbers.astype(kind, copy=False)
    if kind == np.float32 and not np.isfinite([numbers.min(), numbers.max()]).all():
        raise non_finite(numbers, str(path or ""))
    return _with_channels(numbers, channels, raster.opacity)


def non_finite(image: Numbers, where: str) -> DataError:
    """The error of an image (H, W, C) with NaN or infinity: in how many pixels of which channels."""
    counts = (~np.isfinite(image)).sum(axis=(0, 1)).tolist()
    found = [
        f"{count:,} pixel{'s' * (count > 1)} of channel {channel}"
        for channel, count in enumerate(counts)
        if count
    ]
    return DataError(
        "the image holds NaN or infinity, or numbers beyond 32-bit floating-point ones: "
        f"{listed(found)} (from 0)",
        where=where,
        hint="replace them by a number, such as the lowest one",
    )


def _with_channels(numbers: Numbers, channels: int, has_opacity: bool) -> Numbers:
    if channels == numbers.shape[-1]:
        return numbers
    if has_opacity and channels == 4:  # grey
        return numbers[..., [0, 0, 0, 1]]
    colors = numbers[..., : numbers.shape[-1] - has_opacity]
    if channels == colors.shape[-1]:
        return colors
    return np.broadcast_to(colors, (*colors.shape[:2], 3)) if channels == 3 else _gray(colors)


def _gray(rgb: Numbers) -> Numbers:
    gray = rgb[..., :1] * _RED + rgb[..., 1:2] * _GREEN + rgb[..., 2:] * _BLUE
    return cast(Numbers, gray if rgb.dtype == np.float32 else np.floor(gray + 0.5).astype(rgb.dtype))
