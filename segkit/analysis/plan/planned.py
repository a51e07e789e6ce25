"""Planning for a folder of images or for a recipe: from the files to the text of a recipe."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from segkit.analysis.dataset.check_dataset import palette_of
from segkit.analysis.dataset.dataset import Dataset
from segkit.analysis.dataset.detect_layout import guess_layout
from segkit.analysis.plan.fit_rules import candidates
from segkit.analysis.plan.measure import Measurements, measure, measure_ceilings
from segkit.analysis.plan.plan import Plan, make_plan
from segkit.core.errors import RecipeError
from segkit.core.types import Progress, Task
from segkit.data.fit import Fit
from segkit.recipe.dataset import scan_recipe_source, scan_samples
from segkit.recipe.load import load_recipe, plain_recipe
from segkit.recipe.overrides import override_position, override_tree, read_tree
from segkit.recipe.yaml_comments import with_comments
from segkit.recipe.yaml_tree import write_yaml
from segkit.utils.machine import gpu_memory, machine_memory
from segkit.version import __version__

if TYPE_CHECKING:
    from segkit.recipe import Recipe

# What a recipe that is planned for may leave out; nothing of it is kept.
_LEFT_OUT = ("data.size=[256, 256]", "loss=dice")
_PLANNED = frozenset(("size", "fit", "scale", "crop", "validate_windows", "sample", "batch_size"))
_KEYS = (*(f"data.{key}" for key in _PLANNED - {"sample"}), "data.sample.epoch", "loss", "training.epochs")
_MODEL = {"encoder": {"name": "mobilenetv2_100", "weights": "imagenet1k_v1"}, "decoder": "unet"}
_MAX_NAME = 100  # characters, as of a recipe
_OPTIMIZER = {"name": "adamw", "lr": 0.001, "weight_decay": 0.01}


@dataclass(frozen=True)
class PlannedRecipe:
    """A planned recipe, and what it was planned from.

    Args:
        written: the recipe without the planned lines.
        comments: comments of its lines, by key.
        found: what was measured.
        ceilings: best possible Dice by fit.
        memory: bytes of the GPU, or of the machine without one.
        pixels: that the time for training and scoring is enough for.
    """

    written: Mapping[str, Any]
    comments: Mapping[str, str]
    found: Measurements
    ceilings: Mapping[Fit, float]
    memory: int
    pixels: float = math.inf

    def in_time(self, pixels: float) -> PlannedRecipe:
        """The same, planned for as much time for training and scoring as these pixels take."""
        return replace(self, pixels=pixels)

    @cached_property
    def plan(self) -> Plan:
        """The chosen lines and their reasons."""
        plan = make_plan(self.found, self.ceilings, self.memory, self.pixels)
        if "augment" in self.written["data"]:
            return replace(plan, augment=(), reasons={**plan.reasons, "augment": ""})
        return plan

    @cached_property
    def text(self) -> str:
        """The recipe as YAML, with the reasons as comments."""
        images, measured = self.found.images["train"], len(self.found.extents)
        header = f"# By segkit plan {__version__}, from {measured:,} of {images:,} training images.\n"
        text = write_yaml(_with_plan(self.written, self.plan), compact=True)
        return header + with_comments(text, {**self.comments, **self.plan.reasons})

    def as_json(self) -> dict[str, Any]:
        """Recipe, measurements, ceilings, chosen lines and reasons as plain data."""
        found, plan = self.found, self.plan
        return {
            "recipe": self.text,
            "images": {**found.images},
            "sizes": [[*extent] for extent in found.extents],
            "structure_width": found.structure_width,
            "regions": found.regions,
            "pixels": None if math.isinf(self.pixels) else round(self.pixels),
            "classes": found.classes.as_json(),
            "ceilings": [
                {"fit": fit.kind, "size": [*fit.size], "scale": fit.scale, "dice": dice}
                if fit.kind == "crop"
                else {"fit": fit.kind, "size": [*fit.size], "dice": dice}
                for fit, dice in self.ceilings.items()
            ],
            "plan": {"data": {**plan.data}, "loss": [*plan.loss], "training": {"epochs": plan.epochs}},
            "reasons": {**plan.reasons},
        }


def plan_folder(path: Path, on_progress: Progress) -> PlannedRecipe:
    """Plan a recipe for a folder of images or a CSV file.

    Raises:
        SegkitError: if the layout is not recognised; if files are missing or damaged.
    """
    guess = guess_layout(path)
    scan = guess.scan()
    data, comments = guess.recipe_data(scan)
    if colors := palette_of(Dataset.of(scan, "", guess.task)):
        data["colors"] = colors
    written = {
        "name": _name(path),
        "seed": 0,
        "data": data,
        "model": _MODEL,
        "loss": "dice",
        "optimizer": _OPTIMIZER,
        "schedule": "one_cycle",
        "metrics": _metrics(guess.task),
        "training": {"epochs": 1},
    }
    with TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(write_yaml(written), encoding="utf-8")
        recipe = load_recipe(file)
    return _planned(recipe, written, comments, on_progress)


def loading_overrides(path: Path, overrides: Sequence[str]) -> list[str]:
    """The overrides, after values for the lines that a recipe may leave out as they are planned.

    Raises:
        RecipeError: if one of them sets a line that is planned.
    """
    for override in overrides:
        key = override.partition("=")[0].strip()
        if any(f"{key}.".startswith(f"{planned}.") for planned in _KEYS):
            hint = "leave it out, and change the planned recipe"
            raise RecipeError(f"{key} is planned", where=override_position(override), hint=hint)
    tree = read_tree(path)
    keys = [tuple(line.partition("=")[0].split(".")) for line in _LEFT_OUT]
    missing = [line for line, key in zip(_LEFT_OUT, keys, strict=True) if tree.nearest(key)[1] != key]
    return [*missing, *overrides]


def plan_recipe(recipe: Recipe, path: Path, overrides: Sequence[str], on_progress: Progress) -> PlannedRecipe:
    """Plan size, fit, batches, epochs and loss of a recipe; all else is kept as it is written.

    Args:
        recipe: the recipe, loaded with these overrides.
        path: its file, or its name if it ships with segkit.
        overrides: changes.
        on_progress: callback of (label, done, total).

    Raises:
        SegkitError: if files are missing or damaged.
    """
    written = _resolved(override_tree(read_tree(path), overrides).plain(), plain_recipe(recipe))
    if recipe.plugins:
        written["plugins"] = [str(file) for file in recipe.plugins]
    return _planned(recipe, written, {}, on_progress)


def _planned(
    recipe: Recipe, written: dict[str, Any], comments: Mapping[str, str], on_progress: Progress
) -> PlannedRecipe:
    recipe, scan = scan_recipe_source(recipe)
    splits = scan_samples(recipe, scan, on_progress).whole()
    found, masks = measure(splits, recipe.data, on_progress)
    ceilings = measure_ceilings(masks, candidates(found.extents), found.task, on_progress)
    return PlannedRecipe(written, comments, found, ceilings, gpu_memory() or machine_memory())


def _name(path: Path) -> str:
    name = os.path.basename(os.path.abspath(path.with_suffix("") if path.is_file() else path))
    return re.sub(r"[^\w .+-]|^\W", "_", name)[:_MAX_NAME] or "planned"


def _metrics(task: Task) -> list[str]:
    return ["miou", "dice", "pixel_accuracy"] if task.kind == "multiclass" else ["dice", "iou"]


def _with_plan(written: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    data = {key: value for key, value in written["data"].items() if key not in _PLANNED}
    sample = {key: value for key, value in (written["data"].get("sample") or {}).items() if key != "epoch"}
    sample |= plan.data.get("sample", {})
    augment = {"augment": [*plan.augment]} if plan.augment else {}
    data |= {**plan.data, **({"sample": sample} if sample else {}), **augment}
    training = {**(written.get("training") or {}), "epochs": plan.epochs}
    return {**written, "data": data, "loss": [*plan.loss], "training": training}


def _resolved(written: Any, loaded: Any) -> Any:
    """What is written, with the values that it has once loaded, such as absolute paths."""
    if isinstance(loaded, list) and not isinstance(written, list):  # of one item, without brackets
        loaded = loaded[0] if loaded else None
    if isinstance(written, dict):
        values = loaded if isinstance(loaded, dict) else {}
        if [*written] == ["name"]:  # a part without options
            return str(written["name"])
        return {str(key): _resolved(value, values.get(key)) for key, value in written.items()}
    if isinstance(written, list):
        items = loaded if isinstance(loaded, list) and len(loaded) == len(written) else [None] * len(written)
        return [_resolved(*pair) for pair in zip(written, items, strict=True)]
    if isinstance(written, str):
        return loaded if isinstance(loaded, str) else str(written)
    return written
