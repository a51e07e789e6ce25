"""The entrants' colours and line styles, the same wherever the page draws them."""

from __future__ import annotations

from segkit.analysis.report.overlay import hex_color
from segkit.analysis.report.style import DARK, LIGHT, Theme
from segkit.data.palette import palette

Color = tuple[int, int, int]

COLORS: list[Color] = [(int(r), int(g), int(b)) for r, g, b in palette(8)[[5, 6, 3, 7, 1, 2, 4]]]
DASHES = ((), (2, 3), (9, 3, 2, 3))  # once all colours are used up; published lines have one of their own
CONTRAST = 3.0  # of a line against the page: WCAG 2, 1.4.11
STEPS = 50


def color_schemes(entrants: int) -> list[tuple[str, list[str]]]:
    """Media queries of a style sheet, and the entrants' colours there; the later one wins."""
    return [
        ("all", colors(entrants, LIGHT)),
        ("screen and (prefers-color-scheme: dark)", colors(entrants, DARK)),
    ]


def colors(entrants: int, theme: Theme) -> list[str]:
    """One for every entrant, seen well on the theme's page."""
    red, green, blue = bytes.fromhex(theme.ground[1:])
    seen = [hex_color(_seen(color, (red, green, blue))) for color in COLORS]
    return [seen[i % len(seen)] for i in range(entrants)]


def dashes(entrants: int) -> list[list[int]]:
    """A style for every entrant: those of one colour differ in it."""
    return [list(DASHES[i // len(COLORS) % len(DASHES)]) for i in range(entrants)]


def _seen(color: Color, ground: Color) -> Color:
    """The colour, moved away from the ground until it stands out from it."""
    end = 0 if _luminance(ground) > 0.5 else 255
    steps = (_between(color, end, step / STEPS) for step in range(STEPS + 1))
    return next(one for one in steps if _contrast(one, ground) >= CONTRAST)


def _between(color: Color, end: int, share: float) -> Color:
    red, green, blue = (round(part + (end - part) * share) for part in color)
    return red, green, blue


def _contrast(one: Color, other: Color) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance as WCAG 2 defines it."""
    red, green, blue = (_linear(part / 255) for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
