"""A contact sheet of the suspects: each picture with its mask's outline, its fault and its file's name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, zip_longest
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segkit.analysis.dataset.check_dataset import Examination
from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import header_of, read_small
from segkit.core.errors import SegkitError
from segkit.core.types import Pixels, Sample, Task
from segkit.data.contours import contour
from segkit.data.images import read_image_at
from segkit.data.palette import palette
from segkit.utils.atomic import atomic_write

COLUMNS, MOST = 6, 36  # pictures in a row, and on the sheet
PICTURE, TEXT, GAP = 200, 34, 12  # pixels
_PER_FAULT = 4  # pictures of one fault: a group of many duplicates is not the whole sheet
_PAPER, _INK, _LINE = (250, 250, 248), (30, 34, 38), (255, 64, 129)
_INKS = {"error": (176, 0, 32), "warning": (140, 90, 0)}


def write_contact_sheet(file: Path, found: Examination) -> None:
    """Draw some suspects of every kind; whole, or not at all.

    Args:
        file: a PNG file, which is replaced if it is there.
        found: what was examined, and its faults.

    Raises:
        SegkitError: if the file cannot be written.
    """
    if file.suffix.lower() != ".png":
        raise SegkitError("a contact sheet is a PNG file", where=str(file), hint=f"--sheet {file.stem}.png")
    drawn = draw_sheet(found)
    try:
        with atomic_write(file) as temporary:
            drawn.save(temporary, "PNG")
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "another file, in a folder that is there"
        problem = f"the contact sheet cannot be written: {reason}"
        raise SegkitError(problem, where=str(file), hint=hint) from None


def draw_sheet(found: Examination) -> Image.Image:
    """The sheet, as a picture."""
    samples = {
        str(file): sample
        for some in found.subject.splits.values()
        for sample in some
        for file in sample.files or (sample.name,)
    }
    tiles = [*_chosen(found.faults, samples)][:MOST]
    rows = max(1, -(-len(tiles) // COLUMNS))
    width, height = PICTURE + GAP, PICTURE + TEXT + GAP
    sheet = Image.new("RGB", (min(COLUMNS, max(2, len(tiles))) * width + GAP, rows * height + GAP), _PAPER)
    for number, (fault, name) in enumerate(tiles):
        corner = GAP + number % COLUMNS * width, GAP + number // COLUMNS * height
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, of oddities that harm nothing
            picture = _picture(name, samples.get(name), found.subject.task)
        sheet.paste(picture, corner)
        _caption(ImageDraw.Draw(sheet), corner, fault, name)
    if not tiles:
        ImageDraw.Draw(sheet).text((GAP, GAP), "nothing to show", _INK, font=_font())
    return sheet


def _chosen(faults: Sequence[Finding], samples: dict[str, Sample]) -> Iterator[tuple[Finding, str]]:
    """Faults with one of their files each: of every kind one, then of every kind another."""
    by_kind = [[*some] for _, some in groupby(faults, key=lambda fault: fault.kind)]
    for fault in filter(None, chain.from_iterable(zip_longest(*by_kind))):
        shown: list[object] = []
        for name in fault.files[:_PER_FAULT]:
            which = samples.get(name, name)  # image and mask of one sample are one picture
            if which not in shown:
                shown.append(which)
                yield fault, name


def _picture(name: str, sample: Sample | None, task: Task) -> Image.Image:
    """A square: the sample with its outline, or the file alone, or a cross where nothing can be read."""
    try:
        if sample:
            image, mask, _ = read_small(sample, header_of(sample.files[0]) if sample.files else None)
            return _fitted(_outlined(image, mask, task))
    except Exception:  # it is on the sheet because something is wrong with it
        pass
    try:
        header = header_of(Path(name))
        if header:
            height, width = header.extent
            factor = PICTURE / max(height, width)
            size = max(1, round(height * factor)), max(1, round(width * factor))
            return _fitted(Image.fromarray(read_image_at(Path(name), 3, size)[0]))
    except (SegkitError, OSError):
        pass
    cross = Image.new("RGB", (PICTURE, PICTURE), (225, 226, 228))
    for line in ((0, 0, PICTURE, PICTURE), (0, PICTURE, PICTURE, 0)):
        ImageDraw.Draw(cross).line(line, (170, 173, 178), 2)
    return cross


def _outlined(image: Pixels, mask: Pixels, task: Task) -> Image.Image:
    """The image at the sheet's size, with a line around every class."""
    height, width = mask.shape[:2]
    factor = PICTURE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    rgb = image[..., :3] if image.shape[-1] > 1 else np.repeat(image, 3, axis=-1)
    picture = np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).resize(size)).copy()
    colours = palette(len(task.classes) + (task.kind == "multilabel"))
    for label in range(mask.shape[-1] if mask.ndim == 3 else 0):
        _draw_line(picture, mask[..., label], size, colours[label + 1])
    if mask.ndim == 2:
        for value in np.unique(mask[mask > 0]).tolist():
            colour = np.array(_LINE) if task.kind == "binary" else colours[value]
            _draw_line(picture, (mask == value).astype(np.uint8), size, colour)
    return Image.fromarray(picture)


def _draw_line(picture: Pixels, inside: Pixels, size: tuple[int, int], colour: Pixels) -> None:
    """Around what is set, two pixels wide; along the picture's border too, so that a full mask is seen."""
    fitted = np.asarray(Image.fromarray(inside).resize(size, Image.Resampling.NEAREST))
    picture[contour(np.pad(fitted, 1), 2)[1:-1, 1:-1]] = colour


def _fitted(picture: Image.Image) -> Image.Image:
    square = Image.new("RGB", (PICTURE, PICTURE), (225, 226, 228))
    square.paste(picture, ((PICTURE - picture.width) // 2, (PICTURE - picture.height) // 2))
    return square


def _caption(draw: ImageDraw.ImageDraw, corner: tuple[int, int], fault: Finding, name: str) -> None:
    left, top = corner[0], corner[1] + PICTURE + 2
    draw.text((left, top), fault.kind, _INKS[fault.severity], font=_font())
    draw.text((left, top + 15), _short(draw, Path(name).name or name), _INK, font=_font())


def _short(draw: ImageDraw.ImageDraw, name: str) -> str:
    """A name that stays below its picture: strange characters replaced, its middle left out if need be."""
    clean = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)[:250]
    short, keep = clean, len(clean)
    while draw.textlength(short, font=_font()) > PICTURE and keep > 2:
        keep -= 1
        short = f"{clean[: keep // 2]}...{clean[len(clean) - (keep - keep // 2) :]}"
    return short


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(12)
