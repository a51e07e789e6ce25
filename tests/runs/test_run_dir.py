"""What is written to a run directory is read back as it was."""

import json
import math
import re
from contextlib import contextmanager
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from segkit.core.class_scores import PixelCounts
from segkit.core.errors import SegkitError
from segkit.core.events import EpochEnded
from segkit.core.types import Task
from segkit.data.palette import IGNORED, palette
from segkit.runs.run_dir import RunDir, ScoredSample
from segkit.runs.schema import Environment, Files, Sample, Summary
from segkit.utils.locks import LockedError

SUMMARY = {
    "recipe": "small",
    "metrics": ["iou"],
    "best": {"epoch": 1, "metrics": {"iou": 0.5}},
    "scores": {"metrics": {"iou": 0.5}},
    "scored_on": "val",
    "reported_on": "val",
    "epochs": 2,
}


def test_every_run_gets_the_next_number(tmp_path):
    assert RunDir.create(tmp_path, "small").path == tmp_path / "small" / "001"
    (tmp_path / "small" / "041").mkdir()
    (tmp_path / "small" / "notes").mkdir()
    assert RunDir.create(tmp_path, "small").path.name == "042"


def test_a_finished_run_that_is_trained_on_has_no_results(tmp_path):
    directory = RunDir.create(tmp_path, "small")
    before = set(directory.path.iterdir())
    for name in (
        "summary.json",
        "scores.csv",
        "class_scores.csv",
        "thumbnails.zip",
        "report.html",
        "report.md",
    ):
        (directory.path / name).touch()
    directory.remove_results()
    assert set(directory.path.iterdir()) == before
    assert not directory.has_ended


def test_number_that_another_run_took_meanwhile_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "small" / "001").mkdir(parents=True)
    monkeypatch.setattr("pathlib.Path.iterdir", lambda path: iter(()))
    assert RunDir.create(tmp_path, "small").path.name == "002"


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "mit Leerzeichen", "é", "字" * 100])
def test_name_of_the_recipe_never_leads_out_of_the_folder(tmp_path, name):
    assert RunDir.create(tmp_path, name).path.parent.parent == tmp_path


@pytest.mark.parametrize("name", [".", ".."])
def test_name_of_dots_is_no_folder_above(tmp_path, name):
    assert (
        RunDir.create(tmp_path / "runs", name).path.parent.parent.resolve() == (tmp_path / "runs").resolve()
    )


def test_folder_that_is_no_run(tmp_path):
    with pytest.raises(SegkitError, match=r"this is not a run directory\n  try: runs/<recipe>/<number>"):
        RunDir.open(tmp_path)


def test_a_run_that_does_not_exist_is_told_with_those_that_do(tmp_path):
    with pytest.raises(SegkitError) as caught:
        RunDir.open(tmp_path / "small" / "007")
    assert str(caught.value) == (
        f"{tmp_path / 'small' / '007'}: there is no such run directory\n"
        "  try: runs/<recipe>/<number>, the directory that segkit run has printed"
    )
    for _ in range(2):
        RunDir.create(tmp_path, "small").write_recipe("name: small\n")
    with pytest.raises(SegkitError, match=r"small has the runs 001, 002$"):
        RunDir.open(tmp_path / "small" / "007")


def test_run_that_has_not_ended(tmp_path):
    run = RunDir.create(tmp_path, "small")
    run.write_recipe("name: small\n")
    with pytest.raises(SegkitError, match=rf"this is not a run directory\n  try: {run.path} is one$"):
        RunDir.open_any(run.path.parent)
    RunDir.create(tmp_path, "small").write_recipe("name: small\n")
    with pytest.raises(SegkitError, match=r"try: one of its runs, 001, 002; segkit compare ranks them$"):
        RunDir.open_any(run.path.parent)
    with pytest.raises(SegkitError, match=r"this run has not ended\n  try: segkit resume .* continues it"):
        RunDir.open(run.path)
    run.write_summary(Summary.model_validate(SUMMARY))
    assert json.loads(run.summary.read_text(encoding="utf-8")) == SUMMARY
    assert RunDir.open(run.path).read_summary() == Summary.model_validate(SUMMARY)
    assert run.read_recipe() == {"name": "small"}


def test_a_run_that_is_at_work_says_who_works_on_it(tmp_path, monkeypatch):
    @contextmanager
    def taken(file):
        raise LockedError("process 1 on here")
        yield

    run = RunDir.create(tmp_path, "small")
    run.write_recipe("name: small\n")
    monkeypatch.setattr("segkit.runs.run_dir.exclusive", taken)
    with pytest.raises(SegkitError, match="another process is working on this run: process 1 on here"):
        RunDir.open(run.path)


def test_epochs_are_lines_and_undefined_scores_null(tmp_path):
    run = RunDir.create(tmp_path, "small")
    for epoch in (1, 2):
        metrics = {"iou": 0.1 + 0.2, "hd95": math.nan, "assd": -1e101}  # beyond what can be read again
        run.append_epoch(EpochEnded(epoch, 0.5, math.inf, metrics, 0.001, 2.0, 1.0, 8.0, best=epoch == 1))
    first, second = run.read_epochs()
    assert (first["epoch"], second["epoch"], first["best"], second["best"]) == (1, 2, True, False)
    assert first["iou"] == 0.1 + 0.2
    assert first["hd95"] is first["assd"] is None
    assert first["val_loss"] is None
    assert {"train_loss", "seconds", "learning_rate", "images_per_second"} <= first.keys()


def test_a_torn_line_is_passed_over_until_the_run_has_ended(tmp_path):
    run = RunDir.create(tmp_path, "small")
    run.metrics.write_text('{"epoch": 1}\n{"epo', encoding="utf-8")
    assert run.read_epochs() == [{"epoch": 1}]
    run.write_summary(Summary.model_validate(SUMMARY))
    with pytest.raises(SegkitError, match=r"metrics\.jsonl: .*line 2: "):
        run.read_epochs()


def test_scores_keep_every_digit_and_every_name(tmp_path):
    run = RunDir.create(tmp_path, "small")
    names = ["a, b", 'quoted "c"', "d"]
    run.write_scores(names, {"iou": [1 / 3, 0.0, 1e-17], "hd95": [math.nan, 2.5, math.inf]})
    read_names, scores = run.read_scores()
    assert read_names == names
    assert scores["iou"] == [1 / 3, 0.0, 1e-17]
    assert math.isnan(scores["hd95"][0])
    assert scores["hd95"][1:] == [2.5, math.inf]
    assert run.scores.read_text().splitlines()[0] == "image,iou,hd95"


def test_scores_of_classes_come_back_and_absent_classes_have_no_row(tmp_path):
    run = RunDir.create(tmp_path, "small")
    task, names = Task("multilabel", ("=road", "a,b")), ["x, y", "=2", "z"]
    pixels = np.array([[[1, 2, 3], [0, 0, 0]], [[0, 0, 7], [5, 5, 5]], [[0, 0, 0], [0, 2, 0]]])
    counts = PixelCounts(task, pixels, np.zeros((2, 2, 2), int))
    run.write_class_scores(names, counts)
    np.testing.assert_array_equal(run.read_class_iou(names, task.classes), counts.iou_by_image())
    assert run.class_scores.read_text().splitlines() == [
        "image,class,iou,dice,precision,recall,pixels",
        f'"x, y",\'=road,0.25,0.4,0.5,{1 / 3},3',
        "'=2,'=road,0.0,0.0,,0.0,7",
        '\'=2,"a,b",1.0,1.0,1.0,1.0,5',
        'z,"a,b",0.0,0.0,0.0,,0',
    ]
    intact = run.class_scores.read_text()
    for damaged, reason in (
        (intact.replace("image,", "name,"), "its columns are name, class"),
        (intact.replace("z,", "zz,"), "an image or a class is not one of the run"),
        (intact.replace(",7\n", "\n"), "row 2 has 6 cells, the header 7"),
        (intact.replace("0.25", "much"), "a cell is not a number"),
        (intact.replace('"x, y"', '"x, y'), "it is not a table"),
        ("", "its columns are , not image"),
    ):
        run.class_scores.write_text(damaged)
        with pytest.raises(SegkitError, match=re.escape(reason)):
            run.read_class_iou(names, task.classes)
    run.class_scores.unlink()
    with pytest.raises(SegkitError, match="the file cannot be read"):
        run.read_class_iou(names, task.classes)


def test_names_of_images_are_composed(tmp_path):
    run = RunDir.create(tmp_path, "small")
    run.write_scores([normalize("NFD", "Müller")], {"iou": [1.0]})
    assert run.read_scores()[0] == [normalize("NFC", "Müller")]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_samples_come_back(tmp_path, channels):
    run = RunDir.create(tmp_path, "small")
    assert run.read_samples() == []
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 6, channels), np.uint8)
    truth = rng.choice(np.array([0, 1, 2, IGNORED], np.uint8), (8, 6))
    record = Sample(rank="worst", image="a/b", metric="iou", score=0.25, files=Files.numbered(1))
    run.write_samples([ScoredSample(record, pixels, truth, truth.copy())], palette(3))
    (sample,) = run.read_samples()
    assert sample.record == record
    for found, written in ((sample.pixels, pixels), (sample.truth, truth), (sample.prediction, truth)):
        assert (found == written).all()
        assert found.shape == written.shape


def test_masks_have_the_colours_of_their_classes(tmp_path):
    run = RunDir.create(tmp_path, "small")
    mask = np.array([[0, 1], [2, IGNORED]], np.uint8)
    record = Sample(rank="best", image="a", metric="iou", score=1.0, files=Files.numbered(1))
    run.write_samples([ScoredSample(record, mask[..., None], mask, mask)], palette(3))
    names = {path.name for path in run.samples.iterdir()}
    assert names == {"samples.json", "1_image.png", "1_truth.png", "1_prediction.png"}
    with Image.open(run.samples / "1_truth.png") as image:
        assert (np.asarray(image.convert("RGB")) == palette(3)[mask]).all()


def test_colours_differ():
    for classes in (2, 5, 200):
        colors = palette(classes)
        assert colors.shape == (256, 3)
        used = [*colors[:classes].tolist(), colors[IGNORED].tolist()]
        assert len({tuple(color) for color in used}) == classes + 1


def test_files_are_plain_json(tmp_path):
    run = RunDir.create(tmp_path, "small")
    run.write_environment(Environment.model_validate({"python": "3", "none": None, "é": [math.nan]}))
    assert json.loads(run.environment.read_text(encoding="utf-8")) == {
        "python": "3",
        "none": None,
        "é": [None],
    }
    assert run.read_environment().model_extra == {"none": None, "é": [None]}


@pytest.mark.parametrize("name", ["lesions.onnx", "hub"])
def test_an_export_is_told_apart(tmp_path, name):
    path = tmp_path / name
    if name == "hub":
        path.mkdir()
        (path / "config.json").touch()
        (path / "recipe.yaml").touch()
    with pytest.raises(SegkitError) as caught:
        RunDir.open(path)
    assert str(caught.value) == (
        f"{path}: this is an export, not a run directory\n"
        "  try: the run that it was exported from; segkit predict and segkit.load also accept exports"
    )


def test_a_pt2_file_is_not_read(tmp_path):
    path = tmp_path / "lesions.PT2"
    with pytest.raises(SegkitError) as caught:
        RunDir.open(path)
    assert str(caught.value) == (
        f"{path}: segkit writes .pt2 files and does not read them\n"
        "  try: the run directory that it was exported from, or an .onnx file of that run to predict with; "
        "torch.export.load opens a .pt2 file"
    )


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    run = RunDir.create(tmp_path, "small")
    left = run.checkpoints / ".best.safetensors.4194305"
    left.touch()
    with run.locked():
        assert not left.exists()
