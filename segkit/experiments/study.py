"""Comparing recipes and runs: what is missing is trained and measured, then all of it is compared."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.comparison.candidates import read_finished
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.comparison.write import make_folder, write_comparison
from segkit.core.errors import Problem, SegkitError, TrainingError
from segkit.core.events import Event, RunEnded
from segkit.core.plugins import load_builtins, load_plugin, loaded_plugins
from segkit.core.registry import METRICS
from segkit.experiments.benchmark.costs.machine import measured_here
from segkit.experiments.plan import Plan, PlannedRun, make_plan
from segkit.experiments.study_events import Compared, Measured, StudyEvent, StudyPlanned, StudyProgressed
from segkit.recipe import dump_recipe, load_dumped
from segkit.runs.run_dir import RunDir
from segkit.utils.signals import handle_signals
from segkit.utils.subprocesses import run_in_subprocesses

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison

Target = PathLike[str] | str


def compare(
    targets: Sequence[Target] | Target,
    *,
    overrides: Sequence[str] = (),
    vary: Sequence[str] | str = (),
    seeds: Sequence[int] = (),
    metric: str = "",
    runs: Path | str = "runs",
    out: Path | str | None = None,
    jobs: int = 1,
    measure: bool | None = None,
    plugins: Sequence[Path] = (),
    force: bool = False,
    watch: Callable[[StudyEvent], None] = lambda event: None,
) -> Comparison:
    """Which recipe is really better, by how much, how surely, and at what cost: `segkit compare` from Python.

    Args:
        targets: one or several run directories, folders of them, and recipe files, in any order.
        overrides: changes of all recipes, as in ``["training.epochs=2"]``.
        vary: as in ``["model.decoder=unet,fpn"]``; makes recipes out of each.
        seeds: for all recipes.
        metric: what to rank by; by default what chooses the first one's best epoch.
        runs: the folder of all runs, where finished ones are looked for, and new ones go.
        out: folder for the pages; by default none are written.
        jobs: how many runs are trained at once.
        measure: the costs, again or not at all; by default those of recipes, where they are not known.
        plugins: files or folders with parts.
        force: compare what was not scored alike, with warnings.
        watch: told what happens.

    Raises:
        SegkitError: if targets are at fault, cannot be compared, or runs fail.
    """
    load_builtins()
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    plan = make_plan(
        [Path(target) for target in ([targets] if isinstance(targets, str | PathLike) else targets)],
        runs=Path(runs), overrides=overrides, vary=[vary] if isinstance(vary, str) else vary, seeds=seeds,
        plugins=plugins, metric=metric, force=force,
    )  # fmt: skip
    if out:
        make_folder(Path(out))
    for event in study(plan, Path(runs), jobs=jobs, measure=measure, force=force):
        watch(event)
    assert isinstance(event, Compared)
    if out:
        write_comparison(event.comparison, Path(out))
    return event.comparison


def study(
    plan: Plan,
    runs: Path,
    *,
    jobs: int = 1,
    measure: bool | None = None,
    force: bool = False,
    command: str = "",
) -> Iterator[StudyEvent]:
    """Train and measure what a plan lacks, and compare.

    A finished run stays finished, and an interrupted one goes on: so does a study that is started again.

    Args:
        plan: as `make_plan` gives it.
        runs: the folder of all runs; new ones go there.
        jobs: how many are trained at once.
        measure: the costs of the models, one after the other: True of all, again if need be; False of none;
            None only if there are recipes among them, and not all were measured on this machine.
        force: compare what cannot be compared fairly.
        command: that makes this comparison again.

    Yields:
        What happens; `Compared` at the end.

    Raises:
        SegkitError: if runs fail, after the others have ended; if there is nothing to compare.
    """
    missing = plan.missing
    there = [wanted.run.path for wanted in plan.wanted if wanted.run]
    yield StudyPlanned(there, [wanted.label for wanted in missing], jobs, plan.notes)
    if len(missing) > 1:
        _check(missing)
    new = iter((yield from _train(missing, runs, jobs)))
    wanted = [replace(one, run=one.run or next(new)) for one in plan.wanted]
    directories = [one.run for one in wanted if one.run]
    if measure is None:
        known = all(measured_here(run.read_costs()) for run in directories)
        measure = any(one.recipe for one in wanted) and not known
    if measure:
        yield from _measure(wanted)
    yield Compared(
        compare_runs(
            [read_finished(one.run, one.name if one.recipe else "") for one in wanted if one.run],
            {entry.name: bool(entry.traits["higher_is_better"]) for entry in METRICS.own()},
            metric=plan.metric,
            force=force,
            command=command,
        )
    )


def _check(missing: Sequence[PlannedRun]) -> None:
    """Find out what is wrong with any of the recipes before hours are spent on the first.

    Raises:
        SegkitError: with everything that is wrong.
    """
    calls = [(_texts(missing),)]
    for _, problem in run_in_subprocesses("segkit.experiments.study:check_each", calls):
        raise problem


def _train(missing: Sequence[PlannedRun], runs: Path, jobs: int) -> Generator[StudyEvent, None, list[RunDir]]:
    """Train each in a process of its own, so that none knows of the others; their directories, in order."""
    directories: dict[int, RunDir] = {}
    problems: list[Problem] = []
    begun = [wanted.resumable.path if wanted.resumable else None for wanted in missing]
    calls = [(text, runs, path) for text, path in zip(_texts(missing), begun, strict=True)]
    for number, event in run_in_subprocesses("segkit.experiments.study:train_one", calls, at_once=jobs):
        label = missing[number].label
        if isinstance(event, SegkitError):
            problems += _labelled(label, event)
            continue
        if isinstance(event, RunEnded):
            directories[number] = RunDir(event.directory)
        yield StudyProgressed(label, number + 1, len(missing), event)
    if problems:
        if directories:
            others = f"{len(directories)} of {len(missing)} runs have ended well"
            problems.append(Problem(f"{others}, and the same command goes on from there"))
        raise TrainingError.of(problems)
    return [directories[number] for number in range(len(missing))]


def _measure(wanted: Sequence[PlannedRun]) -> Iterator[StudyEvent]:
    """Measure each in a process of its own, one after the other."""
    plugins = [plugin.path for plugin in loaded_plugins() if not plugin.package]
    calls = [(one.run.path, plugins) for one in wanted if one.run]
    for number, value in run_in_subprocesses("segkit.experiments.study:measure_one", calls):
        if isinstance(value, SegkitError):
            raise SegkitError.of(_labelled(wanted[number].label, value))
        yield Measured(wanted[number].label, number + 1, len(wanted))


def _labelled(label: str, error: SegkitError) -> list[Problem]:
    return [replace(problem, problem=f"{label}: {problem.problem}") for problem in error.problems]


def _texts(missing: Sequence[PlannedRun]) -> list[str]:
    return [dump_recipe(wanted.recipe) for wanted in missing if wanted.recipe]


def check_each(texts: Sequence[str]) -> Iterator[SegkitError]:
    """In a child: `segkit check` of complete recipes; files of the same data are read once."""
    from segkit.experiments.check import check

    problems: list[Problem] = []
    read: list[object] = []
    for recipe in map(load_dumped, texts):
        try:
            check(recipe, read_files=recipe.data not in read)
        except SegkitError as error:
            problems += [one for one in _labelled(recipe.name, error) if one not in problems]
        read.append(recipe.data)
    if problems:
        yield SegkitError.of(problems)


def train_one(text: str, runs: Path, begun: Path | None) -> Iterator[Event]:
    """In a child: run a complete recipe, or go on with a run of it that was interrupted."""
    from segkit.experiments.resume import resume_recipe
    from segkit.experiments.run import run

    recipe = load_dumped(text)
    with handle_signals() as stop:
        yield from resume_recipe(recipe, begun, stop=stop) if begun else run(recipe, runs, stop=stop)


def measure_one(run: Path, plugins: Sequence[Path]) -> Iterator[None]:
    """In a child: measure the costs of a run's model, and keep them in its directory."""
    from segkit.experiments.benchmark.costs.measure import measure

    directory = RunDir.open(run)
    directory.write_costs(measure(directory, plugins))
    yield None
