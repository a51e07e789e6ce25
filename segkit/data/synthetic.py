"""Synthetic images of skin lesions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task

Plane = npt.NDArray[np.float64]  # (H, W)
Picture = npt.NDArray[np.float64]  # (H, W, 3), 0..255
Mask = npt.NDArray[np.bool_]  # (H, W)

_SPLITS = ("train", "val", "test")
_LAYERS = ("skin", "lesion", "hair", "ruler", "camera")
_FAIR, _DARK = np.array([236.0, 200, 182]), np.array([100.0, 70, 55])
_MELANIN, _BLOOD = np.array([0.50, 0.88, 1.05]), np.array([0.12, 0.75, 0.62])  # absorb red, green, blue
_SUPERSAMPLING = 3  # antialiasing of hair


@dataclass(frozen=True)
class Scene:
    """Settings of a synthetic data set. Lengths are shares of the image's shorter side.

    Args:
        seed: seed of all images.
        height: height in pixels.
        width: width in pixels.
        hair: share of images with hair.
        rulers: share of images with a ruler.
    """

    seed: int
    height: int
    width: int
    hair: float
    rulers: float

    def stream(self, split: str, index: int, layer: str) -> np.random.Generator:
        """Random generator of one layer of one image, independent of the other layers."""
        words = (self.seed, _SPLITS.index(split), index, _LAYERS.index(layer))
        return np.random.default_rng(np.random.SeedSequence(words))

    @property
    def short(self) -> int:
        """Shorter side in pixels."""
        return min(self.height, self.width)

    def grid(self) -> tuple[Plane, Plane]:
        """Coordinates x (1, W) and y (H, 1), 0 in the centre."""
        x = (np.arange(self.width)[None, :] - (self.width - 1) / 2) / self.short
        y = (np.arange(self.height)[:, None] - (self.height - 1) / 2) / self.short
        return x, y

    def noise(self, rng: np.random.Generator, cells: float, octaves: int = 3) -> Plane:
        """Smooth noise of mean 0 and standard deviation 1.

        Args:
            rng: random generator.
            cells: number of noise cells along the shorter side.
            octaves: number of layers, each with twice the frequency and half the amplitude.
        """
        size, total = (self.width, self.height), np.zeros((self.height, self.width))
        for octave in range(octaves):
            scale = cells * 2**octave / self.short
            rows, columns = (math.ceil(side * scale) + 2 for side in (self.height, self.width))
            coarse = Image.fromarray(rng.standard_normal((rows, columns), dtype=np.float32))
            total += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) / 2**octave
        standardised: Plane = (total - total.mean()) / total.std()
        return standardised


def read(scene: Scene, split: str, index: int, task: Task, channels: int) -> tuple[Pixels, Pixels]:
    """Draw an image (H, W, channels) and its mask, (H, W), or (H, W, K) for multilabel."""
    rgb, objects = draw(scene, split, index)
    return _with_channels(rgb, channels), _as_mask(objects, task)


def draw(scene: Scene, split: str, index: int) -> tuple[Pixels, Mask]:
    """Draw an image (H, W, 3) and the masks of lesion, hair and ruler, (H, W, 3)."""
    rngs = {layer: scene.stream(split, index, layer) for layer in _LAYERS}
    picture, lesion = _lesion(scene, rngs["lesion"], _skin(scene, rngs["skin"]))
    hair = ruler = np.zeros_like(lesion)
    if rngs["hair"].random() < scene.hair:
        picture, hair = _hair(scene, rngs["hair"], picture)
    if rngs["ruler"].random() < scene.rulers:
        picture, ruler = _ruler(scene, rngs["ruler"], picture)
    picture = picture + rngs["camera"].normal(0, 3, picture.shape)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8), np.stack([lesion, hair, ruler], axis=-1)


def _skin(scene: Scene, rng: np.random.Generator) -> Picture:
    x, y = scene.grid()
    tone = _FAIR + (_DARK - _FAIR) * rng.beta(1, 1.4)
    angle = rng.uniform(0, math.tau)
    light = 1 + rng.uniform(0, 0.3) * (x * math.cos(angle) + y * math.sin(angle))
    return _absorbed(tone * light[..., None], 0.06 * scene.noise(rng, 4), _BLOOD)


def _lesion(scene: Scene, rng: np.random.Generator, skin: Picture) -> tuple[Picture, Mask]:
    radius, stretch, turn = rng.uniform(0.12, 0.45), rng.uniform(1, 1.35), rng.uniform(0, math.pi)
    across, down = rng.uniform(-1, 1, 2) * 0.55 * max(0.03, 0.42 - radius)
    x, y = scene.grid()
    x, y = x - across, y - down
    u = (x * math.cos(turn) + y * math.sin(turn)) / stretch
    v = (y * math.cos(turn) - x * math.sin(turn)) * stretch
    around, ragged = np.arctan2(v, u), rng.uniform(0.3, 1.5)
    border = np.ones_like(around)
    for waves in range(2, 8):
        height = 0.11 * ragged / waves * rng.standard_normal()
        border += height * np.cos(waves * around + rng.uniform(0, math.tau))
    inside = 1 - np.hypot(u, v) / (radius * np.clip(border, 0.5, 1.6))
    inside += 0.05 * ragged * scene.noise(rng, 2.2 / radius)
    cover = 0.5 + 0.5 * np.tanh(inside * radius / rng.uniform(0.008, 0.04))  # a soft edge
    pigment = 0.35 * 6 ** rng.random() * np.clip(1 + 0.35 * scene.noise(rng, 1.2 / radius), 0.3, 2)
    pigment *= 1 + rng.uniform(-0.5, 0.7) * (np.clip(inside, 0, 1) - 0.4)  # centre and rim differ
    colour = _absorbed(skin, pigment, _MELANIN + (_BLOOD - _MELANIN) * rng.beta(0.4, 1.2))
    return _over(skin, colour, cover), inside > 0


def _hair(scene: Scene, rng: np.random.Generator, picture: Picture) -> tuple[Picture, Mask]:
    sheet = Image.new("L", (scene.width * _SUPERSAMPLING, scene.height * _SUPERSAMPLING))
    pen, scale = ImageDraw.Draw(sheet), scene.short * _SUPERSAMPLING
    main, along = rng.uniform(0, math.tau), np.linspace(-1, 1, 15)
    for _ in range(int(2 + 28 * rng.random() ** 2)):
        angle, half, bow = main + 0.4 * rng.standard_normal(), rng.uniform(0.12, 0.6), rng.uniform(-0.2, 0.2)
        ahead, aside = half * along, half * bow * (1 - along**2)
        x = rng.random() * sheet.width + scale * (ahead * math.cos(angle) - aside * math.sin(angle))
        y = rng.random() * sheet.height + scale * (ahead * math.sin(angle) + aside * math.cos(angle))
        width = max(2, round(scale * rng.uniform(0.005, 0.014)))
        pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), 255, width, "curve")
    cover = np.asarray(sheet.reduce(_SUPERSAMPLING)) / 255
    colour = np.array([30.0, 22, 18]) + rng.random() ** 3 * np.array([130.0, 120, 105])
    return _over(picture, colour, cover * rng.uniform(0.75, 0.97)), cover > 0.35


def _ruler(scene: Scene, rng: np.random.Generator, picture: Picture) -> tuple[Picture, Mask]:
    x, y = scene.grid()
    along, across = (x, y) if rng.random() < 0.5 else (y, x)
    inside = across * rng.choice((-1, 1)) - np.abs(across).max() + rng.uniform(0.09, 0.15)
    step = rng.uniform(0.035, 0.06)
    ticks = (np.abs((along + step / 2) % step - step / 2) < 0.006) & (inside < 0.05)
    strip = np.broadcast_to(inside > 0, ticks.shape)
    picture = _over(picture, np.array([215.0, 210, 200]), strip * rng.uniform(0.3, 0.95))
    return _over(picture, np.array([35.0, 35, 40]), 0.8 * (strip & ticks)), strip


def _absorbed(light: Picture, density: Plane, absorption: npt.NDArray[np.float64]) -> Picture:
    return light * np.exp(-density[..., None] * absorption)


def _over(picture: Picture, colour: npt.NDArray[np.float64], cover: Plane) -> Picture:
    return picture + (colour - picture) * cover[..., None]


def _with_channels(rgb: Pixels, channels: int) -> Pixels:
    if channels == 1:
        return np.asarray(Image.fromarray(rgb).convert("L"))[..., None]
    if channels == 4:
        return np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=-1)
    return rgb


def _as_mask(objects: Mask, task: Task) -> Pixels:
    if task.kind == "binary":
        return objects[..., 0].astype(np.uint8)
    if task.kind == "multilabel":
        return objects[..., : len(task.classes)].astype(np.uint8)
    mask = np.zeros(objects.shape[:2], dtype=np.uint8)
    for label in range(1, len(task.classes)):
        mask[objects[..., label - 1]] = label
    return mask
