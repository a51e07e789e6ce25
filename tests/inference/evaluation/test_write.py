"""What an evaluation leaves in its folder."""

from __future__ import annotations

import csv
import errno
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from segkit.core.errors import SegkitError, TrainingError
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions, Evaluation
from segkit.inference.evaluation.output_folder import check_out_folder
from segkit.inference.evaluation.select_images import ScoredImages
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.inference.evaluation.write import write_evaluation
from segkit.runs.run_dir import RunDir


@pytest.fixture
def found(run: RunDir) -> Evaluation:
    return evaluate_runs([run], EvaluateOptions(native=True))


def test_scores_page_and_pictures_are_written(found: Evaluation, tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    page = write_evaluation(found, folder).read_text(encoding="utf-8")
    with (folder / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == found.names
    assert [float(row["iou"]) for row in rows] == found.scores.per_image["iou"]
    plain = json.loads((folder / "scores.json").read_text())
    assert (plain["metrics"], plain["loss"]) == (found.scores.metrics, None)
    pictures = sorted((folder / "worst").iterdir())
    worst = [found.names[index] for index in found.worst(8)]
    assert [picture.name for picture in pictures] == [f"{n:02}_{name}.jpg" for n, name in enumerate(worst, 1)]
    for picture in pictures:
        with Image.open(picture) as image:
            assert (image.format, image.size) == ("JPEG", (384, 384))  # small ones are enlarged
    assert re.findall(r'class="name">([^<]+)<', page) == worst
    assert page.count("data:image/jpeg;base64,") == len(worst)
    assert "http" not in page.replace("http-equiv", "")


def test_of_several_runs_the_page_has_each(run: RunDir, second: RunDir, tmp_path: Path) -> None:
    both = evaluate_runs([run, second], EvaluateOptions(native=True))
    page = write_evaluation(both, tmp_path / "scores").read_text(encoding="utf-8")
    for told in ("small/001", "small/002", "and others, as an ensemble"):
        assert told in page
    for file in ("index.html", "scores.csv", "scores.json"):
        assert str(run.path.parent) not in (tmp_path / "scores" / file).read_text()
    plain = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert plain["runs"] == [member["run"] for member in plain["members"]] == ["small/001", "small/002"]


def test_names_that_are_paths_are_written_without_their_folders(found: Evaluation, tmp_path: Path) -> None:
    samples = [replace(sample, name=f"/home/me/{sample.name}") for sample in found.images.samples]
    elsewhere = replace(found, images=ScoredImages("test", samples))
    page = write_evaluation(elsewhere, tmp_path).read_text(encoding="utf-8")
    assert re.findall(r'class="name">([^<]+)<', page) == [found.names[index] for index in found.worst(8)]
    for file in ("index.html", "scores.csv", "scores.json"):
        assert "/home/me" not in (tmp_path / file).read_text()


def test_a_second_evaluation_leaves_nothing_of_the_first(found: Evaluation, tmp_path: Path) -> None:
    write_evaluation(found, tmp_path)
    old = tmp_path / "worst" / "07_of_another.jpg"
    old.write_bytes(b"old")
    write_evaluation(found, tmp_path)
    assert not old.exists()
    assert len([*(tmp_path / "worst").iterdir()]) == 5


@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_leaves_the_folder_as_it_was(
    found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    folder = tmp_path / "scores"
    if earlier:
        write_evaluation(found, folder)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}

    def full(path: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("segkit.inference.evaluation.write.write_json", full)
    with pytest.raises(TrainingError, match=r"scores\.json: cannot write: No space left on device"):
        write_evaluation(replace(found, warnings=["other"]), folder)
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_names_of_others_are_no_script_and_no_path(found: Evaluation, tmp_path: Path) -> None:
    first, *rest = found.images.samples
    hostile = replace(first, name="a/../../<script>alert(1)</script>")
    evil = replace(found, images=ScoredImages("test", [hostile, *rest]))
    folder = tmp_path / "a" / "b"
    page = write_evaluation(evil, folder).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert {path.name for path in tmp_path.iterdir()} == {"a"}
    assert any("a________script_alert_1___script_" in path.name for path in (folder / "worst").iterdir())


@pytest.mark.parametrize("place", ["checkpoints", ".", "scores"])
def test_nothing_is_written_into_a_run(run: RunDir, place: str) -> None:
    with pytest.raises(SegkitError) as caught:
        check_out_folder(run.path / place, [run])
    assert str(caught.value) == (
        f"{run.path / place}: this folder is inside a run directory\n  try: choose a new folder for --out"
    )


def test_a_folder_of_other_things_is_refused(run: RunDir, tmp_path: Path) -> None:
    for name in "dcba":
        (tmp_path / f"{name}.txt").touch()
    with pytest.raises(SegkitError) as caught:
        check_out_folder(tmp_path, [run])
    assert str(caught.value) == (
        f"{tmp_path}: the folder contains other files: a.txt, b.txt, c.txt and 1 more\n"
        "  try: choose a new folder for --out"
    )
    with pytest.raises(SegkitError) as caught:
        check_out_folder(tmp_path / "a.txt", [run])
    assert str(caught.value) == f"{tmp_path / 'a.txt'}: not a folder\n  try: choose a new folder for --out"


def test_pictures_of_somebody_else_are_not_ours(run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "worst").mkdir()
    (tmp_path / "worst" / "day.jpg").touch()
    with pytest.raises(SegkitError, match="the folder contains other files: worst"):
        check_out_folder(tmp_path, [run])


@pytest.mark.posix("links need a privilege there")
def test_an_evaluation_before_is_ours_and_a_link_out_of_it_harms_nothing(
    found: Evaluation, run: RunDir, tmp_path: Path
) -> None:
    folder, precious = tmp_path / "scores", tmp_path / "precious.txt"
    write_evaluation(found, folder)
    check_out_folder(folder, [run])
    precious.write_text("mine")
    (folder / "index.html").unlink()
    (folder / "index.html").symlink_to(precious)
    write_evaluation(found, folder)
    assert precious.read_text() == "mine"


def test_where_no_image_has_a_score_there_are_no_worst(found: Evaluation, tmp_path: Path) -> None:
    found.scores.per_image["iou"][:] = [0.0] * 5
    assert [found.worst_caption(count, "IoU") for count in (3, 8)] == [
        "3 of 5 scored images, which all have the same IoU",
        "All 5 scored images, which all have the same IoU",
    ]
    found.scores.per_image["iou"][:] = [math.nan] * 5
    page = write_evaluation(found, tmp_path / "scores").read_text(encoding="utf-8")
    assert "scored images" not in page
    assert not (tmp_path / "scores" / "worst").exists()
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())["worst"] == []


def test_what_is_to_be_noted_stands_on_the_page(run: RunDir, tmp_path: Path) -> None:
    own = evaluate_runs([run], EvaluateOptions(native=True, split=SplitChoice.train))
    page = write_evaluation(own, tmp_path / "scores").read_text(encoding="utf-8")
    assert "10 train images, at the images&#39; own size." in page
    assert "10 of the 10 scored images were among the training images of small/001" in page


def test_what_cannot_be_written_is_told(found: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "worst").write_text("a file")
    with pytest.raises(SegkitError) as caught:
        write_evaluation(found, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'worst'}: cannot write: File exists\n"
        "  try: make the location writable; then the same command again, or another folder for --out"
    )
