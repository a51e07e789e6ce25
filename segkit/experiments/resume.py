"""Going on with a run that was interrupted or killed, as if nothing had happened."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.report import write_report
from segkit.core.errors import SegkitError
from segkit.core.events import Event, RunEnded
from segkit.core.types import Progress
from segkit.experiments.assembly import Assembly, assemble
from segkit.experiments.finished_run import reopen
from segkit.experiments.recorder import Journal
from segkit.experiments.run import carry_out, in_processes
from segkit.experiments.run_start import started_on, surroundings
from segkit.models.segmenter import digest
from segkit.recipe import Recipe
from segkit.runs.environment import data_digests
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Environment
from segkit.utils.signals import Stop

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_TOLD_AGAIN = ("command", "device", "git", "packages", "platform", "processor")


def resume(
    run: Path,
    plugins: Sequence[Path] = (),
    progress: Progress = lambda label, done, total: None,
    stop: Stop | None = None,
) -> Iterator[Event]:
    """Go on with a run from where it was last saved; it ends with the bytes that it would have had anyway.

    A run that was killed before anything was saved begins anew, in its own directory. Of one that has ended,
    the report is written again.

    Args:
        run: its directory.
        plugins: files or folders with the parts that it used; none is loaded on the run's own word.
        progress: told a label, how much is done, and how much there is.
        stop: looked at after every step.

    Yields:
        What happens, while it happens.

    Raises:
        SegkitError: if it is no run directory, another process works on it, its files are damaged, or
            images, weights or plugins are not those that it began with.
        Interrupted: if `stop` has been asked.
    """
    directory = RunDir.begun(run)
    if directory.summary.is_file():
        with directory.written(), directory.held():
            yield RunEnded(run, directory.read_summary(), write_report(directory))
        return
    recipe, changed = reopen(directory, (), plugins)
    if changed:
        raise SegkitError(
            f"the run cannot go on as it began. {' '.join(changed)}",
            where=str(run),
            hint=f"the plugins as they were then; or segkit run {directory.recipe} begins anew",
        )
    yield from resume_recipe(recipe, run, progress, stop)


def resume_recipe(
    recipe: Recipe,
    run: Path,
    progress: Progress = lambda label, done, total: None,
    stop: Stop | None = None,
) -> Iterator[Event]:
    """Go on with a run whose recipe is open already, and whose plugins are loaded; see `resume`."""
    return in_processes(
        "segkit.experiments.resume:resume_recipe", _resume, recipe, run, progress, stop or Stop()
    )


def _resume(recipe: Recipe, run: Path, fabric: Fabric, progress: Progress, stop: Stop) -> Iterator[Event]:
    """In one process; of several, the first alone writes."""
    clock = time.perf_counter()
    directory = RunDir(run)
    with ExitStack() as stack:
        if fabric.is_global_zero:
            with directory.written():
                stack.enter_context(directory.held())
        with fabric.rank_zero_first(local=True):
            assembly = assemble(recipe, progress)
        then = directory.read_environment()
        _refuse_changes(assembly, directory, then)
        now = surroundings(assembly, fabric)
        started = started_on(assembly, fabric, directory)
        started.warnings.extend(_differences(then, now))
        if fabric.is_global_zero:
            kept = {"command", "device", "git", "packages", "platform", "processor"}
            again = now.model_dump(mode="json", include=kept)
            with directory.written():
                directory.write_environment(then.model_copy(update={"resumed": [*then.resumed, again]}))
        journal = Journal(directory, fabric, recipe.training.checkpoint_seconds, began=clock)
        yield from carry_out(assembly, directory, journal, started, fabric, progress, stop)


def _refuse_changes(assembly: Assembly, directory: RunDir, then: Environment) -> None:
    """A run that goes on with other images or weights would be neither the one nor the other.

    Raises:
        SegkitError: naming what has changed.
    """
    now = data_digests(assembly.splits)
    changed = [f"{split} images" for split in now if now[split] != then.data_digests.get(split)]
    if digest(assembly.model.encoder) != then.encoder_digest:
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
