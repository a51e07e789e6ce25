"""Going on with a run that was interrupted or killed, as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.report import write_report
from segkit.core.errors import SegkitError
from segkit.core.events import Event, RunEnded
from segkit.core.types import Progress
from segkit.experiments.assembly import assemble
from segkit.experiments.finished_run import read_run
from segkit.experiments.recorder import make_recorder
from segkit.experiments.run import run_distributed, train_and_report
from segkit.experiments.run_start import environment_record, run_started
from segkit.recipe import Recipe
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Environment
from segkit.utils.signals import StopSignal

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def resume(
    run: Path,
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
    stop: StopSignal | None = None,
) -> Iterator[Event]:
    """Go on with a run from where it was last saved; it ends with the bytes that it would have had anyway.

    A run that was killed before anything was saved begins anew, in its own directory. Of one that has ended,
    the report is written again.

    Args:
        run: its directory.
        plugins: files or folders with the parts that it used; none is loaded on the run's own word.
        on_progress: callback of (label, done, total).
        stop: looked at after every step.

    Yields:
        What happens, while it happens.

    Raises:
        SegkitError: if it is not a run directory, another process works on it, its files are damaged, or
            images, weights or plugins are not those that it began with.
        Interrupted: if `stop` has been asked.
    """
    directory = RunDir.open_any(run)
    if directory.summary.is_file():
        with directory.as_write_error(), directory.locked():
            yield RunEnded(run, directory.read_summary(), write_report(directory))
        return
    recipe, changed = read_run(directory, (), plugins)
    if changed:
        raise SegkitError(
            f"the run cannot go on as it began. {' '.join(changed)}",
            where=str(run),
            hint=f"the plugins as they were then; or segkit run {directory.recipe} begins anew",
        )
    yield from resume_recipe(recipe, run, on_progress, stop)


def resume_recipe(
    recipe: Recipe,
    run: Path,
    on_progress: Progress = lambda label, done, total: None,
    stop: StopSignal | None = None,
) -> Iterator[Event]:
    """Go on with a run whose recipe is open already, and whose plugins are loaded; see `resume`."""
    return run_distributed(
        "segkit.experiments.resume:resume_recipe", _resume, recipe, run, on_progress, stop or StopSignal()
    )


def _resume(
    recipe: Recipe, run: Path, fabric: Fabric, on_progress: Progress, stop: StopSignal
) -> Iterator[Event]:
    recorder = make_recorder(recipe, fabric)
    with recorder.reopened(run):
        assembly = assemble(recipe, on_progress, fabric=fabric)
        then, now = recorder.directory.read_environment(), environment_record(assembly)
        _refuse_changes(then, now, recorder.directory)
        recorder.resumed(then, now)
        started = run_started(assembly, recorder.directory)
        started.warnings.extend(_differences(then, now))
        yield from train_and_report(assembly, recorder, started, on_progress, stop)


def _refuse_changes(then: Environment, now: Environment, directory: RunDir) -> None:
    """A run that goes on with other images or weights would be neither the one nor the other.

    Raises:
        SegkitError: naming what has changed.
    """
    before, after = then.data_digests, now.data_digests
    changed = [f"{split} images" for split in after if after[split] != before.get(split)]
    if now.encoder_digest != then.encoder_digest:
        changed.append("encoder's pretrained weights")
    if changed:
        raise SegkitError(
            f"the {' and the '.join(changed)} are not those that the run began with",
            where=str(directory.path),
            hint=f"bring them back; or segkit run {directory.recipe} begins anew",
        )


def _differences(then: Environment, now: Environment) -> list[str]:
    """What may change the rounding of what follows, and so its scores, in whole sentences."""
    found = []
    if changed := [
        f"{name} {then.packages.get(name)} is now {version}"
        for name, version in now.packages.items()
        if then.packages.get(name) != version
    ]:
        found.append(", ".join(changed))
    elif then.identity and now.identity and then.identity.code != now.identity.code:
        found.append("segkit's own code has changed")
    if then.device != now.device:
        found.append(f"{then.device} is now {now.device}")
    if not found:
        return []
    return [
        f"The run went on otherwise than it began, so its scores may differ a little: {'; '.join(found)}."
    ]
