"""segkit evaluate, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.small_runs import finished


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("evaluating"), "training.epochs=1", "data.size=[32, 32]")[0].path


def test_scores_stand_beside_those_that_the_run_reports(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run))
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == str(run)
    assert lines[1].startswith("scores on 5 test images, at 32x32 (")
    assert lines[3].split() == ["metric", "score", "(95%", "interval)", "the", "run", "reports"]
    reported = json.loads((run / "summary.json").read_text())["scores"]["metrics"]
    for line, name in zip(lines[4:6], ("iou", "dice"), strict=True):
        words = line.split()
        assert (words[0], words[1], words[-1]) == (name, f"{reported[name]:.4f}", f"{reported[name]:.4f}")
        assert (words[2][0], words[3], words[4][-1]) == ("(", "to", ")")
    assert lines[7] == "worst by iou"
    assert len(lines) == 13


def test_at_own_size_with_a_page(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), "--native", "--tta", "--scales", "1,2", "--out", "scores")
    assert said.code == 0, said.err
    assert "scores on 5 test images, at the images' own size, mirrored too, scales 1, 2 (" in said.out
    assert said.out.endswith("report: scores/index.html\n")
    assert {path.name for path in Path("scores").iterdir()} == {
        "index.html", "scores.csv", "scores.json", "worst",
    }  # fmt: skip
    assert segkit("evaluate", str(run), "--out", "scores", "-q").out == ""


def test_several_runs_as_json(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), str(run), "--native", "--json")
    assert (said.code, said.err) == (0, "")
    told = json.loads(said.out)
    assert told["runs"] == [str(run), str(run)]
    assert told["loss"] is None
    assert [one["metrics"] for one in told["members"]] == [told["metrics"]] * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scales", "a"], "--scales wants numbers, and found 'a'\n  try: --scales 0.75,1,1.25\n"),
        (
            ["--split", "val"],
            "there are no val images\n  try: --split train or --split test or --split all\n",
        ),
        (["--out", "taken"], "taken: this is no folder\n  try: --out with a new folder\n"),
    ],
)
def test_what_cannot_be_done_is_told(segkit: Any, run: Path, words: list[str], told: str) -> None:
    Path("taken").write_text("a file")
    said = segkit("evaluate", str(run), *words)
    assert said.code == 2
    assert said.err.endswith(told)
    assert said.out == ""


def test_a_folder_that_is_no_run_is_told(segkit: Any, project: Path) -> None:
    said = segkit("evaluate", str(project))
    assert said.code == 2
    assert str(project) in said.err
