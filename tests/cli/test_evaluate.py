"""segkit evaluate, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.small_runs import unreported


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unreported(tmp_path_factory.mktemp("evaluating"), "training.epochs=1", "data.size=[32, 32]")[
        0
    ].path


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
    assert lines[6:9] == [
        "An interval over 5 images is uncertain.",
        "",
        "All 5 scored images, which all have the same iou",
    ]
    assert lines[14:] == [
        "warning: The class 'foreground' is never predicted, although 5 of the 5 test images have it: more "
        "epochs can help, or an overlap loss such as dice, pos_weight: balanced, or with data.fit: crop more "
        "windows that show it (data.crop.foreground, crop.classes)."
    ]


def test_several_runs_have_a_column_each(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), str(run), "--native")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[:2] == [str(run), str(run)]
    assert lines[2].startswith("scores on 5 test images, at the images' own size (")
    assert lines[4].split() == ["metric", "ensemble", "small/001"]
    together, alone = lines[5].split()[1], lines[5].split()[-1]
    assert together == alone


def test_a_metric_that_the_run_does_not_report_has_a_dash(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), "--set", "metrics=[iou_soft, iou]")
    assert said.code == 0, said.err
    rows = {line.split()[0]: line.split()[-1] for line in said.out.splitlines()[4:6]}
    reported = json.loads((run / "summary.json").read_text())["scores"]["metrics"]
    assert rows == {"iou_soft": "-", "iou": f"{reported['iou']:.4f}"}


def test_one_image_has_a_score_and_no_interval(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), "--native", "--set", "data.source.test=1")
    assert said.code == 0, said.err
    assert [len(line.split()) for line in said.out.splitlines()[4:6]] == [2, 2]
    assert "uncertain" not in said.out


def test_training_images_are_warned_of(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), "--split", "train")
    assert said.code == 0, said.err
    assert "scores on 10 train images, at 32x32 (" in said.out
    assert "warning: 10 of the 10 scored images were among the training images of small/001 (" in said.out


def test_scores_of_another_kind_stand_in_no_row_of_the_table(segkit: Any, run: Path) -> None:
    """Neither those of another threshold nor those of another size."""
    reported = json.loads((run / "summary.json").read_text())["scores"]["metrics"]
    iou, dice = (f"{reported[name]:.4f}" for name in ("iou", "dice"))
    said = segkit("evaluate", str(run), "--set", "metrics=[{name: iou, threshold: 0.9}, dice]")
    lines = said.out.splitlines()
    assert lines[4].startswith("iou (threshold 0.9)  ")
    assert lines[4].endswith(" -")
    assert lines[5].split()[-1] == dice
    assert lines[7] == f"the run reports iou {iou} on 5 test images, at 32x32"
    assert "All 5 scored images, which all have the same iou (threshold 0.9)\n" in said.out
    said = segkit("evaluate", str(run), "--native")
    lines = said.out.splitlines()
    assert lines[3].split() == ["metric", "score", "(95%", "interval)"]
    assert lines[7] == f"the run reports iou {iou}, dice {dice} on 5 test images, at 32x32"


def test_a_name_is_no_order_to_the_terminal(segkit: Any, run: Path, project: Path) -> None:
    for folder in ("images", "masks"):
        (project / folder).mkdir()
        Image.new("L", (40, 30), 255).save(project / folder / "a\x1b[2Jb.png")
    source = "data.source={name: folder, images: images, masks: masks}"
    said = segkit("evaluate", str(run), "--native", "--set", source)
    assert said.code == 0, said.err
    assert "\x1b" not in said.out + said.err
    assert "[2Jb" in said.out


@pytest.mark.slow
def test_at_own_size_with_a_page(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), "--native", "--tta", "--scales", "1,2", "--out", "scores")
    assert said.code == 0, said.err
    assert "scores on 5 test images, at the images' own size, with flips, scales 1, 2 (" in said.out
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
        (["--scales", "a"], "--scales: 'a' is not a list of numbers\n  try: --scales 0.75,1,1.25\n"),
        (
            ["--split", "val"],
            "there are no val images\n  try: use --split train or --split test or --split all\n",
        ),
        (["--out", "taken"], "taken: not a folder\n  try: choose a new folder for --out\n"),
    ],
)
def test_what_cannot_be_done_is_told(segkit: Any, run: Path, words: list[str], told: str) -> None:
    Path("taken").write_text("a file")
    said = segkit("evaluate", str(run), *words)
    assert said.code == 2
    assert said.err.endswith(told)
    assert said.out == ""


def test_nothing_is_written_into_the_run(segkit: Any, run: Path) -> None:
    said = segkit("evaluate", str(run), "--out", str(run / "again"))
    told = f"{run / 'again'}: this folder is inside a run directory\n  try: choose a new folder for --out\n"
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith(told)
    assert not (run / "again").exists()


def test_a_folder_that_is_no_run_is_told(segkit: Any, project: Path) -> None:
    said = segkit("evaluate", str(project))
    assert said.code == 2
    assert said.err.endswith(f"{project}: this is not a run directory\n  try: runs/<recipe>/<number>\n")
