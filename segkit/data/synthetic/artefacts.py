"""What lies between camera and skin: hair, rulers, bubbles, ink, stickers, and a dark frame."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from segkit.data.synthetic.canvas import (
    Canvas,
    Colour,
    Picture,
    Plane,
    Point,
    between,
    blend,
    chance,
    sigmoid,
)

_HAIR: tuple[Colour, ...] = ((28, 20, 18), (45, 30, 22), (70, 48, 34), (110, 82, 55), (165, 150, 135))
_HAIR_SHARES = (0.4, 0.25, 0.15, 0.12, 0.08)
_STICKERS: tuple[Colour, ...] = ((60, 110, 190), (70, 160, 90), (200, 70, 70), (225, 190, 60), (235, 140, 60))
_INKS: tuple[Colour, ...] = ((75, 60, 140), (60, 80, 160), (95, 55, 120))
_PAPERS: tuple[Colour, ...] = ((225, 222, 214), (205, 208, 205), (190, 205, 215), (215, 205, 170))


def add_hair(canvas: Canvas, rng: np.random.Generator, picture: Picture) -> tuple[Picture, Plane]:
    """Draw from a few hairs to a pelt, all of about one colour; gives the cover (H, W) as well."""
    count = int(rng.integers(15, 34) if chance(rng, 0.3) else rng.integers(2, 12))
    main, spread = between(rng, 0, math.tau), between(rng, 0.15, 1.2)
    width = between(rng, 0.006, 0.013)
    strands = [(_strand(canvas, rng, main, spread), width * between(rng, 0.7, 1.2)) for _ in range(count)]

    def draw(pen: ImageDraw.ImageDraw, to_pixels: Callable[[Point], Point], scale: float) -> None:
        for points, thickness in strands:
            pen.line([to_pixels(p) for p in points], 255, max(2, round(thickness * scale)), "curve")

    cover = canvas.shapes(draw)
    colour = np.array(_HAIR[rng.choice(len(_HAIR), p=_HAIR_SHARES)], dtype=np.float32)
    shades = colour + 10 * canvas.noise(rng, 9)[..., None]
    return blend(picture, shades, cover * between(rng, 0.75, 0.97)), cover


def add_ruler(canvas: Canvas, rng: np.random.Generator, picture: Picture) -> tuple[Picture, Plane]:
    """Draw a strip with ticks along one edge, paper or clear; gives the cover (H, W) of the strip as well."""
    turned, far = chance(rng, 0.5), chance(rng, 0.5)
    along, across = (canvas.y, canvas.x) if turned else (canvas.x, canvas.y)
    depth, edge = between(rng, 0.09, 0.15), canvas.half[0 if turned else 1]
    tilt = between(rng, -0.06, 0.06)
    # 0 on the strip's inner border, growing towards the image's edge
    inside = (across if far else -across) - (edge - depth) + tilt * along
    pixel = 1 / canvas.short
    strip = np.clip(inside / pixel + 0.5, 0, 1)
    step = between(rng, 0.035, 0.06)
    number = np.round(along / step)
    beside = np.abs(along - number * step)
    length = 0.04 + 0.025 * (number % 5 == 0).astype(np.float32)
    ticks = np.clip((0.006 - beside) / pixel + 0.5, 0, 1) * np.clip((length - inside) / pixel, 0, 1) * strip
    paper = _PAPERS[rng.integers(len(_PAPERS))]
    clear = chance(rng, 0.4)
    picture = blend(picture, paper, strip * (between(rng, 0.25, 0.45) if clear else between(rng, 0.8, 0.95)))
    return blend(picture, (35, 35, 40), ticks * between(rng, 0.7, 0.95)), strip


def add_others(canvas: Canvas, rng: np.random.Generator, picture: Picture) -> tuple[Picture, Plane]:
    """Draw bubbles, ink, a sticker, each rarely; gives the cover (H, W) of what hides the skin as well."""
    hidden = np.zeros((canvas.height, canvas.width), dtype=np.float32)
    if chance(rng, 0.15):
        picture = _bubbles(canvas, rng, picture)
    if chance(rng, 0.1):
        picture = _ink(canvas, rng, picture)
    elif chance(rng, 0.1):
        return _sticker(canvas, rng, picture)
    return picture, hidden


def add_frame(canvas: Canvas, rng: np.random.Generator, picture: Picture) -> tuple[Picture, Plane]:
    """Darken what lies outside the dermatoscope's round view; gives the cover of the dark as well."""
    centre = between(rng, -0.04, 0.04), between(rng, -0.04, 0.04)
    radius = max(canvas.half) * between(rng, 0.98, 1.22)
    cover = sigmoid((canvas.distance(centre) - radius) / between(rng, 0.003, 0.015))
    return blend(picture, (9, 7, 7), cover), cover


def _bubbles(canvas: Canvas, rng: np.random.Generator, picture: Picture) -> Picture:
    """Draw air bubbles in the immersion fluid: bright rims, and a reflected lamp in each."""
    places = [
        (_anywhere(canvas, rng), 0.012 + 0.05 * float(rng.random()) ** 2) for _ in range(rng.integers(2, 14))
    ]
    light = between(rng, 0, math.tau)

    def rims(pen: ImageDraw.ImageDraw, to_pixels: Callable[[Point], Point], scale: float) -> None:
        for centre, radius in places:
            x, y, r = *to_pixels(centre), radius * scale
            pen.ellipse((x - r, y - r, x + r, y + r), outline=150, width=max(1, round(0.006 * scale)))

    def lamps(pen: ImageDraw.ImageDraw, to_pixels: Callable[[Point], Point], scale: float) -> None:
        for centre, radius in places:
            spot = (centre[0] + 0.5 * radius * math.cos(light), centre[1] + 0.5 * radius * math.sin(light))
            x, y, r = *to_pixels(spot), max(1.0, 0.25 * radius * scale)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)

    bright = canvas.shapes(rims) * between(rng, 0.4, 0.9)
    return blend(blend(picture, (250, 248, 245), bright), (255, 255, 255), canvas.shapes(lamps) * 0.9)


def _ink(canvas: Canvas, rng: np.random.Generator, picture: Picture) -> Picture:
    """Draw strokes of a surgeon's pen beside the middle; skin shows through."""
    ring = between(rng, 0.42, 0.52)
    strokes = []
    for _ in range(rng.integers(1, 4)):
        start, span = between(rng, 0, math.tau), between(rng, 0.2, 0.6)
        angles = [start + span * step / 8 for step in range(9)]
        strokes.append([(ring * math.cos(angle), ring * math.sin(angle)) for angle in angles])
    thickness = between(rng, 0.02, 0.04)

    def draw(pen: ImageDraw.ImageDraw, to_pixels: Callable[[Point], Point], scale: float) -> None:
        for points in strokes:
            pen.line([to_pixels(p) for p in points], 255, round(thickness * scale), "curve")

    ink = np.asarray(_INKS[rng.integers(len(_INKS))], dtype=np.float32)
    worn = canvas.shapes(draw) * np.clip(0.6 + 0.25 * canvas.noise(rng, 25), 0.1, 0.95)
    return blend(picture, picture * ink / 200, worn)


def _sticker(canvas: Canvas, rng: np.random.Generator, picture: Picture) -> tuple[Picture, Plane]:
    """Lay a coloured round patch, as used on children's images, over an edge; gives its cover as well."""
    radius, angle = between(rng, 0.16, 0.3), between(rng, 0, math.tau)
    reach = between(rng, 0.52, 0.6) + 0.6 * radius
    centre = reach * math.cos(angle), reach * math.sin(angle)
    cover = np.clip((radius - canvas.distance(centre)) * canvas.short + 0.5, 0, 1)
    colour = np.asarray(_STICKERS[rng.integers(len(_STICKERS))], dtype=np.float32)
    shades = colour * (1 + 0.05 * canvas.noise(rng, 6, octaves=2))[..., None]
    return blend(picture, shades, cover * 0.96), cover


def _strand(canvas: Canvas, rng: np.random.Generator, main: float, spread: float) -> list[Point]:
    """One hair: a quadratic Bezier curve through anywhere."""
    middle = _anywhere(canvas, rng)
    angle = main + spread * float(rng.standard_normal()) * 0.5
    half, bow = between(rng, 0.12, 0.6), between(rng, -0.35, 0.35)
    reach = half * math.cos(angle), half * math.sin(angle)
    start, end = (middle[0] - reach[0], middle[1] - reach[1]), (middle[0] + reach[0], middle[1] + reach[1])
    pull = middle[0] - bow * reach[1], middle[1] + bow * reach[0]
    points = []
    for step in range(15):
        t = step / 14
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        points.append((a * start[0] + b * pull[0] + c * end[0], a * start[1] + b * pull[1] + c * end[1]))
    return points


def _anywhere(canvas: Canvas, rng: np.random.Generator) -> Point:
    return between(rng, -1, 1) * canvas.half[0], between(rng, -1, 1) * canvas.half[1]
