"""Table of the classes and how often they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from segkit.cli.console.stream import Screen
    from segkit.data.class_counts import ClassCounts


def print_classes(screen: Screen, counts: ClassCounts) -> None:
    """Print the share of each class in the pixels that are not ignored, and the images that show it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("class")
    for title in ("share of pixels", "images"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, images in zip(counts.names, counts.images, strict=True):
        table.add_row(Text(name), share_in_words(counts.fractions[name]), f"{images:,}")
    screen.table(table)
    screen.line()


def share_in_words(share: float) -> str:
    """``12.3%``, ``0.012%``; more digits for less than a percent."""
    return "none" if not share else f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"
