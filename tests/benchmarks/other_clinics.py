"""What helps on photographs of other clinics, judged on ISIC 2016's training images alone.

    python -m tests.benchmarks.other_clinics ISIC2016 RECIPE --runs runs [--only NAME ...] [--set seed=1] ...

Most training images are 4:3, and those of each other shape come from a few cameras and resemble each other.
So models are trained on 4:3 images only, and scored on groups of the others, whose photographs they have
never seen; and on some 4:3 images that are cropped to the lesion, as by a dermatoscope held closer. A
variant has a part of the recipe's augmentation, or wider rotations and scales, all else equal. No test image
of ISIC 2016 is read. Finished runs are used again, interrupted ones are continued: the same command goes on
after a stop.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from PIL import Image

from segkit.parts.sources.isic2016 import FOLDERS
from segkit.recipe import load_recipe
from tests.benchmarks.plan_grid import train

HELD_BACK = 79  # 4:3 images that are validated on
USELESS = 0.65  # IoU below which an outline is of no use

GENTLE_LIGHT = {"name": "RandomBrightnessContrast", "brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.5}
COLOUR = ("ColorJitter", "RGBShift", "ToGray")
CAMERA = ("Illumination", "GaussianBlur", "ImageCompression")
OBJECTS = ("CoarseDropout",)


# Which of these transforms of the recipe are kept; others always are. "wide" has WIDE in place of Rotate.
EVERY = (*COLOUR, *CAMERA, *OBJECTS)
VARIANTS = {"base": (), "colour": COLOUR, "camera": CAMERA, "objects": OBJECTS, "all": EVERY, "wide": EVERY}
WIDE = {
    "name": "Affine",
    "rotate": [-180, 180],
    "scale": [0.7, 1.4],
    "border_mode": "BORDER_REFLECT_101",
    "p": 0.9,
}


def main(root: Path, recipe: Path, runs: Path, only: Sequence[str], overrides: Sequence[str]) -> None:
    """Draw the folders, train, print."""
    groups = build(root, runs / "stand_in")
    source = {"name": "folder", "images": str(runs / "stand_in"), "masks": str(runs / "stand_in")}
    patterns = {"image_pattern": "{split}/images/{name}", "mask_pattern": "{split}/masks/{name}"}
    data = [f"data.source={json.dumps({**source, **patterns})}", "data.split=official"]
    for name in only or VARIANTS:
        run = train(recipe, name, [*data, *overrides, augment_of(name, recipe)], runs)
        print_groups(name, run, groups)


def augment_of(variant: str, recipe: Path) -> str:
    """The override of a variant; without transforms of colour, a gentle one takes their place."""
    augment: list[dict[str, Any]] = []
    for part in load_recipe(recipe).data.augment:
        if variant == "wide" and part.name == "Rotate":
            augment.append(WIDE)
        elif part.name in VARIANTS[variant] or part.name not in EVERY:
            augment.append({"name": part.name, **part.options})
        elif part.name == COLOUR[0]:
            augment.append(GENTLE_LIGHT)
    return f"data.augment={json.dumps(augment)}"


def build(root: Path, folder: Path) -> dict[str, str]:
    """Folders of training, validation and test images and masks; test image -> group."""
    listed = folder / "groups.json"
    if listed.is_file():
        found: dict[str, str] = json.loads(listed.read_text(encoding="utf-8"))
        return found
    shutil.rmtree(folder, ignore_errors=True)  # of a command that was stopped
    images = sorted((root / FOLDERS["train"][0]).glob("*.jpg"))
    shapes = {path: shape_of(Image.open(path)) for path in images}
    usual = [path for path in images if shapes[path] == "4:3"]
    random.Random(0).shuffle(usual)
    held_back = usual[:HELD_BACK]
    groups: dict[str, str] = {}
    for path, shape in shapes.items():
        if shape != "4:3":
            groups[path.stem] = shape
            link(path, root, folder / "test")
        else:
            link(path, root, folder / ("val" if path in held_back else "train"))
    for path in held_back:
        if crop(path, root, folder / "test"):
            groups[f"{path.stem}_cropped"] = "cropped"
    listed.write_text(json.dumps(groups), encoding="utf-8")
    return groups


def shape_of(image: Image.Image) -> str:
    """The group of an image, by its height at a width of 256 pixels."""
    height = round(256 * image.height / image.width)
    return {170: "3:2", 171: "3:2", 192: "4:3", 223: "8:7", 256: "square"}.get(height, "others")


def link(image: Path, root: Path, folder: Path) -> None:
    """Put an image and its mask into `folder`."""
    for kind, path in (("images", image), ("masks", mask_of(image, root))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / f"{image.stem}{path.suffix}").symlink_to(path.resolve())


def mask_of(image: Path, root: Path) -> Path:
    """The file of its mask."""
    return root / FOLDERS["train"][1] / f"{image.stem}_Segmentation.png"


def crop(image: Path, root: Path, folder: Path) -> bool:
    """Write a 4:3 image cropped to 1.1 times the box of its lesion, if that is clearly smaller."""
    photograph, mask = Image.open(image), Image.open(mask_of(image, root))
    rows, columns = np.nonzero(np.asarray(mask) > 127)
    (top, bottom), (left, right) = ((int(line.min()), int(line.max()) + 1) for line in (rows, columns))
    shape = mask.height / mask.width
    width = 1.1 * max(right - left, (bottom - top) / shape)
    if width > 0.8 * mask.width:
        return False
    x = min(max((left + right - width) / 2, 0), mask.width - width)
    y = min(max((top + bottom - width * shape) / 2, 0), mask.height - width * shape)
    box = (round(x), round(y), round(x + width), round(y + width * shape))
    for kind, picture in (("images", photograph), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        picture.crop(box).save(folder / kind / f"{image.stem}_cropped.png")
    return True


def print_groups(name: str, run: Path, groups: Mapping[str, str]) -> None:
    """Mean IoU of each group, their mean, and the share of images that are of no use."""
    scores: dict[str, list[float]] = defaultdict(list)
    with (run / "scores.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            scores[groups[Path(row["image"]).stem]].append(float(row["iou"]))
    means = {group: mean(found) for group, found in sorted(scores.items())}
    everyone = [score for found in scores.values() for score in found]
    cells = [f"{group} {value:.3f} ({len(scores[group])})" for group, value in means.items()]
    cells.append(f"mean {mean(means.values()):.4f}")
    cells.append(f"below {USELESS}: {mean(score < USELESS for score in everyone):.1%}")
    print(f"{name:<8}", *cells, sep="  ", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=VARIANTS, default=[])
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    given = parser.parse_args()
    main(given.root, given.recipe, given.runs, given.only, given.overrides)
