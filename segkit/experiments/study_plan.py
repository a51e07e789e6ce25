"""Which finished runs a comparison reuses, and which it still has to train. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.comparison.candidates import RunResult, read_finished
from segkit.analysis.comparison.compatibility import Scored, check_compatible, metric_name, registered_name
from segkit.analysis.cross_validation.out_of_fold import read_out_of_fold
from segkit.core.errors import SegkitError, worded
from segkit.core.registry import METRICS
from segkit.experiments.existing_runs import ExistingRuns
from segkit.experiments.run_recipe import load_run_recipe
from segkit.recipe import plain_recipe
from segkit.recipe.dataset import find_samples, scan_recipe_source
from segkit.recipe.sweep import expand_grid
from segkit.runs.cv_dir import CvDir
from segkit.runs.fingerprint import fingerprint
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Fingerprint
from segkit.utils.listing import agree

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe


@dataclass(frozen=True)
class PlannedRun:
    """A run of a comparison.

    Args:
        name: name in the comparison.
        scored: images and metrics by which it is scored.
        run: directory of the finished run, or of a stopped one that is a target itself.
        recipe: recipe to train, if the target was one.
        identity: fingerprint of that recipe.
        resumable: directory of an interrupted run of it, if any.
        result: out-of-fold scores, if the target was a cross-validation; `run` is that of the first fold.
    """

    name: str
    scored: Scored
    run: RunDir | None = None
    recipe: Recipe | None = None
    identity: Fingerprint | None = None
    resumable: RunDir | None = None
    result: RunResult | None = None

    @property
    def label(self) -> str:
        """Name, fold if it is one, and seed."""
        if not self.recipe:
            return self.name
        split = self.recipe.data.split
        fold = f", fold {split.fold + 1} of {split.folds}" if split.fold is not None else ""
        return f"{self.name}{fold}, seed {self.recipe.seed}"


@dataclass(frozen=True)
class Plan:
    """Plan of a comparison.

    Args:
        runs: runs in the order of the targets.
        metric: name of the metric to compare by.
        notes: notes as sentences, such as why a similar run is not reused.
    """

    runs: list[PlannedRun]
    metric: str
    notes: list[str]

    @property
    def missing(self) -> list[PlannedRun]:
        """Runs to train."""
        return [planned for planned in self.runs if planned.run is None]


def make_plan(
    targets: Sequence[Path],
    *,
    runs: Path,
    overrides: Sequence[str] = (),
    vary: Sequence[str] = (),
    seeds: Sequence[int] = (),
    plugins: Sequence[Path] = (),
    demo: bool = False,
    metric: str = "",
    force: bool = False,
    native: bool = False,
) -> Plan:
    """Find finished runs and runs to train, and check that they can be compared.

    Args:
        targets: run directories, folders of them, cross-validations, and recipe files, in any order.
        runs: folder of all runs, searched for runs of the recipes.
        overrides: changes of all recipes in the form of `--set`.
        vary: variations of all recipes in the form of `--vary`.
        seeds: seeds of all recipes.
        plugins: files or folders with parts.
        demo: whether to run recipes on synthetic lesions.
        metric: metric to compare by; by default the first metric of the first run with a score per image.
        force: whether to compare runs that were scored differently.
        native: whether to compare scores at the images' own size.

    Raises:
        SegkitError: listing the problems of the targets, or why they cannot be compared.
    """
    planned_runs: list[PlannedRun] = []
    recipes: list[Recipe] = []
    notes: list[str] = []
    for target in targets:
        if target.is_dir():
            if folds := _cross_validated(target):
                planned_runs += folds
                continue
            known = {planned.run.path.resolve() for planned in planned_runs if planned.run}
            new = [run for run in _runs_in(target, notes) if run.path.resolve() not in known]
            planned_runs += [_planned(run, notes) for run in new]
        else:
            recipes += expand_grid(target, overrides, vary, seeds, plugins, demo=demo)
    if not recipes and (vary or seeds or overrides):
        raise SegkitError("only recipes can be varied, and no recipe is named", hint="name a recipe file")
    if not planned_runs and not recipes:
        raise SegkitError("there is nothing to compare", hint="name run directories or recipe files")
    existing = ExistingRuns(runs)
    for recipe in recipes:
        _add(planned_runs, recipe, existing, notes)
    metric = metric or _first_comparable_metric(planned_runs[0], notes)
    setups = [planned.scored for planned in planned_runs]
    resized = [planned.scored for planned in planned_runs if planned.result and not planned.scored.is_native]
    if native and resized:
        problem = "out-of-fold scores are at the size of the recipe, and not at the images' own size"
        hint = (
            f"leave out {worded('--native', 'native=True')}; segkit evaluate --split out-of-fold --native "
            "scores a cross-validation there"
        )
        raise SegkitError(problem, where=resized[0].where, hint=hint)
    if native:  # those that are not at the images' own size are scored anew
        setups = [s if s.is_native else replace(s, native=True, pixels=None, code=None) for s in setups]
    check_compatible(setups, metric, force=force)
    return Plan(planned_runs, metric, notes)


def _cross_validated(folder: Path) -> list[PlannedRun]:
    """The seeds of a cross-validation, or of those in a folder; none if it is neither."""
    folders = [folder] if CvDir.is_at(folder) else [file.parent for file in sorted(folder.glob("*/cv.json"))]
    results = [
        RunResult(data.summary.recipe, data) for each in folders for data in read_out_of_fold(CvDir(each))
    ]
    return [PlannedRun(result.name, result.scored, result.run, result=result) for result in results]


def _runs_in(folder: Path, notes: list[str]) -> list[RunDir]:
    """The run directory itself, stopped or finished, or the finished runs in a folder of runs or of such."""
    files = sorted(folder.glob("*/recipe.yaml")) or sorted(folder.glob("*/*/recipe.yaml"))
    if (folder / "recipe.yaml").is_file() or not files:
        return [RunDir.open(folder, stopped=True)]
    finished = [run for file in files if (run := RunDir(file.parent)).has_ended]
    if not finished:
        hint = "give a recipe file, or the directory of a stopped run"
        raise SegkitError("this folder has no finished runs", where=str(folder), hint=hint)
    if unfinished := len(files) - len(finished):
        are = agree(unfinished, "is", "are")
        notes.append(f"{folder}: {unfinished} of {len(files)} runs {are} not finished and {are} left out.")
    return finished


def _planned(run: RunDir, notes: list[str]) -> PlannedRun:
    if run.has_ended:
        finished = read_finished(run)
        return PlannedRun(finished.name, finished.scored, run)
    notes += [f"{run.path}: {warning}" for warning in run.read_summary().warnings]
    recipe, identity = load_run_recipe(run), run.read_environment().identity
    scored = _scored(str(run.path), recipe, find_samples(recipe), identity)
    return PlannedRun(recipe.name, scored, run)


def _scored(
    where: str, recipe: Recipe, samples: dict[str, list[Sample]], identity: Fingerprint | None
) -> Scored:
    plain = plain_recipe(recipe)
    names = [sample.name for sample in samples.get("test") or samples["val"]]
    code = identity.metrics if identity else None
    return Scored(where, plain["data"], plain["metrics"], names, code=code)


def _add(planned_runs: list[PlannedRun], recipe: Recipe, existing: ExistingRuns, notes: list[str]) -> None:
    recipe, source_scan = scan_recipe_source(recipe)
    samples = find_samples(recipe, source_scan)
    identity = fingerprint(recipe, source_scan.splits)
    for planned in planned_runs:
        if planned.identity == identity:
            notes.append(f"{recipe.name} is the same experiment as {planned.name} and is not trained twice.")
            return
    planned_runs.append(plan_run(recipe, samples, identity, existing, notes))


def plan_run(
    recipe: Recipe,
    samples: dict[str, list[Sample]],
    identity: Fingerprint,
    existing: ExistingRuns,
    notes: list[str],
) -> PlannedRun:
    """The finished run of a recipe, or an interrupted one of it to resume, or neither; `notes` gets notes."""
    run = existing.finished(identity)
    scored = _scored(recipe.name, recipe, samples, identity)
    planned = PlannedRun(recipe.name, scored, run, recipe, identity)
    if run:
        return planned
    if note := existing.note_on_similar(identity):
        notes.append(f"{planned.label}: {note}")
    return replace(planned, resumable=existing.resumable(identity, recipe.name, notes))


def _first_comparable_metric(planned: PlannedRun, notes: list[str]) -> str:
    """The first metric with a score per image; the first of all if there is none."""
    parts = {metric_name(part): registered_name(part) for part in planned.scored.metrics}
    entries = {key: METRICS.get(name) for key, name in parts.items()}
    first = next(iter(parts))
    chosen = next((key for key, e in entries.items() if not (e and e.traits["of_data_set"])), first)
    if chosen != first:
        notes.append(
            f"Compared by {chosen}: {first} is computed over all images together and has no score per image."
        )
    return chosen
