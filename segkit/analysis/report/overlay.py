"""Samples to look at: image, true mask, predicted mask, and the contours of both over the image."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segkit.analysis.report.format import metric_name, number
from segkit.analysis.report.run_data import RunData
from segkit.data.contours import contour, neighbours
from segkit.data.palette import IGNORED, VOID, palette
from segkit.runs.run_dir import ScoredSample

Pixels = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

LARGEST, SMALLEST = 640, 384  # pixels of a picture's longer side
TRUTH, PREDICTION = (34, 211, 238), (255, 176, 0)


@dataclass(frozen=True)
class Pane:
    """One picture of a sample.

    Args:
        title: what it is.
        alt: what it shows, for those who cannot see it.
        file: its name in the run's folder of samples.
        crisp: whether pixels should stay squares when enlarged.
        drawn: whether the report draws that file; the others are there since the run ended.
    """

    title: str
    alt: str
    file: str
    png: bytes
    crisp: bool = False
    drawn: bool = False


@dataclass(frozen=True)
class Swatch:
    """A colour and what it stands for."""

    label: str
    color: str
    line: bool = False


@dataclass(frozen=True)
class Shown:
    """A sample as the report shows it."""

    rank: str
    image: str
    metric: str
    score: str
    panes: list[Pane]


def show_samples(material: RunData) -> list[Shown]:
    """Pictures of every sample, in the run's order."""
    colors = palette(len(_class_names(material.recipe)))
    return [_show(number_, sample, colors) for number_, sample in enumerate(material.samples, start=1)]


def legend(material: RunData) -> list[Swatch]:
    """Contours first, then classes, then what is ignored where anything is."""
    swatches = [*contour_swatches(), *class_swatches(material.recipe)]
    if any((sample.truth == IGNORED).any() for sample in material.samples):
        swatches.append(Swatch("ignored", hex_color(VOID)))
    return swatches


def contour_swatches() -> list[Swatch]:
    """The true contour, then the predicted one."""
    return [
        Swatch("true contour", hex_color(TRUTH), line=True),
        Swatch("predicted contour", hex_color(PREDICTION), line=True),
    ]


def class_swatches(recipe: Mapping[str, Any]) -> list[Swatch]:
    """The classes of a recipe, background first."""
    names = _class_names(recipe)
    colors = palette(len(names))
    return [Swatch(name, hex_color(colors[index])) for index, name in enumerate(names)]


def hex_color(color: Pixels | Color) -> str:
    """``(34, 211, 238)`` -> ``#22d3ee``."""
    return "#" + "".join(f"{int(part):02x}" for part in color)


def overlay(pixels: Pixels, truth: Pixels, prediction: Pixels) -> Pixels:
    """Contours of both masks over the image; ignored pixels are greyed.

    Args:
        pixels: (H, W, C), C is 1, 3 or 4.
        truth: (H, W), 0 background, 255 ignored.
        prediction: (H, W), likewise.

    Returns:
        (h, w, 3); small images are enlarged so that a contour is thin beside them.
    """
    height, width = truth.shape
    factor = max(1, SMALLEST // max(height, width))
    size = (width * factor, height * factor)
    picture = np.asarray(_rgb(pixels).resize(size, Image.Resampling.BICUBIC)).astype(np.float64)
    truth, prediction = (mask.repeat(factor, 0).repeat(factor, 1) for mask in (truth, prediction))
    picture[truth == IGNORED] = 0.35 * picture[truth == IGNORED] + 0.65 * np.array(VOID)
    thin = max(1, round(max(size) / 150))
    # The true contour is the wider one: it stays visible where both lie on each other.
    for mask, color, thickness in ((truth, TRUTH, thin + 2), (prediction, PREDICTION, thin)):
        edge = contour(mask, thickness)
        picture[neighbours(edge, 1, np.logical_or) & ~edge] *= 0.65  # a shade, for contrast on bright images
        picture[edge] = color
    return picture.round().astype(np.uint8)


def reduced(
    pixels: Pixels, truth: Pixels, prediction: Pixels, largest: int = LARGEST
) -> tuple[Pixels, Pixels, Pixels]:
    """An image (H, W, C) and its masks (H, W) at a size that a page can carry.

    Args:
        pixels: of the image.
        truth: the true mask.
        prediction: the predicted mask.
        largest: pixels that its longer side may have.
    """
    height, width = truth.shape
    most = max(height, width)
    if most <= largest:
        return pixels, truth, prediction
    size = (max(1, width * largest // most), max(1, height * largest // most))
    picture = np.asarray(_rgb(pixels).resize(size, Image.Resampling.BOX))
    truth, prediction = (
        np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        for mask in (truth, prediction)
    )
    return picture, truth, prediction


def _show(position: int, sample: ScoredSample, colors: Pixels) -> Shown:
    record, stem = sample.record, str(position)
    name = record.image
    pixels, truth, prediction = reduced(sample.pixels, sample.truth, sample.prediction)
    panes = [
        Pane("Image", f"The image {name}.", f"{stem}_image.png", _png(np.asarray(_rgb(pixels)))),
        Pane("True mask", f"The true mask of {name}.", f"{stem}_truth.png", _png(colors[truth]), crisp=True),
        Pane(
            "Predicted mask",
            f"The predicted mask of {name}.",
            f"{stem}_prediction.png",
            _png(colors[prediction]),
            crisp=True,
        ),
        Pane(
            "Both contours",
            f"{name} with the contours of its true and its predicted mask.",
            f"{stem}_overlay.png",
            _png(overlay(pixels, truth, prediction)),
            drawn=True,
        ),
    ]
    return Shown(record.rank, name, metric_name(record.metric), number(record.score), panes)


def _rgb(pixels: Pixels) -> Image.Image:
    if pixels.shape[-1] == 1:
        return Image.fromarray(pixels[..., 0]).convert("RGB")
    return Image.fromarray(np.ascontiguousarray(pixels[..., :3]))


def _class_names(recipe: Mapping[str, Any]) -> list[str]:
    data = recipe.get("data") or {}
    classes = [str(name) for name in data.get("classes") or ["foreground"]]
    return classes if data.get("task") == "multiclass" else ["background", *classes]


def _png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
