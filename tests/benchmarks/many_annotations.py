"""Time and memory of finding the samples of a COCO file of N polygons, and of painting their masks.

python tests/benchmarks/many_annotations.py [N]

By default 100,000 polygons of 3 to 49 corners on N / 10 images of 640x480 pixels. The images are links to one
file. Memory is the high-water mark of the process that reads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from segkit.core.types import Task
from segkit.parts.sources.coco import coco
from segkit.utils.machine import peak_memory

WIDTH, HEIGHT = 640, 480
PAINTED = 500


def write(root: Path, count: int) -> None:
    """Images and annotations.json."""
    rng = np.random.default_rng(0)
    images = count // 10
    (root / "images").mkdir()
    first = root / "images/0.jpg"
    Image.new("RGB", (WIDTH, HEIGHT)).save(first)
    for number in range(1, images):
        os.link(first, root / f"images/{number}.jpg")
    annotations = []
    for number in range(count):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 50)))
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(5, 80, (len(angles), 1))
        outline = (corners + rng.uniform((0, 0), (WIDTH, HEIGHT))).clip(0, (WIDTH, HEIGHT)).round(2)
        annotations.append(
            {
                "id": number, "image_id": number % images, "category_id": number % 80, "iscrowd": 0,
                "segmentation": [outline.ravel().tolist()], "bbox": [0, 0, 1, 1], "area": 1.0,
            }
        )  # fmt: skip
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": WIDTH, "height": HEIGHT} for n in range(images)
        ],
        "categories": [{"id": number, "name": f"class {number}"} for number in range(80)],
        "annotations": annotations,
    }
    (root / "annotations.json").write_text(json.dumps(content))


def measure(root: Path) -> None:
    """Read and paint, and print one line."""
    task = Task("binary", ("foreground",))
    begun = time.process_time()
    samples = coco(task, 3, images=root / "images", annotations=root / "annotations.json").splits()["train"]
    found = time.process_time() - begun
    peak = peak_memory() // 10**6
    begun = time.process_time()
    for sample in samples[:PAINTED]:
        sample.read()
    painted = (time.process_time() - begun) / PAINTED
    megabytes = (root / "annotations.json").stat().st_size / 1e6
    print(f"{megabytes:.0f} MB: {len(samples):,} samples in {found:.1f} s of processor time, {peak} MB")
    print(f"an image of {WIDTH}x{HEIGHT} pixels with 10 polygons: {1000 * painted:.1f} ms")


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        measure(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
            subprocess.run([sys.executable, __file__, name], check=True)
