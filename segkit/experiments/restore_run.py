"""Trained runs, restored: recipe, best weights, and warnings about changes since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import Problem, SegkitError, worded
from segkit.core.paths import quoted
from segkit.core.plugins import Plugin, find, load_plugin, loaded_plugins
from segkit.core.types import Progress
from segkit.data.images import hints_for_model
from segkit.experiments.assembly import Assembly, assemble
from segkit.experiments.run_recipe import edits, load_run_recipe
from segkit.recipe import Recipe
from segkit.recipe.dataset import reading_warnings
from segkit.recipe.postprocess_settings import PostprocessSettings
from segkit.runs.environment import data_digests
from segkit.runs.run_dir import RunDir
from segkit.training.checkpoint import load_weights
from segkit.training.devices import choose_device, move_to_device
from segkit.utils.safe_read import corrupt_file

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Sample
    from segkit.training.evaluate import Scores


@dataclass(frozen=True)
class FinishedRun:
    """A trained model with its test split.

    Args:
        run: run directory.
        assembly: assembly with the weights of the best epoch, on its fabric's device.
        warnings: what has changed since training, as sentences.
    """

    run: RunDir
    assembly: Assembly
    warnings: list[str]

    def scores(self, on_progress: Progress = lambda label, done, total: None) -> Scores:
        """Score the model on the test split."""
        return self.assembly.scorer(self.assembly.test_split, on_progress)(self.assembly.model)


def open_trained(
    run: RunDir,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> FinishedRun:
    """Read and restore a run; see `read_run` and `restore`."""
    recipe, changed = read_run(run, overrides, plugins)
    return restore(run, recipe, changed, on_progress)


def restore(
    run: RunDir,
    recipe: Recipe,
    changed: Sequence[str],
    on_progress: Progress = lambda label, done, total: None,
    scored: dict[str, list[Sample]] | None = None,
) -> FinishedRun:
    """Build the model of a run and load its best weights.

    Args:
        run: run directory with weights.
        recipe: recipe from `read_run`.
        changed: warnings from `read_run`.
        on_progress: callback of (label, done, total).
        scored: samples to score by split name, instead of the recipe's.

    Raises:
        SegkitError: if data or checkpoint are invalid.
    """
    with hints_for_model(recipe.data.file_channels):
        assembly = assemble(recipe, on_progress, to_train=False, scored=scored)
    warnings = [*changed, *run_warnings(run), *reading_warnings(assembly.splits)]
    split = assembly.test_split
    recorded = run.read_environment().data_digests.get(split)
    if data_digests({split: assembly.splits[split]})[split] != recorded:
        images = "images" if split == "all" else f"{split} images"
        warnings.append(f"The {images} are not those that the run reports its scores on.")
    load_best(assembly.model, run, changed)
    move_to_device(assembly.model, assembly.fabric, recipe.training)
    return FinishedRun(run, assembly, warnings)


def use_available_device(recipe: Recipe, overrides: Sequence[str] = ()) -> tuple[Recipe, list[str]]:
    """Change accelerator and precision to "auto" if those of a run are not available, with a warning.

    Raises:
        SegkitError: if an accelerator or precision set by the user is not available.
    """
    settings = recipe.training
    try:
        choose_device(settings)
        return recipe, []
    except SegkitError:
        if any(override.startswith(("training.accelerator", "training.precision")) for override in overrides):
            raise
    training = settings.model_copy(update={"accelerator": "auto", "precision": "auto"})
    accelerator, precision = choose_device(training)
    warning = (
        f"The recipe's device, {settings.accelerator} with precision {settings.precision}, is not available: "
        f"the run is scored on {accelerator} with {precision}, and scores may differ in the last digits."
    )
    return recipe.model_copy(update={"training": training}), [warning]


def read_run(
    run: RunDir, overrides: Sequence[str] = (), plugins: Sequence[Path] = ()
) -> tuple[Recipe, list[str]]:
    """Read the recipe of a run, with its overrides. Its own plugin paths are not loaded, only `plugins`.

    Args:
        run: run directory.
        overrides: changes of its recipe in the form of `--set`.
        plugins: files or folders with the parts that the run used.

    Returns:
        The recipe, and warnings about changed plugins.

    Raises:
        SegkitError: if a plugin of the run is not loaded, or the recipe is invalid.
    """
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    changed = compare_plugins(run, run.read_environment().plugins)
    return load_run_recipe(run, [*run.overrides, *overrides]), changed


def postprocess_of(run: RunDir, recipe: Recipe) -> PostprocessSettings | None:
    """Post-processing of a run's masks: what its recipe says, or what was chosen when it ended.

    Raises:
        SegkitError: if the file of the choice is damaged.
    """
    if recipe.postprocess != "auto":
        return recipe.postprocess
    record = run.read_postprocess()
    settings = record.settings if record else None
    for key, problem, _ in settings.problems(recipe.data.goal) if settings else ():
        raise corrupt_file(run.postprocess, f"settings.{key}: {problem}")
    return settings


def run_warnings(run: RunDir) -> list[str]:
    """Warnings about a run that has not ended, or whose recipe now describes another model."""
    warnings = [] if run.has_ended else run.read_summary().warnings
    try:
        recipe = load_run_recipe(run)
        if recipe.postprocess == "auto" and not run.has_ended:
            warnings.append("postprocess: auto is decided when a run ends, so masks are not post-processed.")
        edited = [change for change in edits(run, recipe) if change.affects_predictions]
    except SegkitError as error:
        return [*warnings, f"Cannot check whether the recipe has been edited: {error.problems[0].problem}."]
    if edited:
        warnings.append(f"The recipe has been edited since the run: {'; '.join(map(str, edited))}.")
    return warnings


def load_best(model: nn.Module, run: RunDir, changed: Sequence[str]) -> None:
    """Load the weights of a run's best epoch; changed plugins are the likely reason if they do not fit.

    Raises:
        SegkitError: if they do not fit or cannot be read.
    """
    try:
        load_weights(model, run.weights)
    except SegkitError as error:
        problem = error.problems[0]
        hint = " ".join([*changed, "Use its original version."]) if changed else problem.hint
        raise SegkitError(problem.problem, where=problem.file, hint=hint) from error


def compare_plugins(run: RunDir, recorded: Sequence[Plugin]) -> list[str]:
    """Warnings about plugins that have changed since a run.

    Raises:
        SegkitError: listing those that are not loaded.
    """
    missing: list[Problem] = []
    warnings: list[str] = []
    for then in recorded:
        now = _loaded_with_parts_of(then)
        if now is None:
            missing.append(_missing_plugin(run, then))
        elif now.digest != then.digest:
            versions = f": it was {then.package} and is {now.origin}" if then.package else ""
            warnings.append(f"The plugin {then.name} has changed since the run{versions}.")
    if missing:
        raise SegkitError.of(missing)
    return warnings


def _loaded_with_parts_of(then: Plugin) -> Plugin | None:
    for part in then.parts:
        find(*part.split(" ", 1))  # loads the installed plugin that has it
    return next((plugin for plugin in loaded_plugins() if set(then.parts) <= set(plugin.parts)), None)


def _missing_plugin(run: RunDir, then: Plugin) -> Problem:
    used = f"the run used {', '.join(then.parts)} of the plugin {then.name}"
    if any(plugin.name == then.name for plugin in loaded_plugins()):
        hint = f"use the original version of the plugin, with digest {then.digest[:12]}"
        return Problem(f"{used}, which is loaded but no longer has it", str(run.path), hint=hint)
    option = worded(f"--plugins {quoted(then.path)}", f"plugins=[{str(then.path)!r}]")
    hint = f"{option}, if you trust what is there"
    if then.package:
        hint = f"python -m pip install {quoted(then.package.replace(' ', '=='))}, if you trust it"
    elif not then.path.is_absolute():  # a hub folder has names only
        hint = f"{then.path} is not part of it: pass its location with {worded('--plugins', 'plugins=[...]')}"
    elif not then.path.exists():
        option = worded("--plugins", "plugins=[...]")
        hint = f"{then.path} does not exist any more: pass the plugin's new location with {option}"
    return Problem(f"{used}, which is not loaded", str(run.path), hint=hint)
