"""Building the cache, beside a plain program that decodes the same files: images per second of both.

python tests/benchmarks/decoding.py IMAGES MASKS [PATTERN] [SIZE]

The plain program opens each file with Pillow, converts images to RGB, brings them to SIZE (128 by default)
with the bilinear filter and masks with the nearest pixel, and keeps them in memory; in as many threads as
segkit takes. segkit hashes the files, decodes, checks every mask, writes the pack and waits for the disk;
its cache is a new one every time. Both take turns, ten times; the ratio is that of the medians.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.core.types import Task
from segkit.data.cache.cache import Cache
from segkit.data.decoding import MAX_THREADS
from segkit.data.pairing import pairs_in
from segkit.data.preprocess import layout_of, prepare

TURNS = 10
TASK = Task("binary", ("foreground",))


def main(images: Path, masks: Path, pattern: str, size: tuple[int, int]) -> None:
    """Print the times of both, and what they are to each other."""
    samples = pairs_in(images, masks, pattern, TASK, 3)[0][""]
    files = [sample.files for sample in samples]
    seconds: dict[str, list[float]] = {"plain": [], "segkit": [], "segkit, once it is there": []}
    for _ in range(TURNS):
        seconds["plain"].append(timed(lambda: plain(files, size)))
        with tempfile.TemporaryDirectory() as folder:
            for name in list(seconds)[1:]:
                seconds[name].append(timed(lambda: cached(samples, size, Path(folder))))
    print(f"{len(samples)} images to {size[0]}x{size[1]}, {os.cpu_count()} cores")
    for name, each in seconds.items():
        median = statistics.median(each)
        print(
            f"{name}: {1000 * median:.0f} ms ({1000 * min(each):.0f} to {1000 * max(each):.0f}), "
            f"{len(samples) / median:.0f} images/s"
        )
    print(f"plain / segkit: {statistics.median(seconds['plain']) / statistics.median(seconds['segkit']):.2f}")


def plain(files, size: tuple[int, int]):
    """What one would write first."""

    def read(pair):
        image = Image.open(pair[0]).convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)
        mask = Image.open(pair[1]).resize(size[::-1], Image.Resampling.NEAREST)
        return np.asarray(image), np.asarray(mask)

    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        pairs = list(pool.map(read, files))
    return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])


def cached(samples, size: tuple[int, int], folder: Path) -> None:
    """What a run does."""
    prepare(samples, size, TASK, 3, cache=Cache(folder, layout_of(size, TASK, 3), {}))


def timed(call) -> float:
    """Seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    given = sys.argv[1:]
    side = int(given[3]) if len(given) > 3 else 128
    main(Path(given[0]), Path(given[1]), given[2] if len(given) > 2 else "{name}", (side, side))
