"""Near duplicates planted among images of several kinds: how many are found, and what else is called one?

python tests/benchmarks/near_duplicates.py FOLDER... [--each 20] [--seed 0]

Each FOLDER holds images of one kind, such as aligned photographs. What is said of them as they are is printed
first; whether it is true is to be seen. Then versions of EACH images of every sort are added.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from segkit.analysis.dataset import Dataset
from segkit.analysis.dataset.duplicates import find_duplicates
from segkit.analysis.dataset.looks import LOOKS
from segkit.analysis.dataset.sample_stats import collect_stats
from segkit.core.types import Sample, Task
from segkit.data.image_files import find_images
from segkit.utils.record_file import RecordFile

TASK = Task("binary", ("object",))


def main(folder: Path, each: int, seed: int) -> None:
    """Print what is said of the images of a folder, and how many planted versions are found."""
    files = find_images(folder).images
    images = {file.name: opened(file) for file in files}
    started = time.perf_counter()
    known = groups(images)
    seconds = time.perf_counter() - started
    print(f"{folder.name}: {len(images)} images, {seconds:.1f} s, {len(known)} groups of near duplicates")
    for group in known[:20]:
        print(f"  {', '.join(sorted(group))}")
    drawn = random.Random(seed).sample([*images], min(each, len(images)))
    for sort, change in SORTS.items():
        versions = {f"{name} {sort}": change(images[name]) for name in drawn}
        found = groups({**images, **versions})
        hits = sum(any({name, f"{name} {sort}"} <= group for group in found) for name in drawn)
        false = sum(not alike(group, known, sort) for group in found)
        print(f"  {sort}: {hits} of {len(drawn)} found, {false} groups of different images")


def groups(images: dict[str, Image.Image]) -> list[set[str]]:
    """Names of the images of each group of duplicates."""

    def reader(image: Image.Image) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        return lambda: (np.asarray(image), np.zeros(image.size[::-1], np.uint8))

    dataset = Dataset("planted", TASK, {"train": [Sample(name, reader(images[name])) for name in images]})
    with RecordFile(LOOKS) as looks:
        stats = collect_stats(dataset, looks, lambda label, done, total: None)
        return [{*finding.files} for finding in find_duplicates(stats, looks)]


def alike(group: set[str], known: list[set[str]], sort: str) -> bool:
    """Whether a group holds versions of one image only, or of images that are alike as they are."""
    originals = {name.removesuffix(f" {sort}") for name in group}
    return len(originals) == 1 or any(originals <= other for other in known)


def opened(file: Path) -> Image.Image:
    """The image in RGB."""
    with Image.open(file) as image:
        return image.convert("RGB")


def compressed(image: Image.Image, quality: int = 90) -> Image.Image:
    """The image as JPEG."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return opened(stream)  # type: ignore[arg-type]


def _cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((round(0.03 * width), round(0.03 * height), round(0.97 * width), round(0.97 * height)))


SORTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed again": lambda image: compressed(image, 40),
    "at half the size": lambda image: compressed(image.resize((image.width // 2, image.height // 2))),
    "25% brighter": lambda image: compressed(ImageEnhance.Brightness(image).enhance(1.25)),
    "less contrast": lambda image: compressed(ImageEnhance.Contrast(image).enhance(0.7)),
    "in grey": lambda image: image.convert("L").convert("RGB"),
    "cropped by 3%": lambda image: compressed(_cropped(image)),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for folder in given.folders:
        main(folder, given.each, given.seed)
