"""Contact sheet of suspicious samples: image, mask contour, kind of problem, file name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, zip_longest
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segkit.analysis.dataset.check_dataset import CheckResult
from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.sample_stats import header_or_none, read_downscaled
from segkit.core.errors import SegkitError
from segkit.core.paths import quoted
from segkit.core.types import Pixels, Sample, Task
from segkit.data.contours import contour
from segkit.data.display import display_rgb, own_range
from segkit.data.images import channels_to_read, read_image_at
from segkit.data.palette import mask_palette
from segkit.utils.atomic import atomic_write

COLUMNS, MAX_TILES = 6, 36
TILE, TEXT, GAP = 200, 34, 12  # pixels
_MAX_PER_FINDING = 4  # so that one large group of duplicates does not fill the sheet
_BACKGROUND, _TEXT_COLOR, _CONTOUR = (250, 250, 248), (30, 34, 38), (255, 64, 129)
_EMPTY, _CROSS = (225, 226, 228), (170, 173, 178)
_COLORS = {"error": (176, 0, 32), "warning": (140, 90, 0)}


def write_contact_sheet(file: Path, result: CheckResult) -> None:
    """Draw samples of every kind of problem to a PNG file, atomically.

    Raises:
        SegkitError: if the file cannot be written.
    """
    if file.suffix.lower() != ".png":
        hint = f"--sheet {quoted(f'{file.stem}.png')}"
        raise SegkitError("a contact sheet is a PNG file", where=str(file), hint=hint)
    sheet = draw_contact_sheet(result)
    try:
        with atomic_write(file) as temporary:
            sheet.save(temporary, "PNG")
    except OSError as error:
        problem = f"the contact sheet cannot be written: {error.strerror or error}"
        raise SegkitError(problem, where=str(file), hint="a file in an existing folder") from None


def draw_contact_sheet(result: CheckResult) -> Image.Image:
    """The contact sheet as an image."""
    samples = {
        str(file): sample
        for split in result.dataset.splits.values()
        for sample in split
        for file in sample.files or (sample.name,)
    }
    tiles = [*_select(result.findings, samples)][:MAX_TILES]
    rows = max(1, -(-len(tiles) // COLUMNS))
    width, height = TILE + GAP, TILE + TEXT + GAP
    size = min(COLUMNS, max(2, len(tiles))) * width + GAP, rows * height + GAP
    sheet = Image.new("RGB", size, _BACKGROUND)
    for index, (finding, name) in enumerate(tiles):
        corner = GAP + index % COLUMNS * width, GAP + index // COLUMNS * height
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of harmless oddities
            tile = _draw_tile(name, samples.get(name), result.dataset.task)
        sheet.paste(tile, corner)
        _draw_caption(ImageDraw.Draw(sheet), corner, finding, name)
    if not tiles:
        ImageDraw.Draw(sheet).text((GAP, GAP), "nothing to show", _TEXT_COLOR, font=_font())
    return sheet


def _select(findings: Sequence[Finding], samples: dict[str, Sample]) -> Iterator[tuple[Finding, str]]:
    """Findings and file names, taking one finding of each kind in turn."""
    by_kind = [[*group] for _, group in groupby(findings, key=lambda finding: finding.kind)]
    for finding in filter(None, chain.from_iterable(zip_longest(*by_kind))):
        shown: list[object] = []
        for name in finding.files[:_MAX_PER_FINDING]:
            content = samples.get(name, name)  # image and mask of one sample share a tile
            if content not in shown:
                shown.append(content)
                yield finding, name


def _draw_tile(name: str, sample: Sample | None, task: Task) -> Image.Image:
    """The sample with its contour; else the file alone; else a cross."""
    try:
        if sample:
            header = header_or_none(sample.files[0]) if sample.files else None
            image, mask, _ = read_downscaled(sample, header)
            return _centred(_draw_contours(image, mask, task))
    except Exception:  # the sample may be shown because it cannot be read
        pass
    try:
        if header := header_or_none(Path(name)):
            image, _ = read_image_at(Path(name), channels_to_read(Path(name)), _tile_size(*header.extent))
            return _centred(Image.fromarray(_picture(image)))
    except (SegkitError, OSError):
        pass
    cross = Image.new("RGB", (TILE, TILE), _EMPTY)
    for line in ((0, 0, TILE, TILE), (0, TILE, TILE, 0)):
        ImageDraw.Draw(cross).line(line, _CROSS, 2)
    return cross


def _tile_size(height: int, width: int) -> tuple[int, int]:
    factor = TILE / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _draw_contours(image: Pixels, mask: Pixels, task: Task) -> Image.Image:
    size = _tile_size(*mask.shape[:2])[::-1]
    canvas = np.asarray(Image.fromarray(_picture(image)).resize(size)).copy()
    colors = mask_palette(task)
    if task.kind == "binary" and task.classes[0] not in dict(task.colors):
        colors[1] = _CONTOUR
    for label in range(mask.shape[-1] if mask.ndim == 3 else 0):
        _draw_contour(canvas, mask[..., label], colors[label + 1])
    if mask.ndim == 2:
        for value in np.unique(mask[mask > 0]).tolist():
            _draw_contour(canvas, (mask == value).astype(np.uint8), colors[value])
    return Image.fromarray(canvas)


def _picture(image: Pixels) -> Pixels:
    """(H, W, C) of any type -> (H, W, 3) uint8."""
    picture = display_rgb(image, own_range(image))
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture


def _draw_contour(canvas: Pixels, mask: Pixels, color: Pixels) -> None:
    size = canvas.shape[1], canvas.shape[0]
    resized = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    # Padded, so that the contour of a full mask runs along the border of the image.
    canvas[contour(np.pad(resized, 1), 2)[1:-1, 1:-1]] = color


def _centred(image: Image.Image) -> Image.Image:
    tile = Image.new("RGB", (TILE, TILE), _EMPTY)
    tile.paste(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    return tile


def _draw_caption(draw: ImageDraw.ImageDraw, corner: tuple[int, int], finding: Finding, name: str) -> None:
    left, top = corner[0], corner[1] + TILE + 2
    draw.text((left, top), finding.kind, _COLORS[finding.severity], font=_font())
    draw.text((left, top + 15), _shorten(draw, Path(name).name or name), _TEXT_COLOR, font=_font())


def _shorten(draw: ImageDraw.ImageDraw, name: str) -> str:
    """An ASCII name no wider than a tile, with the middle replaced by dots."""
    clean = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)[:250]
    short, keep = clean, len(clean)
    while draw.textlength(short, font=_font()) > TILE and keep > 2:
        keep -= 1
        short = f"{clean[: keep // 2]}...{clean[len(clean) - (keep - keep // 2) :]}"
    return short


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(12)
