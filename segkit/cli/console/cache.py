"""Results of `segkit data cache`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.cli.console.format import plain_table
from segkit.cli.console.stream import Screen, clean

if TYPE_CHECKING:
    from segkit.data.cache.maintenance import Cached


def print_cache(root: Path, left: Sequence[Cached], removed: Sequence[Cached] | None) -> None:
    """Print the contents of the cache folder.

    Args:
        root: cache folder.
        left: cached data sets in it.
        removed: data sets removed from it; None if none were to be removed.
    """
    screen = Screen(sys.stdout)
    if removed is not None:
        screen.line(f"removed: {_totals(removed)}", "bold")
    screen.line(f"{root}: {_totals(left)}")
    if not left:
        return
    table = plain_table()
    for title in ("preprocessing", "folder"):
        table.add_column(title, overflow="fold")
    for title in ("images", "size", "last used"):
        table.add_column(title, justify="right", no_wrap=True)
    for cached in left:
        used = datetime.fromtimestamp(cached.used).astimezone().strftime("%Y-%m-%d %H:%M")
        size = format_bytes(cached.bytes)
        table.add_row(clean(cached.preprocessing), cached.folder.name, f"{cached.images:,}", size, used)
    screen.table(table)


def format_bytes(count: float) -> str:
    """Bytes as "512 bytes", "3.4 MB", "120 GB"."""
    if count < 999.5:
        return f"{count:.0f} bytes"
    units = iter(("kB", "MB", "GB", "TB"))
    while count >= 999.5:
        count, unit = count / 1000, next(units)
    return f"{count:.1f} {unit}" if count < 9.95 else f"{count:.0f} {unit}"


def _totals(cached: Sequence[Cached]) -> str:
    images, size = sum(entry.images for entry in cached), sum(entry.bytes for entry in cached)
    return f"{images:,} decoded images, {format_bytes(size)}" if cached else "nothing"
