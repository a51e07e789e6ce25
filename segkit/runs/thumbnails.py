"""Every scored image of a run, small, with its true and its predicted mask: one zip file. No torch."""

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

MAX_SIDE = 256  # pixels of the longer side: enough to see where two masks differ
QUALITY = 80
MAX_BYTES = 1_000_000  # of one picture; none of this size is near it


@dataclass(frozen=True)
class Thumbnail:
    """One scored image, as files.

    Args:
        image: WebP.
        truth: PNG of class numbers with their colours: 0 is background, 255 ignored.
        prediction: likewise, of the same size.
    """

    image: bytes
    truth: bytes
    prediction: bytes


def make_thumbnail(pixels: Pixels, truth: Pixels, prediction: Pixels, palette: Pixels) -> Thumbnail:
    """Make an image and its masks small; a mask's pixel takes the nearest value, none is new.

    Args:
        pixels: (H, W, C).
        truth: (H, W), one number per pixel.
        prediction: likewise.
        palette: (256, 3), the colour of every value of a mask.
    """
    height, width = truth.shape
    most = max(height, width, MAX_SIDE)
    size = (max(1, width * MAX_SIDE // most), max(1, height * MAX_SIDE // most))
    picture = Image.fromarray(
        pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels[..., :3])
    )
    return Thumbnail(
        _file(picture.resize(size, Image.Resampling.BOX), "WEBP", quality=QUALITY),
        *(_mask_file(mask, size, palette) for mask in (truth, prediction)),
    )


def write_thumbnails(path: Path, thumbnails: Iterable[Thumbnail]) -> None:
    """Write them in the order of the run's scores."""
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for number, thumbnail in enumerate(thumbnails, start=1):
            for name, content in zip(_members(number), vars(thumbnail).values(), strict=True):
                archive.writestr(
                    zipfile.ZipInfo(name), content
                )  # of no date: the same run gives the same bytes


def read_thumbnails(path: Path) -> list[Thumbnail]:
    """What `write_thumbnails` wrote, in its order; nothing where there is no such file.

    Raises:
        SegkitError: if the file is damaged, or holds what no run wrote.
    """
    if not path.is_file():
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("it would unpack to more than it holds")
            count = len(archive.infolist()) // 3
            return [Thumbnail(*(_read(archive, name) for name in _members(i + 1))) for i in range(count)]
    except Exception as error:  # whatever a damaged or hostile file makes the reader raise
        hint = "delete it: a comparison can do without"
        raise SegkitError(f"the thumbnails cannot be read: {error}", where=str(path), hint=hint) from error


def _members(number: int) -> tuple[str, str, str]:
    return f"{number:06}/image.webp", f"{number:06}/truth.png", f"{number:06}/prediction.png"


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise ValueError(f"{name} is larger than any thumbnail")
    return archive.read(name)


def _mask_file(mask: Pixels, size: tuple[int, int], palette: Pixels) -> bytes:
    small = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
    small.putpalette(palette[: int(mask.max()) + 1].tobytes())  # a full one would be most of the file
    return _file(small, "PNG", optimize=True)


def _file(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
