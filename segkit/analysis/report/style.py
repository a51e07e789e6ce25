"""How figures look: colours, sizes of letters, file formats."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

LONGEST = 40  # letters of a name in a figure


@dataclass(frozen=True)
class Theme:
    """Colours that read well on a light or a dark page."""

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
    """An SVG in both colour schemes, and what it shows for those who cannot see it."""

    alt: str
    light: bytes
    dark: bytes


def both(draw: Callable[[Theme], bytes]) -> tuple[bytes, bytes]:
    """The same drawing on a light and on a dark page."""
    pictures = []
    for theme in (LIGHT, DARK):
        with mpl.rc_context(style(theme)):
            pictures.append(draw(theme))
    return pictures[0], pictures[1]


def style(theme: Theme) -> Any:
    """Settings of matplotlib: few lines, no frame, nothing random."""
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
        "legend.facecolor": theme.ground,  # hides the grid behind its words
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
        "text.parse_math": False,  # a name with dollars is a name
        "svg.fonttype": "none",
        "svg.hashsalt": "segkit",  # ids in the file would be random otherwise
    }


def drawn(name: str) -> str:
    """A name as it can be drawn, whoever chose it: not longer than a figure, without what no font has."""
    text = "".join(sign if sign.isprintable() else " " for sign in name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def svg(figure: Figure) -> bytes:
    """A figure as SVG with its text as text."""
    file = io.StringIO()
    with _any_letters():
        figure.savefig(file, format="svg", metadata={"Date": None})
    # Laid out with a wide font, shown in the reader's own.
    text = file.getvalue().replace("'DejaVu Sans'", "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif")
    return text.encode()


def png(figure: Figure) -> bytes:
    """A figure as PNG, on a light ground."""
    file = io.BytesIO()
    with _any_letters():
        figure.savefig(file, format="png", dpi=150, facecolor=LIGHT.ground, metadata={"Software": None})
    return file.getvalue()


@contextmanager
def _any_letters() -> Iterator[None]:
    """Letters that the font lacks are drawn as boxes, without a word: the page shows them in full."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
