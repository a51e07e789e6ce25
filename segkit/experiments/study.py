"""Studies: train and measure the missing runs of a comparison, then compare all."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.comparison.candidates import RunResult, read_finished
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.comparison.write import make_folder, write_comparison
from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.core.errors import Problem, SegkitError, TrainingError
from segkit.core.events import Event, RunEnded
from segkit.core.plugins import load_plugin, loaded_plugins
from segkit.core.registry import METRICS
from segkit.experiments.benchmark.costs.machine import measured_here
from segkit.experiments.study_events import Compared, Measured, StudyEvent, StudyPlanned, StudyProgressed
from segkit.experiments.study_plan import Plan, PlannedRun, make_plan
from segkit.recipe import dump_recipe, load_dumped
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import SplitScores
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
    """Compare recipes and runs statistically, with their costs: `segkit compare` from Python.

    Args:
        targets: run directories, folders of them, and recipe files, in any order; or one of these.
        overrides: changes of all recipes, such as ``["training.epochs=2"]``.
        vary: variations of each recipe, such as ``["model.decoder=unet,fpn"]``.
        seeds: seeds of all recipes.
        metric: metric to rank by; by default the first metric of the first run.
        runs: folder of all runs; finished runs in it are reused.
        out: folder for the pages; by default none are written.
        jobs: number of runs trained at once.
        measure: True measures the costs of all models, again if need be; False of none; None if a recipe is
            among the targets and a model was not measured on this machine.
        plugins: files or folders with parts.
        force: whether to compare runs that were scored differently, with warnings.
        watch: callback of events.

    Raises:
        SegkitError: if targets are invalid, cannot be compared, or runs fail.
    """
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
    """Train and measure the missing runs of a plan, then compare all runs.

    Finished runs are reused and interrupted ones resumed, so a study can be repeated after a failure.

    Args:
        plan: result of `make_plan`.
        runs: folder of all runs.
        jobs: number of runs trained at once.
        measure: which costs to measure, as in `compare`.
        force: whether to compare runs that were scored differently.
        command: command line that repeats the comparison.

    Yields:
        Events of the study, `Compared` last.

    Raises:
        SegkitError: if runs fail, after the others have ended.
    """
    missing = plan.missing
    finished = [planned.run.path for planned in plan.runs if planned.run and planned.run.has_ended]
    yield StudyPlanned(finished, [planned.label for planned in missing], jobs, plan.notes)
    if len(missing) > 1:
        _check(missing)
    trained = iter((yield from _train(missing, runs, jobs)))
    completed = [replace(planned, run=planned.run or next(trained)) for planned in plan.runs]
    if measure is None:
        known = all(measured_here(planned.run.read_costs()) for planned in completed if planned.run)
        measure = any(planned.recipe for planned in completed) and not known
    if measure:
        yield from _measure(completed)
    results = _read_results(completed)
    higher_is_better = {entry.name: bool(entry.traits["higher_is_better"]) for entry in METRICS.own()}
    yield Compared(compare_runs(results, higher_is_better, metric=plan.metric, force=force, command=command))


def _check(missing: Sequence[PlannedRun]) -> None:
    calls = [(_texts(missing),)]
    for _, error in run_in_subprocesses("segkit.experiments.study:check_recipes", calls):
        raise error


def _train(missing: Sequence[PlannedRun], runs: Path, jobs: int) -> Generator[StudyEvent, None, list[RunDir]]:
    """Train each run in its own process; returns their directories in order."""
    directories: dict[int, RunDir] = {}
    problems: list[Problem] = []
    resumable = [planned.resumable.path if planned.resumable else None for planned in missing]
    calls = [(text, runs, path) for text, path in zip(_texts(missing), resumable, strict=True)]
    for number, event in run_in_subprocesses("segkit.experiments.study:train_recipe", calls, at_once=jobs):
        label = missing[number].label
        if isinstance(event, SegkitError):
            problems += _labelled(label, event)
            continue
        if isinstance(event, RunEnded):
            directories[number] = RunDir(event.directory)
        yield StudyProgressed(label, number + 1, len(missing), event)
    if problems:
        if directories:
            finished = f"{len(directories)} of {len(missing)} runs are finished"
            problems.append(Problem(f"{finished}; repeat the command to continue with the others"))
        raise TrainingError.of(problems)
    return [directories[number] for number in range(len(missing))]


def _measure(completed: Sequence[PlannedRun]) -> Iterator[StudyEvent]:
    """Measure each run in its own process, one after the other."""
    calls = [(planned.run.path, _plugin_paths()) for planned in completed if planned.run]
    for number, value in run_in_subprocesses("segkit.experiments.study:measure_run", calls):
        if isinstance(value, SegkitError):
            raise SegkitError.of(_labelled(completed[number].label, value))
        yield Measured(completed[number].label, number + 1, len(completed))


def _read_results(completed: Sequence[PlannedRun]) -> list[RunResult]:
    """Results of all runs; stopped runs are scored now, each in its own process."""
    stopped = [planned.run.path for planned in completed if planned.run and not planned.run.has_ended]
    calls = [(path, _plugin_paths()) for path in stopped]
    scored: dict[Path, RunResult] = {}
    for number, value in run_in_subprocesses("segkit.experiments.study:score_stopped", calls):
        if isinstance(value, SegkitError):
            raise value
        scored[stopped[number]] = RunResult(value.summary.recipe, value)
    return [
        scored.get(planned.run.path) or read_finished(planned.run, planned.name if planned.recipe else "")
        for planned in completed
        if planned.run
    ]


def _plugin_paths() -> list[Path]:
    return [plugin.path for plugin in loaded_plugins() if not plugin.package]


def _labelled(label: str, error: SegkitError) -> list[Problem]:
    return [replace(problem, problem=f"{label}: {problem.problem}") for problem in error.problems]


def _texts(missing: Sequence[PlannedRun]) -> list[str]:
    return [dump_recipe(planned.recipe) for planned in missing if planned.recipe]


def check_recipes(texts: Sequence[str]) -> Iterator[SegkitError]:
    """In a child: check recipes; files of the same data are read once."""
    from segkit.experiments.check import check

    problems: list[Problem] = []
    checked: list[object] = []
    for recipe in map(load_dumped, texts):
        try:
            check(recipe, read_files=recipe.data not in checked)
        except SegkitError as error:
            problems += [problem for problem in _labelled(recipe.name, error) if problem not in problems]
        checked.append(recipe.data)
    if problems:
        yield SegkitError.of(problems)


def train_recipe(text: str, runs: Path, resumable: Path | None) -> Iterator[Event]:
    """In a child: run a recipe, or resume an interrupted run of it."""
    from segkit.experiments.resume import resume_recipe
    from segkit.experiments.run import run

    recipe = load_dumped(text)
    with handle_signals() as stop:
        yield from resume_recipe(recipe, resumable, stop=stop) if resumable else run(recipe, runs, stop=stop)


def measure_run(run: Path, plugins: Sequence[Path]) -> Iterator[None]:
    """In a child: measure the costs of a run's model and write them to its directory."""
    from segkit.experiments.benchmark.costs.measure import measure

    directory = RunDir.open(run, stopped=True)
    directory.write_costs(measure(directory, plugins))
    yield None


def score_stopped(run: Path, plugins: Sequence[Path]) -> Iterator[RunData]:
    """In a child: score the best epoch of a stopped run on its test split, like that of a finished one."""
    from segkit.experiments.assembly import warnings_for
    from segkit.experiments.restore_run import open_trained

    directory = RunDir.open(run, stopped=True)
    trained, data = open_trained(directory, plugins=plugins), read_run_data(directory)
    scores, split = trained.scores(), trained.assembly.test_split
    names, counts = trained.assembly.splits[split].names, scores.classes
    assert counts is not None
    optimistic = warnings_for(trained.assembly.recipe, set(data.environment.data_digests))
    summary = data.summary.model_copy(
        update={
            "reported_on": split,
            "scores": SplitScores(split=split, metrics=scores.metrics, loss=scores.loss),
            "classes": [*trained.assembly.task.classes],
            "warnings": [*trained.warnings, *optimistic, *counts.warnings(f"{len(names):,} {split} images")],
        }
    )
    iou = None if len(summary.classes) < 2 else counts.iou_by_image()
    yield replace(data, summary=summary, names=[*names], scores=scores.per_image, class_iou=iou)
