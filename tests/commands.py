"""Commands of pages, called in this process, where what they import is there already."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pickle
import warnings
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from segkit import cli
from segkit.core.errors import Interrupted, SegkitError
from segkit.core.plugins import entry_points as installed
from segkit.core.plugins import loading as load
from segkit.core.registry import REGISTRIES


class Said(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


STUDIES = ("study", "train_runs", "cross_validation")  # modules that start processes

SEARCHES = ("tune", "worker", "outcome")  # likewise, of a search; they need Optuna


@contextlib.contextmanager
def as_before() -> Iterator[None]:
    """What is registered or loaded within is gone after it."""
    registries = {
        kind: {entry.name: entry for entry in registry.own()} for kind, registry in REGISTRIES.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_loaded", dict(load._loaded))
        patch.setattr(installed, "_broken", installed._broken)
        yield
    for kind, registry in REGISTRIES.items():
        registry._entries.clear()
        registry._entries.update(registries[kind])


def here(
    target: str, arguments: Iterable[tuple[Any, ...]], *, at_once: int = 1
) -> Generator[tuple[int, Any], bool | None, None]:
    """`run_in_subprocesses` without the processes, each of which imports torch for seconds."""
    module, _, function = target.partition(":")
    for number, given in enumerate(arguments):
        try:
            with as_before():
                for value in getattr(importlib.import_module(module), function)(
                    *pickle.loads(pickle.dumps(given))
                ):
                    if (yield number, pickle.loads(pickle.dumps(value))):
                        raise Interrupted("stopped")
        except SegkitError as error:
            yield number, error


def segkit(words: list[str], folder: Path, home: str) -> Said:
    """``segkit`` with these words, in a folder; comparisons and searches train in this process, too.

    Args:
        words: behind ``segkit``.
        folder: the working directory.
        home: where the user's data and weights are.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, as_before(), warnings.catch_warnings():
        warnings.simplefilter("default")  # as a user has it: pytest makes errors of them
        patch.chdir(folder)
        patch.setenv("SEGKIT_HOME", home)
        patch.setattr("sys.argv", ["segkit", *words])
        for module in STUDIES:
            patch.setattr(f"segkit.experiments.{module}.run_in_subprocesses", here)
        if words[:1] == ["tune"]:
            for module in SEARCHES:
                patch.setattr(f"segkit.experiments.tuning.{module}.run_in_subprocesses", here)
        before = dict(os.environ)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
    return Said(code, out.getvalue(), err.getvalue())
