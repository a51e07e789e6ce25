"""The pieces of tests/reliability that tests need as well."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from segkit.runs.run_dir import RunDir
from segkit.utils.atomic import atomic_write

SCRIPTS = Path(__file__).with_name("reliability")


def piece(name: str) -> ModuleType:
    """One of its modules, which are beside each other and in no package."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))
        sys.modules.pop(name, None)


@contextmanager
def light_reports(same: ModuleType) -> Iterator[None]:
    """A few words in the place of the report, which takes most of a small run's time."""

    def write(directory: RunDir) -> Path:
        with atomic_write(directory.report) as temporary:
            temporary.write_text(directory.read_summary().scores.model_dump_json(), encoding="utf-8")
        return directory.report

    with pytest.MonkeyPatch.context() as patch:
        for place in ("segkit.experiments.recorder.write_report", "segkit.experiments.resume.write_report"):
            patch.setattr(place, write)
        patch.setattr(same, "write_report", write)
        yield


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Whatever is written beyond that many bytes of a file fails, as on a disk that fills up meanwhile."""
    import resource

    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
