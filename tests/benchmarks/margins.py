"""How large a JPEG must still be decoded: time, and how far pixels are from those of a full decoding.

python tests/benchmarks/margins.py IMAGES [SIZE]

For each margin, every JPEG of the folder IMAGES is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 that
leaves it that many times as large as SIZE, then brought to SIZE (128 by default) by Pillow's bilinear
filter. Prints a table in Markdown; differences are from decoding all of it, in steps of 1/255. Times are
the least of five.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.data import images as files

TIMES = 5


def main(folder: Path, size: int) -> None:
    """Print the table."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    full, seconds = timed(lambda path: np.asarray(plain(path, size)), paths)
    print(f"{len(paths)} photographs, to {size}x{size}\n")
    print("| decoded | ms an image | mean difference | 99th percentile | largest |")
    print("|---|---|---|---|---|")
    print(f"| in full | {1000 * seconds / len(paths):.2f} | 0 | 0 | 0 |")
    for margin in (1, 1.5, 2, 3):
        files.MARGIN = margin
        small, seconds = timed(lambda path: files.read_image_at(path, 3, (size, size))[0], paths)
        off = np.abs(small.astype(np.int16) - full)
        print(
            f"| at least {margin} times as large | {1000 * seconds / len(paths):.2f} | {off.mean():.2f} "
            f"| {np.percentile(off, 99):.0f} | {off.max()} |"
        )


def plain(path: Path, size: int) -> Image.Image:
    """All of it decoded, and then made small."""
    return Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)


def timed(read, paths):
    """What `read` gives for each path, and the least seconds that it took for all."""
    best = float("inf")
    for _ in range(TIMES):
        started = time.perf_counter()
        found = [read(path) for path in paths]
        best = min(best, time.perf_counter() - started)
    return np.stack(found), best


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 128)
