"""Figure style: colours, fonts, file formats."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

MAX_TEXT = 40  # characters


@dataclass(frozen=True)
class Theme:
    """Colours of figures on a light or a dark page."""

    ink: str
    muted: str
    grid: str
    accent: str
    second: str
    ground: str


LIGHT = Theme("#1c2429", "#59656d", "#e4e8ea", "#0b6e8a", "#b4602a", "#ffffff")
DARK = Theme("#e6ebee", "#9aa7af", "#2c363c", "#56c2de", "#eba06d", "#171c20")


@dataclass(frozen=True)
class Picture:
    """A figure as SVG in both colour schemes, with alternative text."""

    alt: str
    light: bytes
    dark: bytes


def light_and_dark(draw: Callable[[Theme], bytes]) -> tuple[bytes, bytes]:
    """Draw a figure in both colour schemes."""
    with mpl.rc_context(style(LIGHT)):
        light = draw(LIGHT)
    with mpl.rc_context(style(DARK)):
        return light, draw(DARK)


def style(theme: Theme) -> Any:
    """Matplotlib settings of a theme; reproducible."""
    return {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "axes.titlelocation": "left",
        "axes.titlesize": 11.5,
        "axes.titleweight": "bold",
        "axes.titlecolor": theme.ink,
        "axes.titlepad": 10,
        "axes.labelcolor": theme.muted,
        "axes.edgecolor": theme.grid,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": theme.grid,
        "grid.linewidth": 0.8,
        "figure.facecolor": "none",
        "legend.facecolor": theme.ground,  # hides the grid behind the text
        "legend.edgecolor": "none",
        "legend.framealpha": 1.0,
        "legend.fancybox": False,
        "legend.labelcolor": theme.muted,
        "legend.fontsize": 8.5,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.08,
        "text.parse_math": False,  # names may contain dollars
        "svg.fonttype": "none",
        "svg.hashsalt": "segkit",  # ids would be random otherwise
    }


def figure_text(name: str) -> str:
    """A name without control characters, shortened to `MAX_TEXT`."""
    text = "".join(letter if letter.isprintable() else " " for letter in name)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."


def svg(figure: Figure) -> bytes:
    """Render a figure as SVG; text stays text."""
    file = io.StringIO()
    with missing_glyphs_allowed():
        figure.savefig(file, format="svg", metadata={"Date": None})
    # The layout uses a wide font, so that the reader's own font fits.
    text = file.getvalue().replace("'DejaVu Sans'", "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif")
    return text.encode()


def png(figure: Figure) -> bytes:
    """Render a figure as PNG on a light background."""
    file = io.BytesIO()
    with missing_glyphs_allowed():
        figure.savefig(file, format="png", dpi=150, facecolor=LIGHT.ground, metadata={"Software": None})
    return file.getvalue()


@contextmanager
def missing_glyphs_allowed() -> Iterator[None]:
    """Do not warn of letters that the font lacks: they are drawn as boxes, and the page has the full text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
