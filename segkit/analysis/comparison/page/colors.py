"""Colours and line styles of the candidates."""

from __future__ import annotations

from segkit.analysis.report.overlay import hex_color
from segkit.analysis.report.style import DARK, LIGHT, Theme
from segkit.data.palette import palette

Color = tuple[int, int, int]

COLORS: list[Color] = [(int(r), int(g), int(b)) for r, g, b in palette(8)[[5, 6, 3, 7, 1, 2, 4]]]
DASHES = (
    (),
    (2, 3),
    (9, 3, 2, 3),
)  # for the 1st, 2nd and 3rd use of the colours; [6, 4] is for published lines
CONTRAST = 3.0  # between line and page: WCAG 2, 1.4.11
STEPS = 50


def color_schemes(count: int) -> list[tuple[str, list[str]]]:
    """CSS media queries with the candidates' colours; later ones take precedence."""
    return [
        ("all", colors(count, LIGHT)),
        ("screen and (prefers-color-scheme: dark)", colors(count, DARK)),
    ]


def colors(count: int, theme: Theme) -> list[str]:
    """One colour per candidate, with sufficient contrast to the theme's background."""
    red, green, blue = bytes.fromhex(theme.ground[1:])
    visible = [hex_color(_with_contrast(color, (red, green, blue))) for color in COLORS]
    return [visible[i % len(visible)] for i in range(count)]


def dashes(count: int) -> list[list[int]]:
    """One line style per candidate; candidates of the same colour differ in style."""
    return [list(DASHES[i // len(COLORS) % len(DASHES)]) for i in range(count)]


def _with_contrast(color: Color, background: Color) -> Color:
    end = 0 if _luminance(background) > 0.5 else 255
    steps = (_mix(color, end, step / STEPS) for step in range(STEPS + 1))
    return next(mixed for mixed in steps if _contrast(mixed, background) >= CONTRAST)


def _mix(color: Color, end: int, share: float) -> Color:
    red, green, blue = (round(part + (end - part) * share) for part in color)
    return red, green, blue


def _contrast(a: Color, b: Color) -> float:
    dark, light = sorted((_luminance(a), _luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance as in WCAG 2."""
    red, green, blue = (_linear(part / 255) for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
