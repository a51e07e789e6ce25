"""Training of the missing runs of a study, each in its own process."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from segkit.core.errors import Problem, SegkitError, TrainingError
from segkit.core.events import Event, RunEnded
from segkit.core.plugins import loaded_plugins
from segkit.experiments.study_events import StudyEvent, StudyProgressed
from segkit.experiments.study_plan import PlannedRun
from segkit.recipe import dump_recipe, load_dumped
from segkit.runs.run_dir import RunDir
from segkit.utils.listing import agree
from segkit.utils.signals import handle_signals
from segkit.utils.subprocesses import run_in_subprocesses


def check_missing(missing: Sequence[PlannedRun]) -> None:
    """Check recipes before any of them is trained.

    Raises:
        SegkitError: with the problems of all of them.
    """
    calls = [(_texts(missing),)]
    for _, error in run_in_subprocesses("segkit.experiments.train_runs:check_recipes", calls):
        raise error


def train_missing(
    missing: Sequence[PlannedRun], runs: Path, jobs: int
) -> Generator[StudyEvent, None, list[RunDir]]:
    """Train each run in its own process, or resume it; returns their directories in order.

    Raises:
        TrainingError: if runs fail, after the others have ended.
    """
    directories: dict[int, RunDir] = {}
    problems: list[Problem] = []
    resumable = [planned.resumable.path if planned.resumable else None for planned in missing]
    calls = [(text, runs, path) for text, path in zip(_texts(missing), resumable, strict=True)]
    for number, event in run_in_subprocesses(
        "segkit.experiments.train_runs:train_recipe", calls, at_once=jobs
    ):
        label = missing[number].label
        if isinstance(event, SegkitError):
            problems += labelled(label, event)
            continue
        if isinstance(event, RunEnded):
            directories[number] = RunDir(event.directory)
        yield StudyProgressed(label, number + 1, len(missing), event)
    if problems:
        if directories:
            are = agree(len(directories), "is", "are")
            finished = f"{len(directories)} of {len(missing)} runs {are} finished"
            problems.append(Problem(f"{finished}; repeat the command to continue with the others"))
        raise TrainingError.of(problems)
    return [directories[number] for number in range(len(missing))]


def plugin_paths() -> list[Path]:
    """Files and folders of the loaded plugins that are not installed, for other processes."""
    return [plugin.path for plugin in loaded_plugins() if not plugin.package]


def labelled(label: str, error: SegkitError) -> list[Problem]:
    """Problems of an error, each with the run that it is of."""
    return [replace(problem, problem=f"{label}: {problem.problem}") for problem in error.problems]


def _texts(missing: Sequence[PlannedRun]) -> list[str]:
    return [dump_recipe(planned.recipe) for planned in missing if planned.recipe]


def check_recipes(texts: Sequence[str], labels: Sequence[str] = ()) -> Iterator[SegkitError]:
    """In a child: check recipes; files of the same data are read once. Labels are by default their names."""
    from segkit.experiments.check import check

    problems: list[Problem] = []
    checked: list[object] = []
    for number, recipe in enumerate(map(load_dumped, texts)):
        label = labels[number] if labels else recipe.name
        try:
            check(recipe, read_files=recipe.data not in checked)
        except SegkitError as error:
            problems += [problem for problem in labelled(label, error) if problem not in problems]
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
