"""The command line, called in this process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from segkit import cli


class Said:
    """What a command said and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def segkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path_factory: Any) -> Any:
    """Calls a verb in an empty folder, unless the test goes elsewhere."""
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["segkit", *words])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture
def project(segkit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder: the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
