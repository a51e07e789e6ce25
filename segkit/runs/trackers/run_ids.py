"""`tracking.json` in a run directory: under which name a tracker knows the run, so that it goes on there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, RootModel

from segkit.runs.run_dir import RunDir, write_json
from segkit.utils.safe_read import read_json

Name = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _Kept(RootModel[dict[str, Name]]):
    """The name at each tracker."""


def kept_name(directory: RunDir, tracker: str) -> str | None:
    """The name that a tracker has given to a run, if it has.

    Raises:
        SegkitError: if the file is damaged.
    """
    return _read(directory).get(tracker)


def keep_name(directory: RunDir, tracker: str, name: str) -> None:
    """Keep it for later starts of the run."""
    write_json(directory.path / "tracking.json", {**_read(directory), tracker: name})


def _read(directory: RunDir) -> dict[str, str]:
    file = directory.path / "tracking.json"
    if not file.is_file():
        return {}
    hint = "delete the file: trackers then begin anew with this run"
    return read_json(file, _Kept, hint=hint).root
