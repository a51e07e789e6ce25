"""Small data sets of drawn blobs, each image another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segkit.analysis.dataset import CheckResult, Dataset, Finding, check_dataset
from segkit.core.types import Task
from segkit.data.fit import Fit
from segkit.data.source_scan import scan_source
from segkit.parts.sources.folder import folder

BINARY = Task("binary", ("spot",))
SIDE = 96


def picture(number: int, side: int = SIDE) -> np.ndarray:
    """Coarse noise under fine noise: what number gives, no other one does."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(30, 220, (6, 6, 3), dtype=np.uint8)).resize((side, side))
    fine = rng.integers(-20, 20, (side, side, 3))
    return (np.asarray(coarse) + fine).clip(0, 255).astype(np.uint8)


def blob(number: int, value: int = 255, side: int = SIDE) -> np.ndarray:
    """A disc somewhere near the middle."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:side, :side]
    row, column = rng.integers(side // 3, 2 * side // 3, 2)
    inside = (rows - row) ** 2 + (columns - column) ** 2 < rng.integers(side // 8, side // 4) ** 2
    return (inside * value).astype(np.uint8)


def save(place: Path, pixels: np.ndarray, **options: object) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(place, **options)
    return place


def opened(place: Path) -> Image.Image:
    with Image.open(place) as image:
        image.load()
    return image


def pairs(root: Path, numbers: range, split: str = "") -> None:
    """Images and masks of these numbers, as PNG."""
    for number in numbers:
        save(root / "images" / split / f"{number}.png", picture(number))
        save(root / "masks" / split / f"{number}.png", blob(number))


def faults(
    root: Path, task: Task = BINARY, size: tuple[int, int] | None = None, **options: object
) -> list[Finding]:
    return [*checked(root, task, size, **options).findings]


def checked(
    root: Path, task: Task = BINARY, size: tuple[int, int] | None = None, channels: int = 3, **options: object
) -> CheckResult:
    places = {"images": root / "images", "masks": root / "masks"}
    source = folder(task, channels, **places, **options)  # type: ignore[arg-type]
    return check_dataset(Dataset.of(scan_source(source), "spots", task, size and Fit("stretch", size)))


def told(found: list[Finding]) -> list[tuple[str, str, list[str]]]:
    """Kind, severity and names of files."""
    return [(fault.kind, fault.severity, [Path(file).name for file in fault.files]) for fault in found]
