"""Figures of a paper: sizes, style, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from segkit.analysis.report.style import LIGHT, missing_glyphs_allowed, style
from segkit.utils.atomic import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMN, PAGE = 3.35, 7.0  # inches: width of a column, and of both
DPI = 300
THIN, THICK = 0.5, 1.3  # lines
_TEXT = 8  # points
_INK = "#000000"


def figure_style() -> Any:
    """Matplotlib settings of figures in print."""
    return {
        **style(LIGHT),
        "font.size": _TEXT,
        "axes.titlesize": _TEXT,
        "axes.titleweight": "normal",
        "axes.titlepad": 4,
        "axes.labelsize": _TEXT,
        "axes.labelcolor": _INK,
        "axes.titlecolor": _INK,
        "axes.edgecolor": LIGHT.muted,
        "axes.linewidth": 0.6,
        "axes.spines.left": True,
        "grid.linewidth": 0.4,
        "legend.fontsize": _TEXT,
        "legend.labelcolor": _INK,
        "xtick.labelsize": _TEXT,
        "ytick.labelsize": _TEXT,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "xtick.major.size": 2,
        "figure.constrained_layout.w_pad": 0.03,
        "figure.constrained_layout.h_pad": 0.03,
        "pdf.fonttype": 42,  # fonts are embedded as TrueType, which journals ask for
    }


@dataclass(frozen=True)
class PaperFigure:
    """A figure.

    Args:
        name: name of its files.
        caption: caption in LaTeX.
        figure: the drawn figure.
    """

    name: str
    caption: str
    figure: Figure

    def write(self, folder: Path, label: str) -> None:
        """Write NAME.pdf, NAME.png and NAME.tex into a folder, reproducible byte for byte."""
        file, undated = folder / self.name, dict.fromkeys(("CreationDate", "Creator", "Producer"))
        with mpl.rc_context(figure_style()), missing_glyphs_allowed():
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")  # would change the layout a little with each file
            self.figure.savefig(file.with_suffix(".pdf"), metadata=undated, dpi=DPI)
            self.figure.savefig(
                file.with_suffix(".png"), metadata={"Software": None}, dpi=DPI, facecolor="white"
            )
        is_wide = self.figure.get_figwidth() > COLUMN + 0.1  # as two columns, where there are two
        kind, width = ("figure*", r"[width=\linewidth]") if is_wide else ("figure", "")
        text = (
            f"% Needs \\usepackage{{graphicx}}.\n\\begin{{{kind}}}\n  \\centering\n"
            f"  \\includegraphics{width}{{figures/{self.name}.pdf}}\n"
            f"  \\caption{{{self.caption}}}\n  \\label{{fig:{label}-{self.name}}}\n\\end{{{kind}}}\n"
        )
        write_text(file.with_suffix(".tex"), text)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """A legend of the curves of `axes` below the figure; nothing for a single curve."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(columns, len(handles)), frameon=False
        )
