"""Resume interrupted runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.report import write_report
from segkit.core.errors import SegkitError
from segkit.core.events import Event, RunEnded
from segkit.core.paths import quoted
from segkit.core.types import Progress
from segkit.experiments.assembly import assemble
from segkit.experiments.launch import run_distributed
from segkit.experiments.recorder import RunRecorder
from segkit.experiments.restore_run import read_run
from segkit.experiments.run import train_and_report
from segkit.experiments.run_recipe import changes_since, check_changes, check_files
from segkit.experiments.run_start import environment_record, run_started
from segkit.recipe import Recipe
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Environment
from segkit.training.checkpoint import StateFiles
from segkit.utils.signals import StopSignal

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def resume(
    run: Path,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
    stop: StopSignal | None = None,
) -> Iterator[Event]:
    """Resume a run from its last saved state; the results are those of an uninterrupted run, byte for byte.

    A run without a saved state starts over in its directory. For a finished run, only the report is written,
    unless `overrides` ask for more epochs.

    Args:
        run: run directory.
        overrides: changes of its recipe, as for `--set`: devices and the like, paths of files that have
            moved, `training.epochs`. They are recorded in the run.
        plugins: files or folders with the parts that the run used; the run's own plugin paths are not loaded.
        on_progress: callback of (label, done, total).
        stop: signal checked after every step.

    Yields:
        Events of the run.

    Raises:
        SegkitError: if it is not a run directory, another process is writing to it, its files are damaged, or
            its recipe, images, weights or plugins have changed.
        Interrupted: if `stop` was requested.
    """
    directory = RunDir.open_any(run)
    if directory.has_ended and not overrides:
        with directory.as_write_error(), directory.locked():
            yield RunEnded(run, directory.read_summary(), write_report(directory))
        return
    recipe, changed = read_run(directory, overrides, plugins)
    if changed:
        raise SegkitError(
            f"the run cannot be resumed. {' '.join(changed)}",
            where=str(run),
            hint=f"restore the plugins, or start a new run: segkit run {quoted(directory.recipe)}",
        )
    check_changes(directory, recipe, overrides)
    check_files(directory, recipe)
    if directory.has_ended:
        _check_more_epochs(directory, recipe)
    yield from resume_recipe(recipe, run, on_progress, stop)


def resume_recipe(
    recipe: Recipe,
    run: Path,
    on_progress: Progress = lambda label, done, total: None,
    stop: StopSignal | None = None,
) -> Iterator[Event]:
    """Resume a run whose recipe and plugins are loaded; see `resume`."""
    return run_distributed(
        "segkit.experiments.resume:resume_recipe", _resume, recipe, run, on_progress, stop or StopSignal()
    )


def _resume(
    recipe: Recipe, run: Path, fabric: Fabric, on_progress: Progress, stop: StopSignal
) -> Iterator[Event]:
    recorder = RunRecorder(fabric, recipe.training)
    with recorder.reopened(run):
        assembly = assemble(recipe, on_progress, fabric=fabric)
        # Read once: the first process writes it again while the others start.
        then = fabric.broadcast(recorder.directory.read_environment())
        now = environment_record(assembly)
        _check_unchanged(then, now, recorder.directory)
        recorder.resumed = then, now, changes_since(then, recipe, recorder.directory)
        started = run_started(assembly, recorder.directory)
        started.warnings.extend(_differences(then, now))
        yield from train_and_report(assembly, recorder, started, on_progress, stop)


def _check_more_epochs(directory: RunDir, recipe: Recipe) -> None:
    done = directory.read_summary().epochs
    new_run = f"a new run: segkit run {quoted(directory.recipe)} --set ..."
    if recipe.training.epochs <= done:
        problem = f"this run is complete after {done} epochs: it can only be resumed for more"
        hint = f"--set training.epochs=N with N above {done}, or {new_run}"
        raise SegkitError(problem, where=str(directory.path), hint=hint)
    if not StateFiles(directory.checkpoints).last.is_file():
        problem = "this run is complete and its training state was not kept: it cannot be trained further"
        hint = f"{new_run}; training.keep_state=true keeps the state"
        raise SegkitError(problem, where=str(directory.path), hint=hint)


def _check_unchanged(then: Environment, now: Environment, directory: RunDir) -> None:
    before, after = then.data_digests, now.data_digests
    changed = [f"{split} images" for split in after if after[split] != before.get(split)]
    if now.encoder_digest != then.encoder_digest:
        changed.append("encoder's pretrained weights")
    if changed:
        raise SegkitError(
            f"the {' and the '.join(changed)} have changed since the run started",
            where=str(directory.path),
            hint=f"restore them, or start a new run: segkit run {quoted(directory.recipe)}",
        )


def _differences(then: Environment, now: Environment) -> list[str]:
    """A warning about versions and devices that may change rounding."""
    differences = []
    if changed := [
        f"{name} {then.packages.get(name)} is now {version}"
        for name, version in now.packages.items()
        if then.packages.get(name) != version
    ]:
        differences.append(", ".join(changed))
    elif then.identity and now.identity and then.identity.code != now.identity.code:
        differences.append("segkit's own code has changed")
    if then.device != now.device:
        differences.append(f"{then.device} is now {now.device}")
    if not differences:
        return []
    return [
        f"The run was resumed on a different setup; scores may differ slightly: {'; '.join(differences)}."
    ]
