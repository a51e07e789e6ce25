"""Which runs a comparison needs, and which of them are there already. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.analysis.comparison.candidates import read_finished
from segkit.analysis.comparison.compatibility import Scored, check_compatible
from segkit.core.errors import SegkitError
from segkit.recipe import plain_recipe
from segkit.recipe.dataset import find_samples, survey_source
from segkit.recipe.sweep import expand_grid
from segkit.runs.environment import packages
from segkit.runs.fingerprint import fingerprint
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Environment, Fingerprint
from segkit.utils.safe_read import read_json

if TYPE_CHECKING:
    from segkit.recipe import Recipe


@dataclass(frozen=True)
class PlannedRun:
    """A run that a comparison needs.

    Args:
        name: what the comparison calls it.
        scored: how it was or will be scored.
        run: its directory, where it is finished.
        recipe: what to train, where it comes from a recipe.
        identity: of that recipe.
        resumable: the directory of a run of it that was interrupted, and can go on.
    """

    name: str
    scored: Scored
    run: RunDir | None = None
    recipe: Recipe | None = None
    identity: Fingerprint | None = None
    resumable: RunDir | None = None

    @property
    def label(self) -> str:
        """Its name and seed, in words."""
        return f"{self.name}, seed {self.recipe.seed}" if self.recipe else self.name


@dataclass(frozen=True)
class Plan:
    """All runs of a comparison, in the order they were asked for.

    Args:
        wanted: the runs.
        metric: what they are compared by.
        notes: whole sentences, such as why a run that looks right is not taken.
    """

    wanted: list[PlannedRun]
    metric: str
    notes: list[str]

    @property
    def missing(self) -> list[PlannedRun]:
        """Those that have to be trained."""
        return [wanted for wanted in self.wanted if wanted.run is None]


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
) -> Plan:
    """Find the runs that are there, and what has to be trained; refuse what could not be compared in the end.

    Args:
        targets: run directories, folders of them, and recipe files, in any order.
        runs: the folder of all runs, where those of recipes are looked for.
        overrides: as `--set` takes them, for all recipes.
        vary: as `--vary` takes them, for all recipes.
        seeds: for all recipes.
        plugins: files or folders with parts.
        demo: run recipes on synthetic lesions.
        metric: what to compare by; by default what chooses the first one's best epoch.
        force: do not refuse.

    Raises:
        SegkitError: with everything that is wrong with the targets, or keeps them from being compared.
    """
    wanted: list[PlannedRun] = []
    recipes: list[Recipe] = []
    notes: list[str] = []
    for target in targets:
        if target.is_dir():
            there = {one.run.path.resolve() for one in wanted if one.run}
            found = _runs_in(target, notes)
            wanted += [_wanted_run(run) for run in found if run.path.resolve() not in there]
        else:
            recipes += expand_grid(target, overrides, vary, seeds, plugins, demo=demo)
    if not recipes and (vary or seeds or overrides):
        raise SegkitError("only recipes can be varied, and no recipe is named", hint="name a recipe file")
    if not wanted and not recipes:
        raise SegkitError("there is nothing to compare", hint="name run directories or recipe files")
    known = _Known(runs)
    for recipe in recipes:
        _add(wanted, recipe, known, notes)
    metric = metric or _first_metric(wanted)
    check_compatible([one.scored for one in wanted], metric, force=force)
    return Plan(wanted, metric, notes)


def _wanted_run(run: RunDir) -> PlannedRun:
    finished = read_finished(run)
    return PlannedRun(finished.name, finished.scored, run)


def _runs_in(folder: Path, notes: list[str]) -> list[RunDir]:
    """The folder itself, or the finished runs in a folder of runs, or of such folders; others are noted.

    Raises:
        SegkitError: if there is none.
    """
    files = sorted(folder.glob("*/recipe.yaml")) or sorted(folder.glob("*/*/recipe.yaml"))
    if (folder / "recipe.yaml").is_file() or not files:
        return [RunDir.open(folder)]
    inside = [RunDir(file.parent) for file in files]
    finished = [run for run in inside if run.summary.is_file()]
    if not finished:
        raise SegkitError(
            "no run in this folder has ended", where=str(folder), hint="name its recipe instead"
        )
    if left := len(inside) - len(finished):
        notes.append(f"{folder}: left out, as they have not ended: {left} of {len(inside)} runs.")
    return finished


def _add(wanted: list[PlannedRun], recipe: Recipe, known: _Known, notes: list[str]) -> None:
    """Add what a recipe needs, unless it is there under another name."""
    found = survey_source(recipe)
    samples = find_samples(recipe, found)
    identity = fingerprint(recipe, found.splits)
    for other in wanted:
        if other.identity == identity:
            notes.append(f"{recipe.name} is the same experiment as {other.name}, and is not trained twice.")
            return
    run = known.run_of(identity)
    if run is None and (similar_run := known.similar_run(identity)):
        notes.append(f"{recipe.name}, seed {recipe.seed}: {similar_run}")
    plain = plain_recipe(recipe)
    names = [sample.name for sample in samples.get("test") or samples["val"]]
    scored = Scored(recipe.name, plain["data"], plain["metrics"], names, code=identity.metrics)
    begun = None if run else known.resumable(identity, recipe.name)
    wanted.append(PlannedRun(recipe.name, scored, run, recipe, identity, begun))


def _first_metric(wanted: Sequence[PlannedRun]) -> str:
    first = wanted[0].scored.metrics[0]
    return str(first["name"] if isinstance(first, dict) else first)


class _Known:
    """The runs of a folder, by their identity.

    Args:
        folder: of all runs.
    """

    def __init__(self, folder: Path) -> None:
        self._runs: list[tuple[Fingerprint, RunDir]] = []
        self._begun: list[tuple[Fingerprint, RunDir]] = []
        for file in sorted(folder.glob("*/*/environment.json")):
            run = RunDir(file.parent)
            if identity := _read(file).identity:
                (self._runs if run.summary.is_file() else self._begun).append((identity, run))

    def run_of(self, identity: Fingerprint) -> RunDir | None:
        """The run of the same experiment and seed."""
        return next((run for known, run in self._runs if known == identity), None)

    def resumable(self, identity: Fingerprint, recipe: str) -> RunDir | None:
        """A run of that name that was interrupted, that no other process works on, and that can go on."""
        same = [run for known, run in self._begun if known == identity]
        named = [run for run in same if run.path.parent.name == recipe and run.recipe.is_file()]
        return next((run for run in reversed(named) if run.is_free()), None)

    def similar_run(self, identity: Fingerprint) -> str:
        """A sentence about a run of the same recipe and seed that is another experiment; or nothing."""
        for known, run in self._runs:
            if (known.recipe, known.seed) == (identity.recipe, identity.seed):
                reason = self._other_code(run) if known.data == identity.data else "on other images"
                return (
                    f"{run.path} has the same recipe and was made {reason}; name it to compare it as it is."
                )
        return ""

    def _other_code(self, run: RunDir) -> str:
        then = _read(run.environment).packages
        changed = [
            f"{name} {then.get(name)}, now {version}"
            for name, version in packages().items()
            if then.get(name) != version
        ]
        return f"by other code ({', '.join(changed) or 'segkit or a plugin has changed since'})"


def _read(file: Path) -> Environment:
    try:
        return read_json(file, Environment)
    except SegkitError:
        return Environment()  # a run that was cut off, or none
