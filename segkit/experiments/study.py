"""Studies: train and measure the missing runs of a comparison, then compare all."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from segkit.analysis.comparison.candidates import RunResult, read_finished
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.core.class_scores import image_words
from segkit.core.errors import SegkitError
from segkit.core.registry import METRICS
from segkit.experiments.benchmark.costs.machine import measured_here
from segkit.experiments.study_events import (
    Compared,
    Measured,
    RunScored,
    StudyEvent,
    StudyPlanned,
)
from segkit.experiments.study_plan import Plan, PlannedRun
from segkit.experiments.train_runs import check_missing, labelled, plugin_paths, train_missing
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import SplitScores
from segkit.utils.subprocesses import run_in_subprocesses


def study(
    plan: Plan,
    runs: Path,
    *,
    jobs: int = 1,
    measure: bool | None = None,
    force: bool = False,
    score_natively: str = "",
    command: str = "",
) -> Iterator[StudyEvent]:
    """Train and measure the missing runs of a plan, then compare all runs.

    Finished runs are reused and interrupted ones resumed, so a study can be repeated after a failure.

    Args:
        plan: result of `make_plan`.
        runs: folder of all runs.
        jobs: number of runs trained at once.
        measure: which costs to measure, as in `segkit.compare`.
        force: whether to compare runs that were scored differently.
        score_natively: function, as ``module:function``, that gives in a process of its own the `RunData` of
            a run (run, plugins) with scores at the images' own size; "" compares the runs' own scores.
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
        check_missing(missing)
    trained = iter((yield from train_missing(missing, runs, jobs)))
    completed = [replace(planned, run=planned.run or next(trained)) for planned in plan.runs]
    if measure is None:
        known = all(measured_here(planned.run.read_costs()) for planned in completed if planned.run)
        measure = any(planned.recipe for planned in completed) and not known
    if measure:
        yield from _measure(completed)
    results = yield from _read_results(completed, score_natively)
    higher_is_better = {entry.name: bool(entry.traits["higher_is_better"]) for entry in METRICS.own()}
    yield Compared(compare_runs(results, higher_is_better, metric=plan.metric, force=force, command=command))


def _measure(completed: Sequence[PlannedRun]) -> Iterator[StudyEvent]:
    """Measure each run in its own process, one after the other."""
    calls = [(planned.run.path, plugin_paths()) for planned in completed if planned.run]
    for number, value in run_in_subprocesses("segkit.experiments.study:measure_run", calls):
        if isinstance(value, SegkitError):
            raise SegkitError.of(labelled(completed[number].label, value))
        yield Measured(completed[number].label, number + 1, len(completed))


def _read_results(
    completed: Sequence[PlannedRun], score_natively: str
) -> Generator[StudyEvent, None, list[RunResult]]:
    """Results of all runs; those without the scores to compare are scored now, each in its own process."""
    unscored = [
        planned
        for planned in completed
        if planned.run
        and not planned.result
        and not (planned.run.has_ended and (planned.scored.is_native or not score_natively))
    ]
    calls = [(planned.run.path, plugin_paths()) for planned in unscored if planned.run]
    scored: dict[Path, RunData] = {}
    score = score_natively or "segkit.experiments.study:score_stopped"
    for number, value in run_in_subprocesses(score, calls):
        if isinstance(value, SegkitError):
            raise value
        scored[value.run.path] = value
        yield RunScored(unscored[number].label, len(scored), len(calls))
    results = []
    for planned in completed:
        assert planned.run
        if planned.result:
            results.append(planned.result)
            continue
        name = planned.name if planned.recipe else ""
        if data := scored.get(planned.run.path):
            results.append(RunResult(name or data.summary.recipe, data))
        else:
            results.append(read_finished(planned.run, name))
    return results


def measure_run(run: Path, plugins: Sequence[Path]) -> Iterator[None]:
    """In a child: measure the costs of a run's model and write them to its directory."""
    from segkit.experiments.benchmark.costs.measure import measure

    directory = RunDir.open(run, stopped=True)
    directory.write_costs(measure(directory, plugins))
    yield None


def score_stopped(run: Path, plugins: Sequence[Path]) -> Iterator[RunData]:
    """In a child: score the best epoch of a stopped run on its test split, like that of a finished one."""
    from segkit.experiments.assembly_checks import warnings_for
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
            "warnings": [*trained.warnings, *optimistic, *counts.warnings(image_words(len(names), split))],
        }
    )
    iou = None if len(summary.classes) < 2 else counts.iou_by_image()
    yield replace(data, summary=summary, names=[*names], scores=scores.per_image, class_iou=iou)
