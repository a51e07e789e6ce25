"""Runs of a folder, found again by fingerprint. No torch."""

from __future__ import annotations

from pathlib import Path

from segkit.core.errors import SegkitError
from segkit.experiments.run_recipe import edits, load_run_recipe
from segkit.runs.environment import packages
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Environment, Fingerprint
from segkit.utils.safe_read import read_json

_TO_INCLUDE = "give its directory to include it"


class ExistingRuns:
    """The runs of a folder by fingerprint."""

    def __init__(self, folder: Path) -> None:
        self._finished: list[tuple[Fingerprint, RunDir]] = []
        self._unfinished: list[tuple[Fingerprint, RunDir]] = []
        self._changed: list[tuple[Fingerprint, RunDir]] = []  # while they were trained: by what they began as
        for file in sorted(folder.glob("*/*/environment.json")):
            run, environment = RunDir(file.parent), _read_environment(file)
            if environment.identity:
                known = self._finished if run.has_ended else self._unfinished
                known.append((environment.identity, run))
            if environment.began_as:
                self._changed.append((environment.began_as, run))

    def finished(self, identity: Fingerprint) -> RunDir | None:
        """A finished run with this fingerprint."""
        return next((run for existing, run in self._finished if existing == identity), None)

    def resumable(self, identity: Fingerprint, name: str, notes: list[str]) -> RunDir | None:
        """The latest unfinished run that can be resumed as a run of this recipe."""
        same = [run for existing, run in reversed(self._unfinished) if existing == identity]
        return next((run for run in same if _can_resume(run, name, notes) and run.is_free()), None)

    def note_on_similar(self, identity: Fingerprint) -> str:
        """Note on a run of this recipe and seed with other images, code or changes; "" if there is none."""
        for existing, run in self._changed:
            if existing == identity:
                return f"{run.path} began as this recipe and was resumed with changes; {_TO_INCLUDE}."
        for existing, run in self._finished:
            if (existing.recipe, existing.seed) == (identity.recipe, identity.seed):
                reason = self._other_code(run) if existing.data == identity.data else "on other images"
                return f"{run.path} has the same recipe but was trained {reason}; {_TO_INCLUDE}."
        return ""

    def _other_code(self, run: RunDir) -> str:
        then = _read_environment(run.environment).packages
        changed = [
            f"{name} {then.get(name)}, now {version}"
            for name, version in packages().items()
            if then.get(name) != version
        ]
        return f"with other code ({', '.join(changed) or 'segkit or a plugin has changed since'})"


def _can_resume(run: RunDir, name: str, notes: list[str]) -> bool:
    try:
        recipe = load_run_recipe(run)
        edited = edits(run, recipe)
    except SegkitError:
        return False  # killed at its start, or damaged
    if edited:
        notes.append(
            f"{run.path} is not resumed: its recipe has been edited ({'; '.join(map(str, edited))})."
        )
    return recipe.name == name and not edited


def _read_environment(file: Path) -> Environment:
    try:
        return read_json(file, Environment)
    except SegkitError:
        return Environment()  # not a run directory, or a run killed at its start
