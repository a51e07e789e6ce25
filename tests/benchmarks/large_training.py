"""How much memory `segkit run` takes on two large images: the most that its process held, seconds and scores.

python tests/benchmarks/large_training.py [--size 20000] [--window 512] [--format png|tiff]
    [--set model.decoder.channels=[256,128,64,32,16]] ...

A training and a test image of SIZE x SIZE pixels and their masks are drawn. An epoch of 100 windows in
batches of 4 is trained with `fit: crop`, and all windows of the test image are scored, with an empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
RECIPE = """
name: large
data:
  source: {{name: folder, images: images, masks: masks}}
  classes: [spot]
  fit: crop
  size: [{window}, {window}]
  crop: {{overlap: 0.0625}}
  sample: {{epoch: 100}}
  validate_windows: 4
  batch_size: 4
model:
  encoder: {{name: mobilenetv2_100, weights: none, frozen: true}}
  decoder: {{name: unet, channels: [128, 64, 32, 16, 8]}}
loss: [dice, bce]
optimizer: adamw
metrics: [iou, dice]
training: {{accelerator: cpu, epochs: 1}}
"""


def main(size: int, window: int, kind: str, overrides: list[str]) -> None:
    """Draw, run and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a child begins with the memory of the one that starts it.
        drawing = Process(target=draw, args=(folder, size, kind))
        drawing.start()
        drawing.join()
        (folder / "large.yaml").write_text(RECIPE.format(window=window))
        words = [sys.executable, "-m", "segkit", "run", "large.yaml", "--runs=runs"]
        words += [word for override in overrides for word in ("--set", override)]
        environment = os.environ | {"SEGKIT_CACHE": str(folder / "cache")}
        started = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        assert status == 0, status
        (summary,) = folder.glob("runs/large/*/summary.json")
        scores = json.loads(summary.read_text())["scores"]["metrics"]
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{size} x {size} {kind}: at most {peak / 1e6:,.0f} MB, {seconds:,.0f} s, {scores}")


def draw(folder: Path, size: int, kind: str) -> None:
    """A training and a test image: bright discs on smooth noise."""
    dice = np.random.default_rng(0)
    radius = 60
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = rows**2 + columns**2 <= radius**2
    for split in ("train", "test"):
        coarse = dice.integers(40, 160, (size // 100 + 1, size // 100 + 1, 3), np.uint8)
        image = np.array(Image.fromarray(coarse).resize((size, size), Image.Resampling.BILINEAR))
        mask = np.zeros((size, size), np.uint8)
        for top, left in dice.integers(0, size - len(disc), ((size // 200) ** 2, 2)):
            place = np.s_[top : top + len(disc), left : left + len(disc)]
            image[place][disc], mask[place][disc] = image[place][disc] // 4 + 180, 255
        for name, pixels in (("images", image), ("masks", mask)):
            file = folder / name / split / f"drawn.{kind}"
            file.parent.mkdir(parents=True)
            if kind == "png":
                Image.fromarray(pixels).save(file, compress_level=1)
            else:
                tifffile.imwrite(file, pixels, compression="zlib", rowsperstrip=16)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--format", dest="kind", choices=["png", "tiff"], default="png")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    main(**vars(parser.parse_args()))
