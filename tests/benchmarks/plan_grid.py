"""A planned recipe beside a small grid of sizes and fits, each trained with as many steps.

    python tests/benchmarks/plan_grid.py RECIPE|DIR --runs runs [--steps 500] [--set seed=1] ...

Recipes differ in fit, size, scale and batch (about as many pixels in a step: --step-pixels), and in nothing
else. `segkit compare --native` scores all at the images' own size, on the test images, or on the validation
images without them. Finished runs and their scores are used again, interrupted runs are continued: the same
command goes on after a stop.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from segkit.analysis.plan import PlannedRecipe, loading_overrides, plan_folder, plan_recipe
from segkit.analysis.plan.training_rules import MAX_BATCH, TRAINING_SHARE
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir

EPOCHS = 5
NOT_CROP = {"scale": None, "crop": None, "validate_windows": None}
GRID: dict[str, dict[str, Any]] = {
    "stretch 128": {"fit": "stretch", "size": [128, 128], **NOT_CROP},
    "stretch 256": {"fit": "stretch", "size": [256, 256], **NOT_CROP},
    "crop 256 scale 1": {"fit": "crop", "size": [256, 256], "scale": 1.0},
    "crop 256 scale 0.5": {"fit": "crop", "size": [256, 256], "scale": 0.5},
}


def main(target: Path, runs: Path, steps: int, step_pixels: int, overrides: Sequence[str]) -> None:
    """Plan, train, score and print."""
    runs.mkdir(parents=True, exist_ok=True)
    recipe = runs / "planned.yaml"
    plan = planned_recipe(target, overrides, steps * step_pixels)
    recipe.write_text(plan.text, encoding="utf-8")
    planned = {key: plan.plan.data.get(key) for key in ("fit", "size", "scale")}
    print(f"planned: {planned}", flush=True)
    longest = median(max(extent) for extent in plan.found.extents)

    def is_other(made: Mapping[str, Any]) -> bool:
        is_letterbox = made["fit"] == "crop" and longest * made["scale"] <= made["size"][0]
        return not is_letterbox and {key: made[key] for key in planned} != planned

    grid = {name: made for name, made in GRID.items() if is_other(made)}
    trained = []
    for name, changes in {"planned": planned, **grid}.items():
        changes = {**changes, **epoch_of(changes, steps, step_pixels)}
        lines = [f"data.{key}={json.dumps(value)}" for key, value in changes.items()]
        trained.append(train(recipe, name, [*overrides, *lines, f"training.epochs={EPOCHS}"], runs))
    text = segkit("compare", *trained, "--native", "--json", capture=True)
    (runs / "compared.json").write_text(text, encoding="utf-8")
    print_table(json.loads(text))


def planned_recipe(target: Path, overrides: Sequence[str], pixels: int) -> PlannedRecipe:
    """As by `segkit plan --hours`, if training on so many pixels takes this time."""

    def silent(label: str, done: int, total: int) -> None:
        pass

    if target.is_dir() or target.suffix == ".csv":
        planned = plan_folder(target, silent)
    else:
        changes = loading_overrides(target, overrides)
        planned = plan_recipe(load_recipe(target, changes), target, changes, silent)
    return planned.in_time(pixels / TRAINING_SHARE)


def epoch_of(changes: Mapping[str, Any], steps: int, step_pixels: int) -> dict[str, Any]:
    """Keys of `data` that give a variant as many steps of as many pixels as the others."""
    height, width = changes["size"]
    batch = min(MAX_BATCH, max(1, round(step_pixels / (height * width))))
    samples = math.ceil(steps / EPOCHS) * batch
    scored = {"validate_windows": samples} if changes["fit"] == "crop" else {}
    return {"batch_size": batch, "sample.epoch": samples, **scored}


def train(recipe: Path, name: str, changes: Sequence[str], runs: Path) -> Path:
    """The run of a variant: finished before, or now."""
    folder = runs / name.replace(" ", "_")
    found = sorted(folder.glob("*/recipe.yaml"))
    if not found:
        options = [word for change in (*changes, f"name={folder.name}") for word in ("--set", change)]
        segkit("run", recipe, *options, "--runs", runs)
        found = sorted(folder.glob("*/recipe.yaml"))
    directory = RunDir.open_any(found[-1].parent)
    if not directory.has_ended:
        segkit("resume", directory.path)
    return directory.path


def segkit(*words: object, capture: bool = False) -> str:
    """Call the command line; it prints its progress itself."""
    command = [sys.executable, "-m", "segkit", *map(str, words)]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if capture else None)
    return done.stdout or ""


def print_table(compared: dict[str, Any]) -> None:
    """One row for each variant, the best first, and how far the plan is behind it."""
    for row in compared["ranking"]:
        scores = (f"{name} {score['mean']:.4f}" for name, score in row["metrics"].items())
        print(f"{row['name']:<20}", *scores, sep="  ")
    best = compared["ranking"][0]["name"]
    if best == "planned":
        print(f"planned has the best {compared['metric']} of {compared['images']} images")
        return
    pair = next(pair for pair in compared["pairs"] if {pair["a"], pair["b"]} == {best, "planned"})
    behind = [pair[key] if pair["a"] == best else -pair[key] for key in ("difference", "low", "high")]
    difference, low, high = behind[0], min(behind[1:]), max(behind[1:])
    print(
        f"planned is {difference:.4f} ({low:.4f} to {high:.4f}) behind the best "
        f"{compared['metric']} of {compared['images']} images: {best}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--step-pixels", type=int, default=2**20)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    given = parser.parse_args()
    main(given.target, given.runs, given.steps, given.step_pixels, given.overrides)
