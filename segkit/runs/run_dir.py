"""Run directories: create, open, lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from segkit.core.errors import SegkitError
from segkit.core.paths import is_reserved, quoted
from segkit.runs.run_files import Floats, RunFiles, ScoredSample, TrainingSample, write_json
from segkit.utils.atomic import remove_leftovers
from segkit.utils.listing import listed
from segkit.utils.locks import LockedError, exclusive
from segkit.utils.os_errors import cannot_write

__all__ = ["Floats", "RunDir", "ScoredSample", "TrainingSample", "write_json"]


class RunDir(RunFiles):
    """A run directory; docs/runs.md lists its files."""

    @classmethod
    def create(cls, runs: Path, recipe: str) -> Self:
        """Create the directory ``runs/<recipe>/<number>`` with the next free number.

        Raises:
            OSError: if it cannot be created.
        """
        name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in recipe)
        name = name.encode()[:140].decode(errors="ignore")  # a file system's limit, in bytes
        name = name.rstrip(".")  # Windows leaves it out
        folder = runs / (f"_{name}" if is_reserved(name) or not name else name)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
        number = max(numbers, default=0) + 1
        while True:
            run = cls(folder / f"{number:03}")
            try:
                run.path.mkdir()
            except FileExistsError:  # another process created it first
                number += 1
            else:
                run.checkpoints.mkdir()
                return run

    @classmethod
    def open(cls, path: Path, *, stopped: bool = False) -> Self:
        """Open the directory of a complete run.

        Args:
            path: path of the directory.
            stopped: whether a run is accepted that was stopped after at least one epoch.

        Raises:
            SegkitError: if it is not a run directory, a process is working on it, or the run has not ended.
        """
        run = cls.open_any(path)
        if run.has_ended:
            return run
        with suppress(OSError), run.locked():  # raises if a process is working on it
            pass
        if stopped and run.weights.is_file():
            return run
        hint = f"segkit resume {quoted(path)} continues it"
        if run.weights.is_file():
            hint += "; with --set training.epochs=1 it ends now, with scores and report"
        raise SegkitError("this run has not ended", where=str(path), hint=hint)

    @classmethod
    def open_any(cls, path: Path) -> Self:
        """Open the directory of a run, complete or not.

        Raises:
            SegkitError: if it is not a run directory, or contains links to other folders.
        """
        run = cls(path)
        if path.suffix.lower() == ".pt2":
            hint = (
                "the run directory that it was exported from, or an .onnx file of that run to predict with; "
                "torch.export.load opens a .pt2 file"
            )
            raise SegkitError("segkit writes .pt2 files and does not read them", where=str(path), hint=hint)
        if path.suffix.lower() == ".onnx" or (path / "config.json").is_file():
            hint = "the run that it was exported from; segkit predict and segkit.load also accept exports"
            raise SegkitError("this is an export, not a run directory", where=str(path), hint=hint)
        if (path / "cv.json").is_file():
            hint = (
                "cv.json names its runs; predict, evaluate, export, compare and segkit.load take it as it is"
            )
            raise SegkitError("this is a cross-validation, not a run", where=str(path), hint=hint)
        if not run.recipe.is_file():
            exists = path.exists()
            inside = sorted(file.parent for file in (path if exists else path.parent).glob("*/recipe.yaml"))
            hint = f"{inside[0]} is one" if inside else "runs/<recipe>/<number>"
            if not exists:
                where = f"{path.parent} has the runs {listed([run.name for run in inside])}"
                hint = where if inside else f"{hint}, the directory that segkit run has printed"
                raise SegkitError("there is no such run directory", where=str(path), hint=hint)
            if len(inside) > 1:
                hint = f"one of its runs, {listed([run.name for run in inside])}; segkit compare ranks them"
            raise SegkitError("this is not a run directory", where=str(path), hint=hint)
        run._check_links()
        return run

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory for this process, and remove temporary files of killed ones.

        Raises:
            SegkitError: if another process holds the lock.
            OSError: if the directory is not writable.
        """
        try:
            with exclusive(self.lock):
                remove_leftovers(self.path)
                yield
        except LockedError as error:
            raise SegkitError(
                f"another process is working on this run{error.holder and f': {error.holder}'}",
                where=str(self.path),
                hint="wait until it has ended, or stop it with Ctrl-C or kill: it saves its progress",
            ) from None

    def is_free(self) -> bool:
        """Whether this process could lock it."""
        try:
            with self.locked():
                return True
        except (SegkitError, OSError):
            return False

    @contextmanager
    def as_write_error(self) -> Iterator[None]:
        """Turn `OSError` into a readable error.

        Raises:
            TrainingError: if a file cannot be written; its former content is unchanged.
        """
        try:
            yield
        except OSError as error:
            raise cannot_write(error, self.path, f"segkit resume {quoted(self.path)} continues") from error

    def _check_links(self) -> None:
        """Refuse links that lead out: a report must not copy other files of the user into itself."""
        root = os.path.realpath(self.path)
        for folder, folders, files in os.walk(self.path):
            for path in (Path(folder, name) for name in (*folders, *files)):
                if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                    raise SegkitError(
                        "this links to a location outside of its run directory and is not followed",
                        where=str(path),
                        hint="replace the link by its target if you trust it",
                    )
