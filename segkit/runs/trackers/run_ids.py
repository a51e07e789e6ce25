"""`tracking.json` in a run directory: the run's identifiers at trackers, for resuming."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, RootModel

from segkit.runs.run_dir import RunDir, write_json
from segkit.utils.safe_read import read_json

RunId = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _RunIds(RootModel[dict[str, RunId]]):
    pass


def read_run_id(directory: RunDir, tracker: str) -> str | None:
    """The identifier of a run at a tracker, or None.

    Raises:
        SegkitError: if the file is damaged.
    """
    return _read(directory).get(tracker)


def write_run_id(directory: RunDir, tracker: str, run_id: str) -> None:
    """Store the identifier of a run at a tracker."""
    write_json(directory.path / "tracking.json", {**_read(directory), tracker: run_id})


def _read(directory: RunDir) -> dict[str, str]:
    file = directory.path / "tracking.json"
    if not file.is_file():
        return {}
    return read_json(file, _RunIds, hint="delete the file: trackers then start a new run").root
