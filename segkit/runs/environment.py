"""Where a run took place: versions, hardware, revision, digests; to trust a run, and to repeat it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segkit.data.preprocess import Prepared

PACKAGES = (
    "segkit", "torch", "torchvision", "timm", "segmentation-models-pytorch", "albumentations",
    "lightning-fabric", "numpy", "pillow", "opencv-python-headless", "pydantic", "scipy",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Versions, hardware and the code's git revision, as plain data."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "packages": packages(),
        "git": _git(Path(__file__).parent),
        "command": sys.argv,
    }


def packages() -> dict[str, str | None]:
    """The versions of what computes; None for what is not installed."""
    return {name: _version(name) for name in PACKAGES}


def processor() -> str:
    """The processor's name, as its maker calls it where that is known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine()
    )


def data_digests(splits: dict[str, Prepared]) -> dict[str, str]:
    """SHA-256 of every split as the model sees it: over names, and over the SHA-256 of each image and mask.

    Those of cached images are taken from the cache: no pixel is read for them.
    """
    return {split: prepared.digest() for split, prepared in splits.items()}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    """Revision of the code that ran, and whether it was changed since; None outside a checkout."""

    def ask(*words: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    if ask("ls-files", "--error-unmatch", "__init__.py") is None:
        return None  # installed somewhere inside a checkout of something else
    return {"revision": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain", "--", "."))}
