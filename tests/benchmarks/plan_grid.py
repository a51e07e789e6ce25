"""A planned recipe beside a small grid of sizes and fits, each trained with as many steps.

    python tests/benchmarks/plan_grid.py RECIPE|DIR --runs runs [--steps 500] [--set seed=1] ...

Recipes differ in fit, size, scale and batch (about as many pixels in a step), and in nothing else. All are
scored at the images' own size, on the test images, or on the validation images without them. Finished runs
and their scores are used again, interrupted runs are continued: the same command goes on after a stop.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit.analysis.plan import loading_overrides, plan_folder, plan_recipe
from segkit.analysis.plan.training_rules import choose_batch_size
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir
from segkit.utils.machine import gpu_memory, machine_memory

EPOCHS = 10
NOT_CROP = {"scale": None, "crop": None, "validate_windows": None}
GRID: dict[str, dict[str, Any]] = {
    "stretch 128": {"fit": "stretch", "size": [128, 128], **NOT_CROP},
    "stretch 256": {"fit": "stretch", "size": [256, 256], **NOT_CROP},
    "letterbox 256": {"fit": "letterbox", "size": [256, 256], **NOT_CROP},
    "crop 256 scale 1": {"fit": "crop", "size": [256, 256], "scale": 1.0},
    "crop 256 scale 0.5": {"fit": "crop", "size": [256, 256], "scale": 0.5},
}


def main(target: Path, runs: Path, steps: int, overrides: Sequence[str]) -> None:
    """Plan, train, score and print."""
    runs.mkdir(parents=True, exist_ok=True)
    recipe = runs / "planned.yaml"
    if not recipe.exists():
        recipe.write_text(planned_text(target, overrides), encoding="utf-8")
    data = load_recipe(recipe).data
    planned = {key: getattr(data, key) for key in ("fit", "size", "scale", "batch_size")}
    print(f"planned: {planned}", flush=True)
    scores = {
        "planned": scored(trained(recipe, "planned", [*overrides, *same_steps(data.batch_size, steps)], runs))
    }
    for name, changes in GRID.items():
        batch, _ = choose_batch_size(tuple(changes["size"]), math.inf, gpu_memory() or machine_memory())
        lines = [f"data.{key}={json.dumps(value)}" for key, value in changes.items()]
        run = trained(recipe, name, [*overrides, *lines, *same_steps(batch, steps)], runs)
        scores[name] = scored(run)
    print_table(scores)


def planned_text(target: Path, overrides: Sequence[str]) -> str:
    """The recipe that `segkit plan` writes."""

    def silent(label: str, done: int, total: int) -> None:
        pass

    if target.is_dir() or target.suffix == ".csv":
        return plan_folder(target, silent).text
    changes = loading_overrides(target, overrides)
    return plan_recipe(load_recipe(target, changes), target, changes, silent).text


def same_steps(batch: int, steps: int) -> list[str]:
    """Changes of a recipe that give it about so many steps, in a few epochs."""
    per_epoch = math.ceil(steps / EPOCHS)
    return [f"data.batch_size={batch}", f"data.sample.epoch={per_epoch * batch}", f"training.epochs={EPOCHS}"]


def trained(recipe: Path, name: str, changes: Sequence[str], runs: Path) -> RunDir:
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
    return directory


def scored(run: RunDir) -> dict[str, Any]:
    """Scores at the images' own size, from `segkit evaluate --native`."""
    file = run.path.parent / "native.json"
    if not file.exists():
        text = segkit("evaluate", run.path, "--native", "--json", capture=True)
        file.write_text(text, encoding="utf-8")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def segkit(*words: object, capture: bool = False) -> str:
    """Call the command line; it prints its progress itself."""
    command = [sys.executable, "-m", "segkit", *map(str, words)]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if capture else None)
    return done.stdout or ""


def print_table(scores: dict[str, dict[str, Any]]) -> None:
    """One row for each variant, and how far the plan is behind the best."""
    metrics = [*scores["planned"]["metrics"]]
    print(f"{'recipe':<20}", *(f"{name:>16}" for name in metrics))
    for name, found in scores.items():
        print(f"{name:<20}", *(f"{found['metrics'][metric]:>16.4f}" for metric in metrics))
    first = metrics[0]
    best = max(scores, key=lambda name: scores[name]["metrics"][first])
    behind = scores[best]["metrics"][first] - scores["planned"]["metrics"][first]
    print(f"planned is {behind:.4f} behind the best in {first}: {best}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    main(arguments.target, arguments.runs, arguments.steps, arguments.overrides)
