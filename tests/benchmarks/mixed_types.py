"""Time and memory of each stage of `segkit data check` for many images of four types.

python tests/benchmarks/mixed_types.py [--images 100000] [--one-kind]

400 images of 64x64 pixels in uint8 (PNG), uint16, int16 and float32 (TIFF) are written. Every sample has
files of its own, which are links to these; they are read, and the numbers are replaced by an image drawn for
the sample, so that all images differ. With --one-kind they differ in small squares only, as aligned
photographs do: their hashes are near, and each image is compared with all others. Linux only.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from segkit.analysis.dataset import Dataset
from segkit.analysis.dataset.class_balance import check_classes, count_read_classes
from segkit.analysis.dataset.duplicates import find_duplicates
from segkit.analysis.dataset.images import check_images
from segkit.analysis.dataset.looks import LOOKS
from segkit.analysis.dataset.masks import check_masks
from segkit.analysis.dataset.pixels import check_pixels, summarize_pixels
from segkit.analysis.dataset.sample_stats import collect_stats
from segkit.core.types import Sample, Task
from segkit.data.pairing import sample
from segkit.utils.record_file import RecordFile

FILES, SIDE = 400, 64
AT_A_FOLDER = 10_000  # files; more are slow to list on some systems
TASK = Task("binary", ("square",))
TYPES = (np.uint8, np.uint16, np.int16, np.float32)


def drawn(number: int, one_kind: bool) -> np.ndarray:
    """Coarse noise (SIDE, SIDE, 3) of 8 bits for each number; of one kind the same, with fine noise on it."""
    rng = np.random.default_rng(number)
    coarse = np.random.default_rng(0) if one_kind else rng
    pixels = np.asarray(Image.fromarray(coarse.integers(20, 220, (12, 12, 3), np.uint8)).resize((SIDE, SIDE)))
    if one_kind:
        pixels = pixels + np.repeat(rng.integers(0, 32, (32, 32, 1), np.uint8), 2, 0).repeat(2, 1)
    return pixels


def write(folder: Path, number: int) -> tuple[Path, Path]:
    """An image and its mask."""
    rng = np.random.default_rng(number)
    pixels, mask = drawn(number, one_kind=False), np.zeros((SIDE, SIDE), np.uint8)
    row, column = rng.integers(8, 40, 2)
    mask[row : row + 16, column : column + 16] = 255
    kind = TYPES[number % len(TYPES)]
    image = folder / f"{number}.{'png' if kind == np.uint8 else 'tif'}"
    if kind == np.uint8:
        Image.fromarray(pixels).save(image)
    else:
        tifffile.imwrite(image, pixels.astype(kind) * 16, photometric="rgb")
    Image.fromarray(mask).save(folder / f"m{number}.png")
    return image, folder / f"m{number}.png"


def linked(folder: Path, files: tuple[Path, Path], number: int, one_kind: bool) -> Sample:
    """A sample of links to files, and an image that is drawn for it."""
    place = folder / str(number // AT_A_FOLDER)
    place.mkdir(exist_ok=True)
    image, mask = (place / f"{kind}_{number:06}{file.suffix}" for kind, file in zip("im", files, strict=True))
    os.link(files[0], image)
    os.link(files[1], mask)
    pair = sample(str(number), image, mask, TASK, 3)

    def read(size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        pixels, labels = pair.read() if size is None else pair.read_at(size)
        scale = 1 if pixels.dtype == np.uint8 else 16
        return drawn(number, one_kind).astype(pixels.dtype) * scale, labels

    return Sample(pair.name, read, pair.files, read_at=read, variant="")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print time and memory of a stage."""
    start, wall = time.process_time(), time.perf_counter()
    yield
    seconds = f"{time.process_time() - start:.1f} s of the processor, {time.perf_counter() - wall:.1f} s"
    print(f"{name}: {seconds}, {memory()}", flush=True)


def memory() -> str:
    """Memory now and at most so far (Linux)."""
    now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return f"{now >> 20} MiB, at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB"


def examine(samples: list[Sample]) -> None:
    """Check all samples, and print time and memory on the way."""

    def on_progress(label: str, done: int, total: int) -> None:
        if done in (total // 10, total // 2):
            print(f"  {done:,} images: {memory()}", flush=True)

    dataset = Dataset("mixed types", TASK, {"train": samples})
    with RecordFile(LOOKS) as looks:
        with stage("read"):
            stats = collect_stats(dataset, looks, on_progress)
        with stage("find_duplicates"):
            near = [*find_duplicates(stats, looks)]
        with stage("check_masks"):
            masks = [*check_masks(stats, looks, TASK)]
        with stage("other checks"):
            others = [*check_classes(stats, TASK), *check_images(stats), *check_pixels(stats)]
            summary = count_read_classes(stats, TASK), summarize_pixels(stats)
    print(f"{len(near):,} groups of duplicates, {len(masks):,} problems of masks; {summary[1]}")
    print(*(finding.message for finding in others), sep="\n")


def main() -> None:
    """Write the files and examine them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--one-kind", action="store_true")
    given = parser.parse_args()
    print(f"{given.images:,} images; before: {memory()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [write(folder, number) for number in range(FILES)]
        with stage("list of samples"):
            samples = [
                linked(folder, files[number % FILES], number, given.one_kind)
                for number in range(given.images)
            ]
        examine(samples)


if __name__ == "__main__":
    main()
