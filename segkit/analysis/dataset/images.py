"""What is odd about images that can be read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import FLAT, SampleStats

_RARE = 0.1  # a mode that fewer images have is worth a look
_USUAL = {"L", "RGB", "P", "RGBA", "1"}


def image_faults(looks: Sequence[SampleStats]) -> Iterator[Finding]:
    """Images that show nothing, that a tag turns, or that are stored otherwise than the others."""
    for look in looks:
        if look.image and look.image.spread < FLAT:
            message = "the image shows nothing: all of its pixels are alike"
            yield Finding("blank", "warning", (look.file,), message, "take it away with its mask")
        if look.image and _may_be_turned(look):
            yield Finding(
                "rotated",
                "warning",
                (look.file, *look.masks),
                "the image is turned upright as its EXIF tag says, and its mask has no such tag",
                "see whether the mask fits the upright image; save the image upright, without the tag",
            )
    yield from _mode_faults(looks)


def _may_be_turned(look: SampleStats) -> bool:
    """Whether the mask may have been drawn on the image as it lies in the file, and nothing would tell."""
    image, *masks = look.headers or (None,)
    if image is None or image.orientation == 1:
        return False
    if any(mask and mask.orientation == image.orientation for mask in masks):
        return False
    height, width = image.stored
    return image.orientation < 5 or height == width


def _mode_faults(looks: Sequence[SampleStats]) -> Iterator[Finding]:
    """One for each mode: there may be many images of it."""
    by_mode: dict[str, list[str]] = defaultdict(list)
    for look in looks:
        if look.headers and look.headers[0]:
            by_mode[look.headers[0].mode].append(look.file)
    ((most, _),) = Counter({mode: len(files) for mode, files in by_mode.items()}).most_common(1) or [("", 0)]
    total = sum(map(len, by_mode.values()))
    for mode, files in by_mode.items():
        if mode != most and (mode not in _USUAL or len(files) < _RARE * total):
            message = f"stored as {_in_words(mode)}, where most images are {_in_words(most)}"
            hint = "they are converted; see whether they look right, and belong here"
            yield Finding("mode", "warning", tuple(files), message, hint)


def _in_words(mode: str) -> str:
    words = {
        "L": "grey",
        "1": "black and white",
        "P": "colours of a palette",
        "RGB": "RGB",
        "RGBA": "RGB with transparency",
        "LA": "grey with transparency",
        "CMYK": "CMYK, the colours of print",
    }
    return words.get(mode, "16-bit grey" if mode.startswith("I;16") else mode)
