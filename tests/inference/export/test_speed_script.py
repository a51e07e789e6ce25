"""tests/benchmarks/onnx_speed.py compares what says the same."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import segkit
from segkit.inference.export.export import ExportResult
from segkit.runs.run_dir import RunDir

pytestmark = pytest.mark.slow


def test_it_prints_a_row_for_every_number_of_images(
    run_of: Callable[[str], RunDir],
    export_of: Callable[[str, str], ExportResult],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "tests/benchmarks")
    words = [str(run_of("binary").path), str(export_of("binary", "onnx").files[0])]
    monkeypatch.setattr(sys, "argv", ["onnx_speed.py", *words, "--batches", "1", "2", "--rounds", "2"])
    importlib.import_module("onnx_speed").main()
    machine, _, *table = capsys.readouterr().out.splitlines()
    assert f"{os.cpu_count()} cores, torch {torch.__version__}, ONNX Runtime" in machine
    assert machine.endswith(f"{torch.get_num_threads()} threads, 2 rounds")
    assert table[0] == (
        "| images at once | torch | segkit | .onnx | .onnx faster than torch | .onnx faster than segkit |"
    )
    rows = [line.strip("| ").split(" | ") for line in table[2:]]
    assert [row[0] for row in rows] == ["1", "2"]
    for row in rows:
        assert all(float(cell.removesuffix(" ms")) > 0 for cell in row[1:4])
        assert all(float(cell.removesuffix("x")) > 0 for cell in row[4:])


def test_what_says_something_else_is_not_timed(
    run_of: Callable[[str], RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "tests/benchmarks")
    network = segkit.load(run_of("binary").path, accelerator="cpu").networks[0]
    script = importlib.import_module("onnx_speed")
    ways = {"torch": script.plain(network), ".onnx": lambda pixels: 1 - network(pixels)}
    with pytest.raises(AssertionError, match=r"\.onnx"):
        script.row(ways, (64, 64), 3, 1, 1)
