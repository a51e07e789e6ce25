"""Environment of a run: package versions, hardware, git revision, data digests."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.utils.installation import installed_version
from segkit.version import __version__

if TYPE_CHECKING:
    from segkit.data.preprocess import Prepared

PACKAGES = (
    "torch", "torchvision", "timm", "segmentation-models-pytorch", "albumentations",
    "lightning-fabric", "numpy", "pillow", "tifffile", "imagecodecs", "opencv-python-headless", "pydantic",
    "scipy", "pycocotools",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Versions, hardware and the git revision of segkit, as plain data."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "packages": packages(),
        "git": _git_revision(Path(__file__).parent),
        "command": sys.argv,
    }


def packages() -> dict[str, str | None]:
    """Versions of segkit and the packages that affect results; None if not installed."""
    return {"segkit": __version__, **{name: installed_version(name) for name in PACKAGES}}


def processor() -> str:
    """Name of the processor, or the architecture if the name is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine()
    )


def data_digests(splits: dict[str, Prepared]) -> dict[str, str]:
    """SHA-256 of every split: over names, preprocessed images and masks.

    Digests of cached images are read from the cache, not their pixels.
    """
    return {split: prepared.digest() for split, prepared in splits.items()}


def _git_revision(folder: Path) -> dict[str, Any] | None:
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None  # not a checkout, or installed inside a checkout of another project
    revision = _git(folder, "rev-parse", "HEAD")
    return {"revision": revision, "changed": bool(_git(folder, "status", "--porcelain", "--", "."))}


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command; None if it fails."""
    try:
        process = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout.decode(errors="replace").strip() if process.returncode == 0 else None
