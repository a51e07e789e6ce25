"""A finished run, opened again: its recipe, its best weights, and what has changed since."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.errors import Problem, SegkitError
from segkit.core.plugins import Plugin, find, load_plugin, loaded_plugins
from segkit.core.types import Progress
from segkit.experiments.assembly import Assembly, assemble
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.dataset import reading_warnings
from segkit.runs.environment import data_digests
from segkit.runs.run_dir import RunDir
from segkit.training.checkpoint import load_weights
from segkit.training.devices import choose_device, move_to_device

if TYPE_CHECKING:
    from torch import nn

    from segkit.core.types import Sample
    from segkit.training.evaluate import Scores


@dataclass(frozen=True)
class FinishedRun:
    """A trained model with the data it is scored on.

    Args:
        run: where it comes from.
        assembly: with the weights of the best epoch, on its fabric's device, in the precision of training.
        warnings: what is not as it was when the model was trained, in whole sentences.
    """

    run: RunDir
    assembly: Assembly
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        """What was opened, as plain data."""
        split = self.assembly.test_split
        return {
            "run": str(self.run.path),
            "split": split,
            "images": len(self.assembly.splits[split]),
            "warnings": self.warnings,
        }

    def scores(self, on_progress: Progress = lambda label, done, total: None) -> Scores:
        """Score it on the split that its run reports."""
        return self.assembly.scorer(self.assembly.test_split, on_progress)(self.assembly.model)


def open_trained(
    run: RunDir,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> FinishedRun:
    """Open a finished run. No code that it names is run: plugins are those that the user names now.

    Args:
        run: a complete run directory.
        overrides: changes of its recipe, as `--set` takes them; other data, say.
        plugins: files or folders with the parts that it used.
        on_progress: callback of (label, done, total).

    Raises:
        SegkitError: if a plugin that it used is not loaded, or recipe, data or checkpoint are at fault.
    """
    recipe, changed = read_run(run, overrides, plugins)
    return restore(run, recipe, changed, on_progress)


def restore(
    run: RunDir,
    recipe: Recipe,
    changed: Sequence[str],
    on_progress: Progress = lambda label, done, total: None,
    scored: dict[str, list[Sample]] | None = None,
) -> FinishedRun:
    """Build what a run has trained.

    Args:
        run: a complete run directory.
        recipe: as `read_run` gives it.
        changed: likewise.
        on_progress: callback of (label, done, total).
        scored: samples to score, under the name of their split, instead of the recipe's own.

    Raises:
        SegkitError: if data or checkpoint are at fault.
    """
    warnings = [*changed]
    assembly = assemble(recipe, on_progress, to_train=False, scored=scored)
    warnings += reading_warnings(assembly.splits)
    reported = assembly.test_split
    recorded = run.read_environment().data_digests.get(reported)
    if data_digests({reported: assembly.splits[reported]})[reported] != recorded:
        images = "images" if reported == "all" else f"{reported} images"
        warnings.append(f"The {images} are not those that the run reports its scores on.")
    load_best(assembly.model, run, changed)
    move_to_device(assembly.model, assembly.fabric, recipe.training)
    return FinishedRun(run, assembly, warnings)


def on_this_machine(recipe: Recipe, overrides: Sequence[str] = ()) -> tuple[Recipe, list[str]]:
    """A recipe whose model can compute here, where it was trained on an accelerator that is not here.

    Args:
        recipe: of a run.
        overrides: what the user asks for; an accelerator that is named there is not given up.

    Returns:
        The recipe, and what was changed, in whole sentences: nothing, where this machine has what it wants.

    Raises:
        SegkitError: if the user asks for an accelerator that is not here.
    """
    wanted = recipe.training
    try:
        choose_device(wanted)
        return recipe, []
    except SegkitError:
        if any(override.startswith(("training.accelerator", "training.precision")) for override in overrides):
            raise
    training = wanted.model_copy(update={"accelerator": "auto", "precision": "auto"})
    accelerator, precision = choose_device(training)
    told = (
        f"The run was to use {wanted.accelerator} in precision {wanted.precision}, which is not to be had "
        f"here: it is scored on {accelerator} in {precision}, and its scores may differ in their last digits."
    )
    return recipe.model_copy(update={"training": training}), [told]


def read_run(
    run: RunDir, overrides: Sequence[str] = (), plugins: Sequence[Path] = ()
) -> tuple[Recipe, list[str]]:
    """The recipe of a run. No code that it names is run: plugins are those that the user names now.

    Args:
        run: a run directory.
        overrides: changes of its recipe, as `--set` takes them.
        plugins: files or folders with the parts that it used.

    Returns:
        The recipe, and what has changed in its plugins since the run, in whole sentences.

    Raises:
        SegkitError: if a plugin that it used is not loaded, or the recipe is at fault.
    """
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    changed = compare_plugins(run, run.read_environment().plugins)
    return load_recipe(run.recipe, ["plugins=[]", *overrides]), changed


def load_best(model: nn.Module, run: RunDir, changed: Sequence[str]) -> None:
    """Read a run's best weights.

    Args:
        model: as its recipe builds it.
        run: a run directory.
        changed: what has changed in its plugins: the likely reason if the weights do not fit.

    Raises:
        SegkitError: if they do not fit, or cannot be read.
    """
    try:
        load_weights(model, run.checkpoints / "best.safetensors")
    except SegkitError as error:
        first = error.problems[0]
        hint = " ".join([*changed, "Take it as it was then."]) if changed else first.hint
        raise SegkitError(first.problem, where=first.file, hint=hint) from error


def compare_plugins(run: RunDir, recorded: Sequence[Plugin]) -> list[str]:
    """What has changed in the plugins that a run used, in whole sentences.

    Raises:
        SegkitError: for those that are not loaded.
    """
    missing: list[Problem] = []
    warnings: list[str] = []
    for then in recorded:
        now = _now(then)
        if now is None:
            missing.append(_missing(run, then))
        elif now.digest != then.digest:
            versions = f": it was {then.package} and is {now.origin}" if then.package else ""
            warnings.append(f"The plugin {then.name} has changed since the run{versions}.")
    if missing:
        raise SegkitError.of(missing)
    return warnings


def _now(then: Plugin) -> Plugin | None:
    """The loaded plugin that has the parts of a recorded one."""
    for part in then.parts:
        find(*part.split(" ", 1))  # asks the installed ones
    return next((plugin for plugin in loaded_plugins() if set(then.parts) <= set(plugin.parts)), None)


def _missing(run: RunDir, then: Plugin) -> Problem:
    used = f"the run used {', '.join(then.parts)} of the plugin {then.name}"
    if any(plugin.name == then.name for plugin in loaded_plugins()):
        hint = f"the plugin as it was then, with the digest {then.digest[:12]}"
        return Problem(f"{used}, which is loaded and has it no more", str(run.path), hint=hint)
    hint = f"--plugins {shlex.quote(str(then.path))}, if you trust what is there"
    if then.package:
        hint = f"python -m pip install {shlex.quote(then.package.replace(' ', '=='))}, if you trust it"
    elif not then.path.exists():
        hint = f"{then.path} is gone: --plugins with the place where it is now"
    return Problem(f"{used}, which is not loaded", str(run.path), hint=hint)
