"""What the drawing of lesions draws with: coordinates, smooth noise, antialiased shapes, blending."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

# float32, which numpy's stubs lose wherever a Python float takes part.
Plane = npt.NDArray[np.floating[Any]]  # (H, W)
Picture = npt.NDArray[np.floating[Any]]  # (H, W, 3), 0..255
Colour = tuple[float, float, float]
Point = tuple[float, float]

_FINER = 3  # shapes are drawn this much larger and then averaged, which makes their edges smooth


@dataclass(frozen=True)
class Canvas:
    """A rectangle of pixels with the origin in its middle; 1 is the length of its shorter side.

    Args:
        height: in pixels.
        width: in pixels.
    """

    height: int
    width: int

    @property
    def short(self) -> int:
        """The shorter side, in pixels."""
        return min(self.height, self.width)

    @property
    def half(self) -> Point:
        """The distances (x, y) from the middle to the edges."""
        return self.width / 2 / self.short, self.height / 2 / self.short

    @cached_property
    def x(self) -> Plane:
        """(1, W), growing to the right."""
        pixels = np.arange(self.width, dtype=np.float32)[None, :]
        return (pixels - (self.width - 1) / 2) / self.short

    @cached_property
    def y(self) -> Plane:
        """(H, 1), growing downwards."""
        pixels = np.arange(self.height, dtype=np.float32)[:, None]
        return (pixels - (self.height - 1) / 2) / self.short

    def distance(self, centre: Point) -> Plane:
        """(H, W), to a point."""
        length: Plane = np.hypot(self.x - centre[0], self.y - centre[1])
        return length

    def noise(self, rng: np.random.Generator, cells: float, *, octaves: int = 1) -> Plane:
        """Smooth noise (H, W) of mean about 0 and standard deviation 1.

        Args:
            rng: where it comes from.
            cells: hills and valleys along the shorter side.
            octaves: layers of it, each twice as fine and half as strong as the one before.
        """
        total: Plane = np.zeros((self.height, self.width), dtype=np.float32)
        for octave in range(octaves):
            scale = cells * 2**octave / self.short
            grid = rng.standard_normal(
                (math.ceil(self.height * scale) + 2, math.ceil(self.width * scale) + 2), dtype=np.float32
            )
            layer = Image.fromarray(grid).resize((self.width, self.height), Image.Resampling.BICUBIC)
            total += np.asarray(layer) / 2**octave
        even: Plane = (total - total.mean()) / total.std()
        return even

    def lattice(self, rng: np.random.Generator, period: float, bend: float) -> Plane:
        """(H, W) in 0..1: a honeycomb of a period, 1 along its walls, moved about by up to some `bend`."""
        wave = 2 * math.pi / period
        x: Plane = self.x + bend * self.noise(rng, 5, octaves=2)
        y = self.y + bend * self.noise(rng, 5, octaves=2)
        total: Plane = np.zeros_like(x)
        for turn in (0, 1, 2):
            angle = turn * math.pi / 3
            total += np.cos(wave * (x * math.cos(angle) + y * math.sin(angle)))
        walls: Plane = (3 - total) / 4.5
        return walls

    def dots(
        self, rng: np.random.Generator, centre: Point, reach: float, sizes: tuple[float, float]
    ) -> Plane:
        """(H, W), 0..1: round dots with soft edges, strewn over a disc around a point.

        Args:
            rng: where they come from.
            centre: of the disc.
            reach: the disc's radius.
            sizes: the smallest and the largest radius of a dot.
        """
        places = []
        for _ in range(rng.integers(8, 40)):
            angle, far = between(rng, 0, math.tau), reach * math.sqrt(rng.random())
            place = centre[0] + far * math.cos(angle), centre[1] + far * math.sin(angle)
            places.append((place, between(rng, *sizes)))

        def draw(pen: ImageDraw.ImageDraw, to_pixels: Callable[[Point], Point], scale: float) -> None:
            for place, radius in places:
                (x, y), r = to_pixels(place), radius * scale
                pen.ellipse((x - r, y - r, x + r, y + r), fill=255)

        soft: Plane = ndimage.gaussian_filter(self.shapes(draw), 0.005 * self.short)
        return soft

    def shapes(self, draw: Callable[[ImageDraw.ImageDraw, Callable[[Point], Point], float], None]) -> Plane:
        """How much of each pixel, 0..1, is covered by what `draw(pen, to_pixels, scale)` draws in white.

        Args:
            draw: gets the pen, what turns a point into pixels, and the pixels that a length of 1 has.
        """
        sheet = Image.new("L", (self.width * _FINER, self.height * _FINER))
        scale = float(self.short * _FINER)

        def to_pixels(point: Point) -> Point:
            return (point[0] + self.half[0]) * scale, (point[1] + self.half[1]) * scale

        draw(ImageDraw.Draw(sheet), to_pixels, scale)
        return np.asarray(sheet.reduce(_FINER), dtype=np.float32) / 255


def blend(picture: Picture, colour: Colour | Plane | Picture, cover: Plane) -> Picture:
    """Lay a colour over a picture, as strongly as `cover` (H, W), 0..1, says."""
    over = np.asarray(colour, dtype=np.float32)
    return picture + (over - picture) * cover[..., None]


def sigmoid(values: Plane) -> Plane:
    """0 far below zero, 1 far above; unlike the textbook's formula it cannot overflow."""
    raised: Plane = 0.5 + 0.5 * np.tanh(0.5 * values)
    return raised


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A plain float, evenly distributed; numpy's own would turn float32 arrays into float64."""
    return float(rng.uniform(low, high))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True that often."""
    return bool(rng.random() < probability)
