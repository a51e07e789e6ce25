"""Drawing a dermoscopic image: skin, a lesion in it, and what lies on top.

Colours come about as in skin: light is absorbed by melanin and blood on its way through, so that
`colour = skin * exp(-melanin * a - blood * b)`, with a and b of `_DENSITIES`, holds for fair and for dark
skin alike. Lengths are shares of the image's shorter side, so that a scene looks alike at every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segkit.data.synthetic.artefacts import add_frame, add_hair, add_others, add_ruler
from segkit.data.synthetic.canvas import Canvas, Picture, Plane, Point, between, blend, chance, sigmoid

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task

_SPLITS = ("train", "val", "test")
_LAYERS = ("skin", "shape", "pigment", "hair", "ruler", "other", "camera")
_SKINS = np.array(
    [(232, 196, 180), (222, 172, 150), (204, 152, 122), (172, 122, 94), (134, 92, 70), (98, 68, 54)]
)
_DENSITIES = ((0.50, 0.12), (0.88, 0.75), (1.05, 0.62))  # of 1 melanin and of 1 blood; red, green, blue
_VEIL = (138.0, 146.0, 170.0)


@dataclass(frozen=True)
class Scene:
    """What all images of a data set have in common.

    Args:
        seed: another seed, other images.
        height: in pixels.
        width: in pixels.
        hair: the share of images with hair.
        rulers: the share of images with a ruler.
    """

    seed: int
    height: int
    width: int
    hair: float
    rulers: float

    def stream(self, split: str, index: int, layer: str) -> np.random.Generator:
        """The randomness of one layer of one image, so that one layer less leaves the others as they are."""
        words = (self.seed, _SPLITS.index(split), index, _LAYERS.index(layer))
        return np.random.default_rng(np.random.SeedSequence(words))


@dataclass(frozen=True)
class Lesion:
    """Where a lesion is.

    Shape:
        field: (H, W), 1 in the middle, 0 at the border, negative outside.
        cover: (H, W), 0..1, with a soft edge.
    """

    field: Plane
    cover: Plane
    centre: Point
    radius: float


def read(scene: Scene, split: str, index: int, task: Task, channels: int) -> tuple[Pixels, Pixels]:
    """One image (H, W, channels) and its mask, (H, W), or (H, W, K) for multilabel."""
    rgb, objects = draw(scene, split, index)
    return _with_channels(rgb, channels), _as_mask(objects, task)


def draw(scene: Scene, split: str, index: int) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """One image (H, W, 3), and where lesion, hair and ruler are, (H, W, 3)."""
    streams = {layer: scene.stream(split, index, layer) for layer in _LAYERS}
    canvas = Canvas(scene.height, scene.width)
    skin = _skin(canvas, streams["skin"])
    lesion = _lesion(canvas, streams["shape"])
    picture = _pigment(canvas, streams["pigment"], skin, lesion)
    picture, hidden = add_others(canvas, streams["other"], picture)
    nothing = np.zeros_like(lesion.cover)
    hair = ruler = nothing
    if chance(streams["hair"], scene.hair):
        picture, hair = add_hair(canvas, streams["hair"], picture)
    if chance(streams["ruler"], scene.rulers):
        picture, ruler = add_ruler(canvas, streams["ruler"], picture)
    dark = nothing
    if chance(streams["camera"], 0.2):
        picture, dark = add_frame(canvas, streams["camera"], picture)
    seen = dark < 0.5
    objects = [(lesion.field > 0) & (hidden < 0.5) & seen, (hair > 0.35) & seen, (ruler > 0.5) & seen]
    return _photograph(streams["camera"], picture), np.stack(objects, axis=-1)


def _skin(canvas: Canvas, rng: np.random.Generator) -> Picture:
    """Bare skin under an uneven lamp: tone, blotches, furrows, freckles."""
    tone = (len(_SKINS) - 1) * float(rng.beta(1.0, 1.4))
    base = [np.interp(tone, range(len(_SKINS)), _SKINS[:, band]) for band in range(3)]
    colour = np.array(base, dtype=np.float32) + rng.normal(0, 4, 3).astype(np.float32)
    furrows = canvas.lattice(rng, between(rng, 0.04, 0.07), 0.02)
    grain = canvas.noise(rng, canvas.short / 3)
    light = 1 + 0.022 * grain - between(rng, 0, 0.09) * (furrows - 0.5)
    angle, slope = between(rng, 0, math.tau), between(rng, 0, 0.28)
    light += slope * (canvas.x * math.cos(angle) + canvas.y * math.sin(angle))
    light -= between(rng, 0, 0.3) * canvas.distance((0, 0)) ** 2
    blood = between(rng, 0.02, 0.09) * canvas.noise(rng, 4, octaves=3)
    melanin = 0.04 * canvas.noise(rng, 3, octaves=2)
    if chance(rng, 0.3):
        melanin += between(rng, 0.1, 0.3) * canvas.dots(rng, (0, 0), max(canvas.half), (0.006, 0.02))
    return colour * light[..., None] * _absorbed(melanin, blood)


def _lesion(canvas: Canvas, rng: np.random.Generator) -> Lesion:
    """An ellipse whose border is pushed about by waves around it and by noise."""
    radius = between(rng, 0.12, 0.4) if chance(rng, 0.85) else between(rng, 0.4, 0.52)
    stretch = between(rng, 1.0, 1.35)
    angle = between(rng, 0, math.pi)
    roam = max(0.03, 0.42 - radius) * 0.55
    centre = roam * float(rng.uniform(-1, 1)), roam * float(rng.uniform(-1, 1))
    x, y = canvas.x - centre[0], canvas.y - centre[1]
    u = (x * math.cos(angle) + y * math.sin(angle)) / stretch
    v = (y * math.cos(angle) - x * math.sin(angle)) * stretch
    around = np.arctan2(v, u)
    raggedness = between(rng, 0.3, 1.5)
    border = np.ones_like(around)
    for waves in range(2, 8):
        height = 0.11 * raggedness / waves * float(rng.standard_normal())
        border += height * np.cos(waves * around + between(rng, 0, math.tau))
    rough = 0.05 * raggedness * canvas.noise(rng, 2.2 / radius, octaves=3)
    field = 1 - np.hypot(u, v) / (radius * np.clip(border, 0.5, 1.6)) + rough
    softness = between(rng, 0.004, 0.022) / radius
    return Lesion(field, sigmoid(field / softness), centre, radius)


def _pigment(canvas: Canvas, rng: np.random.Generator, skin: Picture, lesion: Lesion) -> Picture:
    """Colour the lesion: one of a few kinds, then the structures that a dermatologist looks for."""
    kind = rng.choice(("brown", "dark", "red", "faint"), p=(0.5, 0.25, 0.13, 0.12))
    low, high, red, uneven = {
        "brown": (0.6, 1.3, 0.15, 0.2),
        "dark": (1.1, 2.3, 0.2, 0.4),
        "red": (0.12, 0.4, 0.75, 0.25),
        "faint": (0.36, 0.55, 0.15, 0.15),
    }[str(kind)]
    depth = np.clip(lesion.field, 0, 1)
    melanin: Plane = between(rng, low, high) * (1 + between(rng, -0.5, 0.7) * (depth - 0.4))
    melanin *= np.clip(1 + uneven * canvas.noise(rng, 1.2 / lesion.radius, octaves=4), 0.35, 2)
    blood: Plane = red * between(rng, 0.5, 1.3) * np.clip(1 + 0.3 * canvas.noise(rng, 5, octaves=3), 0.2, 2)
    melanin = _structures(canvas, rng, melanin, lesion)
    # Light is blended rather than pigment, so that the border that is seen is where `cover` is a half.
    under = skin
    if chance(rng, 0.25):  # the skin around an irritated lesion is red
        redness = between(rng, 0.1, 0.35) * sigmoid((lesion.field + 0.25) / 0.1)
        under = skin * _absorbed(np.zeros_like(redness), redness)
    picture: Picture = under + (skin * _absorbed(melanin, blood) - under) * lesion.cover[..., None]
    if kind != "faint" and chance(rng, 0.3):
        film = between(rng, 0.3, 0.65) * np.clip(0.8 + 0.2 * canvas.noise(rng, 8, octaves=3), 0, 1.3)
        shade = np.asarray(_VEIL, dtype=np.float32) * (float(skin.mean()) / 175)
        picture = blend(picture, shade, film * _region(canvas, rng, lesion, share=0.35))
    return picture


def _structures(canvas: Canvas, rng: np.random.Generator, melanin: Plane, lesion: Lesion) -> Plane:
    """Darker parts, lighter parts, a network, globules, streaks: each lesion has some of them."""
    if chance(rng, 0.45):
        melanin = melanin * (1 + between(rng, 0.4, 1.0) * _region(canvas, rng, lesion, share=0.35))
    if chance(rng, 0.3):
        melanin = melanin * (1 - between(rng, 0.4, 0.7) * _region(canvas, rng, lesion, share=0.25))
    if chance(rng, 0.5):
        walls = canvas.lattice(rng, between(rng, 0.03, 0.055), between(rng, 0.008, 0.02))
        strength = between(rng, 0.3, 0.9) * _region(canvas, rng, lesion, share=0.6)
        melanin = melanin * (1 + strength * (walls - 0.6))
    if chance(rng, 0.4):
        dots = canvas.dots(rng, lesion.centre, lesion.radius, (0.008, 0.022))
        melanin = melanin + between(rng, 0.3, 0.8) * dots
    if chance(rng, 0.15):
        rim = np.exp(-((lesion.field / 0.25) ** 2)) * sigmoid(canvas.noise(rng, 4) / 0.4)
        angles = np.arctan2(canvas.y - lesion.centre[1], canvas.x - lesion.centre[0])
        rays = np.cos(int(rng.integers(14, 26)) * angles + 2.5 * canvas.noise(rng, 5, octaves=2))
        melanin = melanin * (1 + 0.55 * rim * rays)
    return melanin


def _region(canvas: Canvas, rng: np.random.Generator, lesion: Lesion, *, share: float) -> Plane:
    """(H, W), 0..1: a blotch with soft edges over about this share of the lesion, away from its border."""
    hills = canvas.noise(rng, 0.9 / lesion.radius, octaves=3)
    inside = hills[lesion.field > 0]
    level = float(np.quantile(inside, 1 - share)) if inside.size else 0.0
    return sigmoid((hills - level) / 0.3) * sigmoid((lesion.field - 0.12) / 0.05)


def _photograph(rng: np.random.Generator, picture: Picture) -> Pixels:
    """What the camera does: white balance, a little blur, noise, eight bits."""
    picture = picture * rng.normal(1, 0.03, 3).astype(np.float32)
    blur = between(rng, 0, 0.8)
    if blur > 0.3:
        picture = ndimage.gaussian_filter(picture, (blur, blur, 0), truncate=2.5)
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * between(rng, 1, 3.5)
    return np.clip(picture + noise + 0.5, 0, 255).astype(np.uint8)


def _absorbed(melanin: Plane, blood: Plane) -> Picture:
    """(H, W, 3): the share of light that comes back."""
    # One band after the other: numpy is slow on arrays whose last axis is as short as 3.
    bands = [np.exp(-melanin * of_melanin - blood * of_blood) for of_melanin, of_blood in _DENSITIES]
    back: Picture = np.stack(bands, axis=-1)
    return back


def _with_channels(rgb: Pixels, channels: int) -> Pixels:
    if channels == 1:
        grey: npt.NDArray[np.float64] = rgb @ np.array([[0.299], [0.587], [0.114]])
        return np.rint(grey).astype(np.uint8)
    if channels == 4:
        return np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=-1)
    return rgb


def _as_mask(objects: npt.NDArray[np.bool_], task: Task) -> Pixels:
    """The task's integers; where several objects are and only one can count, it is the one on top."""
    if task.kind == "binary":
        return objects[..., 0].astype(np.uint8)
    if task.kind == "multilabel":
        return objects[..., : len(task.classes)].astype(np.uint8)
    mask = np.zeros(objects.shape[:2], dtype=np.uint8)
    for label in range(1, len(task.classes)):
        mask[objects[..., label - 1]] = label
    return mask
