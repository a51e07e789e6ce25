"""What lies in the cache, and clearing it away."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segkit.data.cache.cache import ABOUT, DAY_SECONDS, LOCK, clear_unfinished
from segkit.data.cache.pack_file import ENDING, rows_in
from segkit.utils.hashing import FOLDER as DIGESTS
from segkit.utils.locks import locked


@dataclass(frozen=True)
class Cached:
    """The decoded images of one preprocessing.

    Args:
        folder: that they lie in.
        about: everything that decides their pixels beside the bytes of files.
        images: how many, with their masks.
        bytes: on disk.
        used: when a run last asked for them, in seconds since 1970.
    """

    folder: Path
    about: dict[str, Any]
    images: int
    bytes: int
    used: float

    @property
    def preprocessing(self) -> str:
        """In words."""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            source, (height, width) = self.about["source"], self.about["size"]
            name = source if isinstance(source, str) else source["name"]
            return f"{name} at {height}x{width}, {self.about['channels']} channels, {self.about['task']}"
        return "unknown preprocessing"

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "folder": self.folder,
            "preprocessing": self.preprocessing,
            "images": self.images,
            "bytes": self.bytes,
            "last_used": datetime.fromtimestamp(self.used, UTC).isoformat(timespec="seconds"),
            "about": self.about,
        }


def cached_images(root: Path) -> list[Cached]:
    """What a cache folder holds, the last used first."""
    return sorted(map(_cached, _folders(root)), key=lambda cached: -cached.used)


def clear_cache(root: Path, unused_days: float = 0) -> list[Cached]:
    """Remove decoded images, and what is remembered of files; nothing else that may lie in the folder.

    What a run is adding to at this moment stays. Runs that have mapped a pack keep it until they end, on
    systems that let a file be removed while it is read.

    Args:
        root: the cache folder.
        unused_days: leave what was used since.

    Returns:
        What was removed.
    """
    until = time.time() - unused_days * DAY_SECONDS
    removed = [cached for cached in cached_images(root) if cached.used <= until and _remove(cached.folder)]
    if not unused_days:
        shutil.rmtree(root / DIGESTS, ignore_errors=True)
    return removed


def _folders(root: Path) -> Iterator[Path]:
    for path in root.iterdir() if root.is_dir() else ():
        if re.fullmatch("[0-9a-f]{32}", path.name) and path.is_dir():
            yield path


def _cached(folder: Path) -> Cached:
    packs = list(folder.glob(f"*{ENDING}"))
    sizes = [path.stat().st_size for path in packs]
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        used = (folder / ABOUT).stat().st_mtime
    except (OSError, ValueError, RecursionError):
        about, used = {}, folder.stat().st_mtime
    return Cached(
        folder, about if isinstance(about, dict) else {}, sum(map(rows_in, packs)), sum(sizes), used
    )


def _remove(folder: Path) -> bool:
    with contextlib.suppress(OSError), locked(folder / LOCK, wait=False) as held:
        if held is False:
            return False
        clear_unfinished(folder, alone=held is True)
        for file in (*folder.glob(f"*{ENDING}"), folder / ABOUT, folder / LOCK):
            file.unlink(missing_ok=True)
        folder.rmdir()
    return not folder.exists()
