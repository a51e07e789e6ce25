"""Sample images of a report: image, ground truth, prediction, and the contours of both."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

from segkit.analysis.report.format import number
from segkit.analysis.report.run_data import RunData
from segkit.core.types import Pixels
from segkit.data.contours import contour
from segkit.data.labels import class_colors
from segkit.data.palette import IGNORED, VOID, class_palette
from segkit.runs.run_dir import ScoredSample
from segkit.utils.public_text import public_names

Color = tuple[int, int, int]

MAX_SIDE, MIN_SIDE = 640, 384  # pixels of an image's longer side
MAX_TRAINING_SIDE = 384
TRUTH, PREDICTION = (34, 211, 238), (255, 176, 0)


@dataclass(frozen=True)
class Pane:
    """One image of a sample."""

    title: str
    alt: str
    file: str
    png: bytes
    crisp: bool = False  # enlarge without interpolation
    drawn: bool = False  # written by the report, not by the run


@dataclass(frozen=True)
class Swatch:
    """An entry of the legend."""

    label: str
    color: str
    line: bool = False


@dataclass(frozen=True)
class SampleView:
    """A sample in the report."""

    rank: str
    image: str
    metric: str
    score: str
    panes: list[Pane]


def sample_views(data: RunData) -> list[SampleView]:
    """Images of every sample."""
    colors = recipe_palette(data.recipe)
    return [_view(index, sample, data, colors) for index, sample in enumerate(data.samples, start=1)]


def training_views(data: RunData) -> list[tuple[str, list[Pane]]]:
    """Name, image and mask of a few training images or windows as the model saw them."""
    colors, names = recipe_palette(data.recipe), public_names([sample.image for sample in data.training])
    views = []
    for number_, (name, sample) in enumerate(zip(names, data.training, strict=True), start=1):
        pixels, mask, _ = downscale(sample.pixels, sample.mask, sample.mask, MAX_TRAINING_SIDE)
        file = f"training_{number_}_{{}}.png".format
        panes = [
            Pane("Image", f"Training image {name}.", file("image"), _png(np.asarray(_rgb(pixels)))),
            Pane("Mask", f"Its mask, of {name}.", file("mask"), _png(colors[mask]), crisp=True),
        ]
        views.append((name, panes))
    return views


def legend(data: RunData) -> list[Swatch]:
    """Legend of the samples: contours, classes, ignored pixels if there are any."""
    swatches = [*contour_swatches(), *class_swatches(data.recipe)]
    masks = chain((sample.truth for sample in data.samples), (sample.mask for sample in data.training))
    return [*swatches, *ignored_swatches(masks)]


def ignored_swatches(masks: Iterable[Pixels]) -> list[Swatch]:
    """Legend of ignored pixels, if any mask (H, W) has some."""
    return [Swatch("ignored", hex_color(VOID))] if any((mask == IGNORED).any() for mask in masks) else []


def contour_swatches() -> list[Swatch]:
    """Legend of the contours."""
    return [
        Swatch("contour of the ground truth", hex_color(TRUTH), line=True),
        Swatch("contour of the prediction", hex_color(PREDICTION), line=True),
    ]


def class_swatches(recipe: Mapping[str, Any]) -> list[Swatch]:
    """Legend of a recipe's classes, background first."""
    pairs = zip(_class_names(recipe), recipe_palette(recipe), strict=False)
    return [Swatch(name, hex_color(color)) for name, color in pairs]


def recipe_palette(recipe: Mapping[str, Any]) -> Pixels:
    """Colours (256, 3) of a recipe's mask values."""
    data = recipe.get("data") or {}
    return class_palette(_class_names(recipe), class_colors(data.get("labels"), data.get("colors")))


def hex_color(color: Pixels | Color) -> str:
    """CSS colour: ``(34, 211, 238)`` -> ``#22d3ee``."""
    return "#" + "".join(f"{int(part):02x}" for part in color)


def overlay(pixels: Pixels, truth: Pixels, prediction: Pixels) -> Pixels:
    """Draw the contours of both masks over the image; ignored pixels are greyed.

    Args:
        pixels: image (H, W, C), C is 1, 3 or 4.
        truth: ground-truth mask (H, W), 0 background, 255 ignored.
        prediction: predicted mask (H, W), likewise.

    Returns:
        RGB image (h, w, 3); small images are enlarged, so that contours are thin in comparison.
    """
    height, width = truth.shape
    factor = max(1, MIN_SIDE // max(height, width))
    size = (width * factor, height * factor)
    canvas = np.asarray(_rgb(pixels).resize(size, Image.Resampling.BICUBIC)).astype(np.float64)
    truth, prediction = (mask.repeat(factor, 0).repeat(factor, 1) for mask in (truth, prediction))
    canvas[truth == IGNORED] = 0.35 * canvas[truth == IGNORED] + 0.65 * np.array(VOID)
    thin = max(1, round(max(size) / 150))
    # The ground truth is wider, so that it stays visible under an equal prediction.
    for mask, color, thickness in ((truth, TRUTH, thin + 2), (prediction, PREDICTION, thin)):
        edge = contour(mask, thickness)
        canvas[binary_dilation(edge) & ~edge] *= 0.65  # contrast on bright images
        canvas[edge] = color
    return canvas.round().astype(np.uint8)


def downscale(
    pixels: Pixels, truth: Pixels, prediction: Pixels, max_side: int = MAX_SIDE
) -> tuple[Pixels, Pixels, Pixels]:
    """Downscale an image (H, W, C) and its masks (H, W) to at most `max_side` pixels per side."""
    height, width = truth.shape
    longest = max(height, width)
    if longest <= max_side:
        return pixels, truth, prediction
    size = (max(1, width * max_side // longest), max(1, height * max_side // longest))
    image = np.asarray(_rgb(pixels).resize(size, Image.Resampling.BOX))
    truth, prediction = (
        np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        for mask in (truth, prediction)
    )
    return image, truth, prediction


def _view(number_: int, sample: ScoredSample, data: RunData, colors: Pixels) -> SampleView:
    record = sample.record
    name, metric = data.public_names.get(record.image, record.image), data.image_label(record.metric)
    pixels, truth, prediction = downscale(sample.pixels, sample.truth, sample.prediction)
    file = f"{number_}_{{}}.png".format
    panes = [
        Pane("Image", f"Image {name}.", file("image"), _png(np.asarray(_rgb(pixels)))),
        Pane("Ground truth", f"Ground-truth mask of {name}.", file("truth"), _png(colors[truth]), crisp=True),
        Pane(
            "Prediction",
            f"Predicted mask of {name}.",
            file("prediction"),
            _png(colors[prediction]),
            crisp=True,
        ),
        Pane(
            "Both contours",
            f"{name} with the contours of the ground truth and of the prediction.",
            file("overlay"),
            _png(overlay(pixels, truth, prediction)),
            drawn=True,
        ),
    ]
    rank = "image" if len({*data.defined_scores}) == 1 else record.rank
    return SampleView(rank, name, metric, number(record.score), panes)


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
    Image.fromarray(pixels).save(
        file, "PNG", compress_level=4
    )  # of 512 x 512 pixels: 24 ms; `optimize` takes 417
    return file.getvalue()
