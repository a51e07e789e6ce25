"""docs/notebooks/quickstart.ipynb: its cells, executed in one interpreter and folder."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "quickstart.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def shown_by(source: str, names: dict[str, object]) -> object:
    """Execute a cell; the value of its last line, which a notebook shows."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), NOTEBOOK.name, "exec"), names)
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names) if last else None


@pytest.mark.slow
def test_every_cell_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    shown = [shown_by("".join(cell["source"]), names) for cell in CODE]
    (picture,) = [value._repr_png_() for value in shown if hasattr(value, "_repr_png_")]
    assert picture.startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "epoch 4: IoU 0." in printed
    assert "report: runs/lesions/001/report.html" in printed
    assert (tmp_path / "runs/lesions/001/report.html").is_file()
    assert (tmp_path / "mask.png").is_file()


def test_no_results_are_kept_in_it() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE)
