"""Time and memory of the examination of many images of four types.

python tests/benchmarks/mixed_types.py [--images 100000]

400 images of 64x64 pixels in uint8 (PNG), uint16, int16 and float32 (TIFF) are written, and read again and
again as if they were other files. Near duplicates are not searched: all images have some.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from segkit.analysis.dataset import Dataset
from segkit.analysis.dataset.pixels import check_pixels, summarize_pixels
from segkit.analysis.dataset.sample_stats import collect_stats
from segkit.core.types import Sample, Task
from segkit.data.pairing import sample

FILES = 400
TASK = Task("binary", ("square",))


def write(folder: Path, number: int) -> tuple[Path, Path]:
    """An image and its mask."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    pixels, mask = np.asarray(coarse.resize((64, 64))), np.zeros((64, 64), np.uint8)
    row, column = rng.integers(8, 40, 2)
    mask[row : row + 16, column : column + 16] = 255
    kind = (np.uint8, np.uint16, np.int16, np.float32)[number % 4]
    image = folder / f"{number}.{'png' if kind == np.uint8 else 'tif'}"
    if kind == np.uint8:
        Image.fromarray(pixels).save(image)
    else:
        tifffile.imwrite(image, pixels.astype(kind) * 16, photometric="rgb")
    Image.fromarray(mask).save(folder / f"m{number}.png")
    return image, folder / f"m{number}.png"


def examine(samples: list[Sample]) -> None:
    """Read all samples and print memory on the way."""

    def on_progress(label: str, done: int, total: int) -> None:
        if done in (total // 10, total // 2, total):
            print(f"{done:>8,} images: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")

    start, wall = time.process_time(), time.perf_counter()
    stats = collect_stats(Dataset("mixed types", TASK, {"train": samples}), on_progress)
    print(f"read in {time.process_time() - start:.0f} s of the processor, {time.perf_counter() - wall:.0f} s")
    start = time.process_time()
    print(summarize_pixels(stats), *(finding.message for finding in check_pixels(stats)), sep="\n")
    print(f"summarized in {time.process_time() - start:.1f} s")


def main() -> None:
    """Write the files and examine them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        files = [write(Path(folder), number) for number in range(FILES)]
        examine([sample(str(number), *files[number % FILES], TASK, 3) for number in range(count)])


if __name__ == "__main__":
    main()
