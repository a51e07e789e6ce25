"""What 12 bits are worth: a set of low contrast, and its copy with 8 bits.

python tests/benchmarks/bit_depth.py [EPOCHS]

Grey images of 12 bits (0 to 4095) hold ellipses that are 8 numbers brighter than what is around them, under
noise of a standard deviation of 2 and a slope of light of up to 40. The copy has the numbers divided by 16,
as converters to 8 bits do. The same recipe trains on both with the seeds 0, 1 and 2: on the copy once with
the range 0 to 255, and once with that of its training images, where only the lost bits make a difference.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

SIDE = 64
COUNTS = {"train": 120, "val": 40, "test": 80}
SEEDS = (0, 1, 2)
RECIPE = """
name: bits
data:
  source: {name: folder, images: images, masks: masks}
  size: [64, 64]
  augment: [{name: HorizontalFlip, p: 0.5}, {name: VerticalFlip, p: 0.5}]
  batch_size: 8
model:
  encoder: {name: test_resnet, weights: none}
  decoder: {name: unet, channels: [64, 48, 32, 16, 8]}
loss: [dice, bce]
optimizer: {name: adamw, lr: 0.002}
schedule: cosine
metrics: [iou]
training: {accelerator: cpu}
"""


def main(epochs: int) -> None:
    """Train, and print a table in Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SEGKIT_CACHE"] = str(folder / "cache")
        for bits in (12, 8):
            make(folder / str(bits), bits)
        print(f"{epochs} epochs, seeds {', '.join(map(str, SEEDS))}\n")
        print("| images | `data.range` | IoU of the test images |\n|---|---|---|")
        for bits, choice in ((12, "auto"), (8, "auto"), (8, "{percentile: [0, 100]}")):
            scores = [trained(folder / str(bits), choice, seed, epochs) for seed in SEEDS]
            numbers = ", ".join(f"{score:.3f}" for score in scores)
            print(f"| {bits} bits | `{choice}` | {statistics.mean(scores):.3f} ({numbers}) |", flush=True)


def make(folder: Path, bits: int) -> None:
    """The same images for both numbers of bits, and their masks."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    (folder / "recipe.yaml").parent.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    for split, count in COUNTS.items():
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            (row, column), radii = (rng.uniform(20, 44, 2)), rng.uniform(7, 16, 2)
            mask = ((y - row) / radii[0]) ** 2 + ((x - column) / radii[1]) ** 2 < 1
            slope = rng.uniform(-1, 1, 2) @ np.stack([y, x]).reshape(2, -1) * 20 / SIDE
            image = 2000 + rng.uniform(-60, 60) + slope.reshape(SIDE, SIDE) + 8 * mask
            image = (image + rng.normal(0, 2, image.shape)).round().astype(np.uint16)
            file = folder / "images" / split / f"{number}.tif"
            tifffile.imwrite(file, image if bits == 12 else (image >> 4).astype(np.uint8))
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "masks" / split / f"{number}.png")


def trained(folder: Path, choice: str, seed: int, epochs: int) -> float:
    """IoU of the test images after training."""
    from segkit.core.events import RunEnded
    from segkit.experiments.run import run
    from segkit.recipe import load_recipe

    recipe = load_recipe(
        folder / "recipe.yaml", [f"data.range={choice}", f"seed={seed}", f"training.epochs={epochs}"]
    )
    *_, ended = run(recipe, folder / "runs")
    assert isinstance(ended, RunEnded)
    return float(ended.summary.scores.metrics["iou"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
