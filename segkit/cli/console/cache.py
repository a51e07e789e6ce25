"""The decoded images that are kept for later runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.data.cache.maintenance import Cached


def print_cache(root: Path, left: Sequence[Cached], removed: Sequence[Cached] | None) -> None:
    """Print what lies in the cache folder, and what was removed from it if anything was to be."""
    screen = Screen(sys.stdout)
    if removed is not None:
        screen.line(f"removed: {_in_words(removed)}", "bold")
    screen.line(f"{root}: {_in_words(left)}")
    if not left:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("preprocessing", "folder"):
        table.add_column(title, overflow="fold")
    for title in ("images", "size", "last used"):
        table.add_column(title, justify="right", no_wrap=True)
    for cached in left:
        used = datetime.fromtimestamp(cached.used).astimezone().strftime("%Y-%m-%d %H:%M")
        words = clean(cached.preprocessing)
        table.add_row(words, cached.folder.name, f"{cached.images:,}", size_in_words(cached.bytes), used)
    screen.table(table)


def size_in_words(count: float) -> str:
    """Bytes as "512 bytes", "3.4 MB", "120 GB"."""
    if count < 999.5:
        return f"{count:.0f} bytes"
    units = iter(("kB", "MB", "GB", "TB"))
    while count >= 999.5:
        count, unit = count / 1000, next(units)
    return f"{count:.1f} {unit}" if count < 9.95 else f"{count:.0f} {unit}"


def _in_words(cached: Sequence[Cached]) -> str:
    images, size = sum(one.images for one in cached), sum(one.bytes for one in cached)
    return f"{images:,} decoded images, {size_in_words(size)}" if cached else "nothing"
