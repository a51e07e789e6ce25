"""docs/benchmarks/onnx_speed.py compares what says the same."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segkit.export.export import Outcome
from segkit.run_dir import RunDir


def test_it_prints_a_row_for_every_number_of_images(
    run_of: Callable[[str], RunDir],
    export_of: Callable[[str, str], Outcome],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs/benchmarks")
    words = [str(run_of("binary").path), str(export_of("binary", "onnx").files[0])]
    monkeypatch.setattr(sys, "argv", ["onnx_speed.py", *words, "--batches", "1", "2", "--rounds", "2"])
    importlib.import_module("onnx_speed").main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == ["| 1", "| 2"]
    for row in rows:
        assert all(cell.endswith(" ms") for cell in row[1:4])
        assert all(cell.rstrip(" |").endswith("x") for cell in row[4:])
