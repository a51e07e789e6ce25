"""Listing and clearing of the image cache."""

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

from segkit.data.cache.cache import ABOUT, LOCK, clear_unfinished
from segkit.data.cache.store import ENDING, rows_in
from segkit.utils.hashing import FOLDER as DIGESTS
from segkit.utils.locks import locked

_DAY_SECONDS = 86_400
_EARLIER = ("*.pack", "*.unfinished")  # files of the format before safetensors


@dataclass(frozen=True)
class Cached:
    """Cached images of one preprocessing.

    Args:
        folder: cache folder of the preprocessing.
        about: everything that determines the pixels apart from the files.
        images: number of images; those of the format before safetensors are not counted.
        bytes: size on disk.
        used: time of last use, in seconds since 1970.
    """

    folder: Path
    about: dict[str, Any]
    images: int
    bytes: int
    used: float

    @property
    def preprocessing(self) -> str:
        """Short description."""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            source, fit = self.about["source"], self.about.get("fit", "stretch")
            name = source if isinstance(source, str) else source["name"]
            if fit == "crop":
                at = f"at their own resolution times {self.about['scale']:g}"
            else:
                height, width = self.about["size"]
                at = f"{'at' if fit == 'stretch' else 'within'} {height}x{width}"
            return f"{name} {at}, {self.about['channels']} channels, {self.about['task']}"
        return "unknown preprocessing"

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "folder": self.folder,
            "preprocessing": self.preprocessing,
            "images": self.images,
            "bytes": self.bytes,
            "last_used": datetime.fromtimestamp(self.used, UTC).isoformat(timespec="seconds"),
            "about": self.about,
        }


def cached_images(root: Path) -> list[Cached]:
    """Contents of a cache folder, last used first."""
    return sorted(map(_cached, _folders(root)), key=lambda cached: -cached.used)


def clear_cache(root: Path, unused_days: float = 0) -> list[Cached]:
    """Remove cached images and file digests, and no other files.

    A preprocessing that a run is writing to stays. A run keeps the packs it has mapped, on systems that can
    remove open files.

    Args:
        root: cache folder.
        unused_days: minimum number of days without use.

    Returns:
        The removed entries.
    """
    until = time.time() - unused_days * _DAY_SECONDS
    removed = [cached for cached in cached_images(root) if cached.used <= until and _remove(cached.folder)]
    if not unused_days:
        shutil.rmtree(root / DIGESTS, ignore_errors=True)
    return removed


def _folders(root: Path) -> Iterator[Path]:
    for path in root.iterdir() if root.is_dir() else ():
        if re.fullmatch("[0-9a-f]{32}", path.name) and path.is_dir():
            yield path


def _files(folder: Path, *patterns: str) -> list[Path]:
    return [file for pattern in patterns for file in folder.glob(pattern)]


def _cached(folder: Path) -> Cached:
    packs = _files(folder, f"*{ENDING}")
    sizes = [path.stat().st_size for path in (*packs, *_files(folder, *_EARLIER))]
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
        if not held:
            return False
        clear_unfinished(folder)
        for file in (*_files(folder, f"*{ENDING}", *_EARLIER), folder / ABOUT):
            file.unlink(missing_ok=True)
        (folder / LOCK).unlink(missing_ok=True)  # fails on Windows, where filelock does it when it lets go
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()
