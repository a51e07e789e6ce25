"""Kinds of TIFF files that Pillow does not read, or reads wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import TiffImagePlugin as tiff

_NUMBERS = {
    1: "integers", 2: "signed integers", 3: "floating-point numbers", 5: "complex integers",
    6: "complex numbers",
}  # fmt: skip
_CHANNELS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # by PhotometricInterpretation, without extra ones
_WHITE_IS_ZERO, _RGB, _CMYK = 0, 2, 5
_ALPHA = (1, 2)  # in ExtraSamples
_ONE_AFTER_THE_OTHER = 2  # in PlanarConfiguration
# Of one channel, Pillow also reads these numbers: format, bits.
_MASK_NUMBERS = [(1, 32), (2, 16), (2, 32), (3, 32)]


def find_unsupported(path: Path, *, is_mask: bool = True) -> str:
    """What a TIFF holds that is not read, such as ``5 channels of 8-bit integers``.

    Args:
        path: any file.
        is_mask: whether numbers count as read that are read from masks only.

    Returns:
        "" if the file is read, damaged, or no TIFF.
    """
    try:
        return _find_unsupported(_read_tags(path), is_mask)
    except Exception:  # damaged and hostile files raise many types
        return ""


def _read_tags(path: Path) -> dict[int, Any]:
    with path.open("rb") as file:
        header = file.read(8)
        if 43 in header[2:4]:  # BigTIFF
            header += file.read(8)
        directory = tiff.ImageFileDirectory_v2(header)
        file.seek(directory.next)
        directory.load(file)
        return dict(directory)


def _describe(tags: dict[int, Any]) -> str:
    channels = tags.get(tiff.SAMPLESPERPIXEL, 1)
    kind, bits = _number(tags)
    numbers = f"{bits}-bit {_NUMBERS.get(kind, 'numbers of an unknown kind')}"
    return f"{channels} channels of {numbers}" if channels > 1 else numbers


def _number(tags: dict[int, Any]) -> tuple[int, int]:  # format, bits
    return max(tags.get(tiff.SAMPLEFORMAT, (1,))), max(tags.get(tiff.BITSPERSAMPLE, (1,)))


def _find_unsupported(tags: dict[int, Any], is_mask: bool) -> str:
    compression, photometric = tags.get(tiff.COMPRESSION, 1), tags[tiff.PHOTOMETRIC_INTERPRETATION]
    if compression not in tiff.COMPRESSION_INFO:
        return f"numbers compressed by method {compression}"
    if photometric not in _CHANNELS:
        return f"photometric interpretation {photometric}"
    channels = tags.get(tiff.SAMPLESPERPIXEL, 1)
    kind, bits = _number(tags)
    other_bits = (1, 2, 4, 16) if channels == 1 else (16,) if photometric in (_RGB, _CMYK) else ()
    is_read = kind == 1 and bits in (8, *other_bits)
    is_read |= is_mask and channels == 1 and (kind, bits) in _MASK_NUMBERS
    may_be_extra = photometric == _RGB or tags.get(tiff.EXTRASAMPLES, (0,))[0] in _ALPHA
    if not is_read or channels - _CHANNELS[photometric] > may_be_extra:
        return _describe(tags)
    if bits == 16 and photometric == _WHITE_IS_ZERO:
        return "16-bit integers of which 0 is white"
    is_planar = tags.get(tiff.PLANAR_CONFIGURATION) == _ONE_AFTER_THE_OTHER
    if bits == 16 and channels > 1 and is_planar and compression == 1:
        return f"{_describe(tags)}, stored one channel after the other"
    return ""
