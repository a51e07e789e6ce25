"""A class of a thousandth of the pixels: what class weights, or windows that show it, find of it.

python tests/benchmarks/rare_class.py [--epochs 8] [--seeds 3] [--windows]

Images with a large disc and a small spot are drawn and trained on with cross-entropy: whole, with equal and
with balanced class weights, or in windows with equal weights, drawn anywhere and so that two thirds of them
show disc and spot in turn. What is printed is over all test pixels together, for each seed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image

from segkit.experiments.assembly import assemble
from segkit.experiments.run import run
from segkit.experiments.samples import PredictedMasks
from segkit.recipe import Recipe, load_recipe
from segkit.runs.run_dir import RunDir
from segkit.training.checkpoint import load_weights

SIDE, SPOT = 96, 3  # pixels
LARGER = 2  # times as long are the sides of images, discs and spots of which windows are drawn
IMAGES = {"train": 48, "test": 16}
RECIPE = """
name: rare
data:
  source: {name: folder, images: images, masks: masks}
  task: multiclass
  labels: {ground: 0, disc: 1, spot: 2}
  size: [96, 96]
  batch_size: 8
model:
  encoder: {name: test_resnet, weights: none, features: all}
  decoder: unet
loss: cross_entropy
optimizer: {name: adamw, lr: 0.003}
metrics: [{name: iou, classes: [spot]}]
training: {accelerator: cpu}
"""
WEIGHTS = {
    "equal weights": ["loss.0.class_weights=null"],
    "balanced weights": ["loss.0.class_weights=balanced"],
}
WINDOWS = {
    name: ["data.fit=crop", "data.size=[32, 32]", "data.sample={epoch: 192}", f"data.crop={crop}"]
    for name, crop in (
        ("plain windows", "{foreground: 0, overlap: 0}"),
        ("balanced windows", "{foreground: 0.66, classes: balanced, overlap: 0}"),
    )
}


def main(epochs: int, seeds: int, *, windows: bool) -> None:
    """Draw, train and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw(root, LARGER if windows else 1)
        (root / "rare.yaml").write_text(RECIPE)
        print(f"{'':<17}{'seed':>5}{'recall':>9}{'precision':>11}{'IoU':>7}  of the spot")
        for number, (name, chosen) in enumerate((WINDOWS if windows else WEIGHTS).items()):
            found = []
            for seed in range(seeds):
                changes = [f"seed={seed}", f"training.epochs={epochs}", *chosen]
                found.append(trained(load_recipe(root / "rare.yaml", changes), root / f"runs{number}"))
                print_line(name, str(seed), found[-1])
            print_line(name, "mean", tuple(map(mean, zip(*found, strict=True))))


def print_line(name: str, seed: str, scores: tuple[float, ...]) -> None:
    """Print recall, precision and IoU."""
    recall, precision, iou = scores
    print(f"{name:<17}{seed:>5}{recall:>9.3f}{precision:>11.3f}{iou:>7.3f}", flush=True)


def draw(root: Path, scale: int) -> None:
    """Images of noise with a disc and, anywhere, a spot that is a little brighter."""
    rng = np.random.default_rng(0)
    side, spot = SIDE * scale, SPOT * scale
    rows, columns = np.mgrid[:side, :side]
    for split, count in IMAGES.items():
        for number in range(count):
            mask = np.zeros((side, side), np.uint8)
            row, column = rng.integers(30 * scale, side - 30 * scale, 2)
            radius = rng.integers(15, 25) * scale
            mask[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = 1
            row, column = rng.integers(0, side - spot, 2)
            mask[row : row + spot, column : column + spot] = 2
            image = rng.normal(90, 15, (side, side, 3)) + np.choose(mask, [0, 40, 90])[..., None]
            for kind, pixels in (("images", image.clip(0, 255).astype(np.uint8)), ("masks", mask)):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(root / kind / split / f"{number:02d}.png")


def trained(recipe: Recipe, runs: Path) -> tuple[float, float, float]:
    """Recall, precision and IoU of the spot, by the weights of the best epoch."""
    *_, ended = run(recipe, runs)
    directory = RunDir.open(ended.directory)
    assembly = assemble(load_recipe(directory.recipe))
    load_weights(assembly.model, directory.weights)
    assembly.model.eval()
    test = assembly.splits["test"]
    masks = PredictedMasks(test, assembly.task, assembly.recipe.data.geometry)
    assembly.scorer("test", lambda *_: None, masks.add)(assembly.model)
    found = np.stack([masks.of_image(index) for index in range(len(test))]) == 2
    true = np.stack([*test.masks]) == 2
    both = int((found & true).sum())
    return both / true.sum(), both / max(found.sum(), 1), both / (found | true).sum()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--windows", action="store_true")
    main(**vars(parser.parse_args()))
