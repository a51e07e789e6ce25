"""Thumbnails of all scored images and their masks, in one zip file. No torch."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.core.errors import SegkitError
from segkit.core.types import Pixels
from segkit.utils.atomic import atomic_write
from segkit.utils.os_errors import is_out_of_memory

MAX_SIDE = 256  # pixels of the longer side
QUALITY = 80
MAX_BYTES = 1_000_000  # of one image; real ones are far smaller


@dataclass(frozen=True)
class Thumbnail:
    """One scored image, as encoded files."""

    image: bytes  # WebP
    truth: bytes  # PNG with a palette: 0 is background, 255 ignored
    prediction: bytes  # likewise


def make_thumbnail(pixels: Pixels, truth: Pixels, prediction: Pixels, palette: Pixels) -> Thumbnail:
    """Downscale an image and its masks; masks by nearest neighbour.

    Args:
        pixels: 8-bit picture (H, W, 3), or (H, W, 1) for grey.
        truth: ground-truth mask (H, W).
        prediction: predicted mask (H, W).
        palette: (256, 3), the colour of every mask value.
    """
    height, width = truth.shape
    longest = max(height, width, MAX_SIDE)
    size = (max(1, width * MAX_SIDE // longest), max(1, height * MAX_SIDE // longest))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels))
    return Thumbnail(
        _encode(image.resize(size, Image.Resampling.BOX), "WEBP", quality=QUALITY),
        *(_encode_mask(mask, size, palette) for mask in (truth, prediction)),
    )


def write_thumbnails(path: Path, thumbnails: Iterable[Thumbnail]) -> None:
    """Write thumbnails in the order of scores.csv."""
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for number, thumbnail in enumerate(thumbnails, start=1):
            for name, content in zip(_members(number), vars(thumbnail).values(), strict=True):
                archive.writestr(zipfile.ZipInfo(name), content)  # no date: equal runs give equal bytes


def read_thumbnails(path: Path) -> list[Thumbnail]:
    """Thumbnails written by `write_thumbnails`; empty if there is no such file.

    Raises:
        SegkitError: if the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("it unpacks to more than its size")
            count = len(archive.infolist()) // 3
            return [Thumbnail(*(_read(archive, name) for name in _members(i + 1))) for i in range(count)]
    except Exception as error:  # a damaged or malicious file can raise anything
        if is_out_of_memory(error):
            raise
        hint = "delete it: a comparison works without it"
        raise SegkitError(f"the thumbnails cannot be read: {error}", where=str(path), hint=hint) from error


def _members(number: int) -> tuple[str, str, str]:
    return f"{number:06}/image.webp", f"{number:06}/truth.png", f"{number:06}/prediction.png"


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise ValueError(f"{name} is larger than any thumbnail")
    return archive.read(name)


def _encode_mask(mask: Pixels, size: tuple[int, int], palette: Pixels) -> bytes:
    image = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
    image.putpalette(palette[: int(mask.max()) + 1].tobytes())  # all 256 colours would be most of the file
    return _encode(image, "PNG", optimize=True)


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
