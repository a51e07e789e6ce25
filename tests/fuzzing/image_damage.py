"""Images of every format that segkit reads, and what disks, downloads and other programs make of them.

Everything is drawn from one `random.Random`, so that a seed names a case.
"""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

MODES: dict[str, list[str]] = {
    "png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"],
    "jpg": ["L", "RGB", "CMYK"],
    "tif": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I", "F"],
    "bmp": ["1", "L", "P", "RGB", "RGBA"],
    "gif": ["1", "L", "P", "RGB", "RGBA"],
    "webp": ["L", "RGB", "RGBA"],
    "npy": [],
}
TYPES = ["u1", "u2", "i2", "f4", "i1", "u4", "f8"]
TIFF_COMPRESSIONS = [None, None, "lzw", "deflate", "zstd", "lzma", "packbits", "jpeg"]
COMPRESSIONS = [None, "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "jpeg"]
SEVERAL = ("png", "tif", "gif", "webp")  # formats that hold more than one picture
_NUMBERS = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF]


@dataclass(frozen=True)
class Case:
    """A file to read as an image, and as a mask.

    Args:
        ending: of its name, which may be another format's.
        content: its bytes.
        damage: what was done to it.
    """

    ending: str
    content: bytes
    damage: str


def draw_case(chance: random.Random, endings: Sequence[str] = tuple(MODES)) -> Case:
    """A picture in one of some formats, mostly with something done to its bytes."""
    ending = chance.choice(endings)
    content = encoded(ending, chance)
    damage = chance.choice(DAMAGES)
    content = damage(content, chance)
    if chance.randrange(4) == 0:
        content = chance.choice(DAMAGES)(content, chance)
    if chance.randrange(2) and content.startswith(b"\x89PNG"):
        content = with_right_sums(content)
    if chance.randrange(8) == 0:
        ending = chance.choice([*MODES])
    return Case(ending, content, damage.__name__.strip("_"))


def encoded(ending: str, chance: random.Random) -> bytes:
    """A picture or a mask as the bytes of a file."""
    if ending == "npy" or (ending in ("tif", "png") and chance.randrange(2)):
        return {"npy": _array, "tif": _tiff, "png": _deep_png}[ending](chance)
    mode = chance.choice(MODES[ending])
    file = io.BytesIO()
    options = _options(ending, mode, chance)
    first, *more = (_picture(mode, chance) for _ in range(3 if options.get("save_all") else 1))
    if options.get("save_all"):
        options["append_images"] = [image.resize(first.size) for image in more]
    kind = Image.registered_extensions()[f".{ending}"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            first.save(file, kind, **options)
        except Exception:  # not every option goes with every mode, nor with Exif that is damaged already
            file = io.BytesIO()
            _picture("L", chance).save(file, kind)
    return file.getvalue()


def _numbers(chance: random.Random, channels: int, kinds: list[str]) -> npt.NDArray[Any]:
    height, width = chance.choice([(1, 1), (1, 40), (33, 1), (16, 16), (40, 31), (64, 48)])
    random_numbers = np.random.default_rng(chance.randrange(2**32))
    numbers = random_numbers.integers(0, chance.choice([2, 256, 65536]), (height, width, channels))
    return numbers.astype(chance.choice(kinds)).astype(chance.choice(["<", ">"]) + chance.choice(kinds))


def _array(chance: random.Random) -> bytes:
    file = io.BytesIO()
    channels = chance.choice([1, 3, 4, 7])
    numbers = _numbers(chance, channels, TYPES)
    np.save(file, numbers[..., 0] if channels == 1 else numbers)
    return file.getvalue()


def _deep_png(chance: random.Random) -> bytes:
    numbers = _numbers(chance, chance.choice([1, 2, 3, 4]), ["u2"]).astype(np.uint16)
    return bytes(imagecodecs.png_encode(numbers[..., 0] if numbers.shape[-1] == 1 else numbers))


def _tiff(chance: random.Random) -> bytes:
    """Numbers of any type and number of channels, in strips, tiles or planes."""
    channels = chance.choice([1, 1, 2, 3, 3, 4, 5, 12])
    compression = chance.choice(TIFF_COMPRESSIONS)
    numbers = _numbers(chance, channels, ["u1"] if compression == "jpeg" else TYPES)
    is_planar = channels > 1 and chance.random() < 0.3
    options: dict[str, Any] = {
        "compression": compression,
        "photometric": "rgb" if channels in (3, 4) else chance.choice(["minisblack", "miniswhite"]),
        "planarconfig": "separate" if is_planar else "contig",
        "tile": chance.choice([None, (16, 16), (32, 16)]),
        "rowsperstrip": chance.choice([None, 1, 5]),
        "bigtiff": chance.random() < 0.3,
        "byteorder": chance.choice(["<", ">"]),
    }
    if compression in ("lzw", "deflate", "zstd", "lzma"):
        options["predictor"] = chance.choice([None, True])
    if channels == 4:
        options["extrasamples"] = [chance.choice(["unspecified", "assocalpha", "unassalpha"])]
    if channels == 1 and chance.randrange(4) == 0:
        numbers = np.repeat(numbers[None], 3, axis=0)
        options |= chance.choice([{"imagej": True, "metadata": {"axes": "CYX"}}, {"ome": True}, {}])
    elif is_planar:
        numbers = np.moveaxis(numbers, -1, 0)
    file = io.BytesIO()
    try:
        tifffile.imwrite(file, numbers, **options)
    except Exception:  # not every option goes with every type
        file = io.BytesIO()
        tifffile.imwrite(file, numbers.astype(np.uint16), photometric="minisblack")
    return file.getvalue()


def _picture(mode: str, chance: random.Random) -> Image.Image:
    height, width = chance.choice([(1, 1), (1, 40), (33, 1), (16, 16), (40, 31), (64, 48)])
    pixels: npt.NDArray[np.uint8]
    random_numbers = np.random.default_rng(chance.randrange(2**32))
    if chance.randrange(3) == 0:
        pixels = random_numbers.integers(0, 256, (height, width, 3), np.uint8)
    else:
        values = chance.choice([(0, 255), (0, 1), (0, 1, 2), (0, 7), (0, 0)])
        mask = random_numbers.choice(np.array(values, np.uint8), (height, width))
        pixels = np.stack([mask] * 3, axis=-1)
    if mode in ("I;16", "I;16B", "I", "F"):
        kind = {"I": np.int32, "F": np.float32, "I;16B": ">u2"}.get(mode, np.uint16)
        return Image.fromarray(pixels[..., 0].astype(kind))
    image = Image.fromarray(pixels)
    return image.convert("L").convert(mode) if mode in ("LA", "P") else image.convert(mode)


def _options(ending: str, mode: str, chance: random.Random) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if chance.randrange(3) == 0 and ending in ("png", "jpg", "tif", "webp"):
        options["exif"] = _exif(chance)
    if chance.randrange(4) == 0 and ending in SEVERAL:
        options["save_all"] = True
    if ending == "tif":
        options["compression"] = chance.choice(COMPRESSIONS)
    if ending == "jpg":
        options |= {"progressive": chance.random() < 0.3, "quality": chance.choice([5, 75, 95])}
    if ending == "webp":
        options["lossless"] = chance.random() < 0.5
    if mode == "P" and ending in ("png", "gif") and chance.randrange(2):
        options["transparency"] = chance.choice([0, b"\x00\xff", 255]) if ending == "png" else 0
    if chance.randrange(5) == 0 and ending in ("png", "jpg", "tif", "webp"):
        options["icc_profile"] = chance.randbytes(chance.choice([0, 4, 200]))
    return options


def _exif(chance: random.Random) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65535])
    exif[0x010E] = "a description \u00e9"
    return exif.tobytes()


def with_right_sums(content: bytes) -> bytes:
    """A PNG whose chunks have the check sums of what is in them, so that damage reaches the decoder."""
    mended, place = content[:8], 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        chunk = content[place + 4 : place + 8 + length]
        if place + 12 + length > len(content):
            break
        mended += content[place : place + 4] + chunk + struct.pack(">I", zlib.crc32(chunk))
        place += 12 + length
    return mended + content[place:]


def _flipped(content: bytes, chance: random.Random, first: int = 0) -> bytes:
    flipped = bytearray(content)
    for _ in range(chance.randint(1, 16) if len(flipped) > first else 0):
        flipped[chance.randrange(first, len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _untouched(content: bytes, chance: random.Random) -> bytes:
    return content


def _truncated(content: bytes, chance: random.Random) -> bytes:
    return content[
        : chance.choice(
            [0, 1, 4, 16, len(content) // 2, len(content) - 1, chance.randrange(len(content) + 1)]
        )
    ]


def _flipped_bits(content: bytes, chance: random.Random) -> bytes:
    return _flipped(content, chance)


def _flipped_header(content: bytes, chance: random.Random) -> bytes:
    return _flipped(content[:64], chance) + content[64:]


def _damaged_exif(content: bytes, chance: random.Random) -> bytes:
    place = max(content.find(b"Exif\x00\x00"), content.find(b"MM\x00*"), 0)
    return content[:place] + _flipped(content[place : place + 64], chance) + content[place + 64 :]


def _overwritten(content: bytes, chance: random.Random) -> bytes:
    first, length = chance.randrange(len(content) + 1), chance.choice([1, 4, 64, 512])
    filled = chance.choice([b"\x00" * length, b"\xff" * length, chance.randbytes(length)])
    return content[:first] + filled + content[first + length :]


def _cut_out(content: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(content) + 1)
    return content[:first] + content[first + chance.choice([1, 4, 64, 512]) :]


def _doubled(content: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(content) + 1)
    last = first + chance.choice([1, 4, 64, 512])
    return content[:last] + content[first:last] + content[last:]


def _another_number(content: bytes, chance: random.Random) -> bytes:
    """A length, an offset or a size that is not true."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        form = chance.choice(["<H", ">H", "<I", ">I"])
        if len(changed) < 8:
            break
        place = chance.randrange(min(len(changed), chance.choice([32, 256, 1 << 20])) - 4)
        struct.pack_into(
            form, changed, place, chance.choice(_NUMBERS) & (0xFFFF if "H" in form else 0xFFFFFFFF)
        )
    return bytes(changed)


def _joined(content: bytes, chance: random.Random) -> bytes:
    other = encoded(chance.choice([*MODES]), chance)
    return chance.choice([content + other, content[: len(content) // 2] + other[len(other) // 2 :]])


def _replaced(content: bytes, chance: random.Random) -> bytes:
    """Another thing altogether under an image's name."""
    return chance.choice(
        [
            b"", b"\x00" * 4096, b"<html>404 Not Found</html>", b"version https://git-lfs.github.com/spec/v1\n",
            chance.randbytes(512), content[:8] + chance.randbytes(512), b"%!PS-Adobe-3.0 EPSF-3.0\n",
            b"P5 9 9 255\n", b"II*\x00",
        ]
    )  # fmt: skip


Damage = Callable[[bytes, random.Random], bytes]
DAMAGES: list[Damage] = [
    _untouched, _truncated, _truncated, _flipped_bits, _flipped_bits, _flipped_header, _flipped_header,
    _damaged_exif, _overwritten, _cut_out, _doubled, _another_number, _another_number, _joined, _replaced,
]  # fmt: skip
