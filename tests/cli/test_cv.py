"""`segkit cv`, and its folder as one model; its folds are trained in this process."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from torch import nn

import segkit
from segkit.analysis.comparison.statistics import intervals
from segkit.core.registry import ENCODERS
from segkit.runs.cv_dir import CvDir, folder_for
from segkit.runs.run_dir import RunDir
from tests import commands
from tests.inference.export.conftest import ThreeLayers
from tests.small_runs import light_report

RECIPE = """
name: tiny
data:
  source: {name: folder, images: data/images, masks: data/masks}
  size: [32, 32]
  batch_size: 4
  workers: 0
model:
  encoder: {name: three_layers}
  decoder: {name: transposed_conv, channels: [8], dropout: 0.0}
loss: dice
optimizer: {name: adamw, lr: 0.01}
metrics: [iou, iou_dataset]
training: {epochs: 2, accelerator: cpu}
"""
IMAGES, PATIENTS = 12, 6
OUT_OF_FOLD = ["evaluate", "cv/tiny", "--split", "out-of-fold"]
CV = ["cv", "tiny.yaml", "--folds", "2", "--group", "{group}_*"]


def draw(folder: Path) -> None:
    """Discs on noise, two photographs of each patient; the last two images show class 2 in place of 1."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    for name in ("images", "masks", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(IMAGES):
        name, (top, left, radius) = f"p{number // 2}_{number}.png", rng.integers((8, 8, 5), (24, 24, 9))
        disc = (rows - top) ** 2 + (columns - left) ** 2 < radius**2
        pixels = rng.normal(90, 15, (32, 32, 3)) + disc[..., None] * 90
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / name)
        Image.fromarray((disc * 255).astype(np.uint8)).save(folder / "masks" / name)
        label = 2 if number >= IMAGES - 2 else 1
        Image.fromarray((disc * label).astype(np.uint8)).save(folder / "labels" / name)


def register() -> None:
    @ENCODERS.register("three_layers")
    def three_layers(in_channels: int) -> nn.Module:
        return ThreeLayers(in_channels)


@pytest.fixture(autouse=True)
def encoder(plugins_as_before):
    register()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cv")
    draw(folder / "data")
    (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def say(folder):
    """Runs a command in the folder."""

    def run(*words: str, code: int = 0) -> commands.Said:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("segkit.experiments.recorder.write_report", light_report)
            with commands.as_before():
                if "three_layers" not in {entry.name for entry in ENCODERS.own()}:
                    register()
                said = commands.segkit([*words], folder, str(folder / "home"))
        assert said.code == code, said.err
        return said

    return run


@pytest.fixture(scope="module")
def made(say):
    return say(*CV)


def record(folder: Path, name: str = "tiny") -> dict:
    return json.loads((folder / "cv" / name / "cv.json").read_text(encoding="utf-8"))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "cv/tiny/scores.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def iou_of(folder: Path) -> dict[str, float]:
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: float(row["iou"]) for row in csv.DictReader(file)}


def mask(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file)) > 0


def test_pooled_scores_are_those_of_the_masks_that_predict_writes(made, folder, say):
    rows, scores = table(folder), []
    assert [row["image"] for row in rows] == sorted(file.stem for file in (folder / "data/images").iterdir())
    for fold in record(folder)["folds"]:
        run = folder / "cv/tiny" / fold["run"]
        own = [row["image"] for row in rows if row["fold"] == str(fold["fold"])]
        assert {name for name, split, _ in splits_of(RunDir(run)) if split == "val"} == {*own}
        out = folder / f"masks_{fold['fold']}"
        say("predict", str(run), *(f"data/images/{name}.png" for name in own), "--out", str(out))
        for name in own:
            predicted, true = mask(out / f"{name}.png"), mask(folder / f"data/masks/{name}.png")
            scores.append((name, (predicted & true).sum() / (predicted | true).sum()))
    expected = dict(scores)
    assert [float(row["iou"]) for row in rows] == pytest.approx([expected[row["image"]] for row in rows])
    pooled = record(folder)["pooled"]["metrics"]["iou"]
    (interval,) = intervals(
        [np.array([[*expected.values()]])], groups=[name.split("_")[0] for name in expected]
    )
    assert [pooled[key] for key in ("mean", "low", "high")] == pytest.approx([*vars(interval).values()])
    assert "12 images in 6 groups at 32 x 32 pixels, 2 folds" in made.out
    page = (folder / "cv/tiny/index.html").read_text(encoding="utf-8")
    assert f"{pooled['mean']:.4f}" in page
    assert "They are over 6 groups: images of one group are not independent." in page
    assert "An interval over 6 groups is uncertain." in made.out


def splits_of(run: RunDir) -> list[list[str]]:
    with run.splits.open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)][1:]


def test_a_fold_is_a_run_of_its_last_epoch_with_intervals_over_groups(made, folder, say):
    fold = record(folder)["folds"][1]
    run = RunDir.open(folder / "cv/tiny" / fold["run"])
    summary = run.read_summary()
    assert (summary.select, summary.best.epoch, summary.scores.groups) == ("last", 2, 3)
    assert summary.scores.metrics == pytest.approx(fold["metrics"])
    assert not any("optimistic" in warning for warning in summary.warnings)
    document = json.loads(say("evaluate", str(run.path), "--json").out)
    assert document["groups"] == 3
    assert document["intervals"]["iou"] == pytest.approx([*summary.scores.intervals["iou"]])
    assert "over 3 groups of images" in say("evaluate", str(run.path)).out
    comparison = segkit.compare(run.path)
    assert (comparison.groups, comparison.as_json()["groups"]) == (3, 3)
    interval = comparison.ranking[0].metrics["iou"]
    assert (interval.low, interval.high) == pytest.approx(summary.scores.intervals["iou"])


def test_files_for_a_paper_have_the_pooled_scores_and_name_no_folder(made, folder, say, monkeypatch):
    monkeypatch.setattr("segkit.analysis.paper.figure.PaperFigure.write", lambda *given: None)
    before = sorted(folder.glob("runs/*/*"))
    assert "this folder holds other files than those of a paper" in say(*CV, "--paper", "data", code=2).err
    document = json.loads(say(*CV, "--out", "elsewhere", "--paper", "paper", "--json").out)
    assert document["paper"] == "paper"
    assert sorted(folder.glob("runs/*/*")) == before
    with (folder / "paper/tables/scores.csv").open(encoding="utf-8", newline="") as file:
        scores = [*csv.DictReader(file)]
    pooled, spread = document["pooled"]["metrics"]["iou"], document["spread"]["iou"]
    assert [float(scores[0][key]) for key in ("All images", "All images low", "Folds SD", "Lowest")] == [
        round(value, 3) for value in (pooled["mean"], pooled["low"], spread["sd"], spread["lowest"])
    ]
    methods = (folder / "paper/methods.tex").read_text(encoding="utf-8")
    assert "In a 2-fold cross-validation, 12 images were divided at random (seed 0) into 2 folds" in methods
    assert "t-intervals over 6 groups of images" in methods
    assert "no epoch was chosen by a score" in methods
    texts = [file.read_text(encoding="utf-8") for file in (folder / "paper").rglob("*.*")]
    assert not any(str(folder) in text for text in texts)
    assert "segkit cv recipes/tiny.yaml --folds 2 --group '{group}_*'" in (
        folder / "paper/commands.sh"
    ).read_text(encoding="utf-8")


def test_killed_and_started_again_it_has_the_same_bytes_and_trains_nothing_twice(made, folder, say):
    cv, runs = folder / "cv/tiny", folder / "runs/tiny"
    before = {file.name: file.read_bytes() for file in cv.iterdir()}
    stopped, gone = RunDir(runs / "001"), runs / "002"
    stopped.summary.unlink()  # killed after its last epoch
    shutil.rmtree(gone)  # killed before it began
    shutil.rmtree(cv)
    say(*CV)
    assert {file.name: file.read_bytes() for file in cv.iterdir()} == before
    assert len(stopped.read_environment().resumed) == 1
    assert sorted(path.name for path in runs.iterdir()) == ["001", "002"]
    assert [path.name for path in cv.parent.iterdir()] == ["tiny"]


def test_json_is_the_contract_of_the_command_line(made, folder, say):
    summaries = sorted((folder / "runs/tiny").glob("*/summary.json"))
    ended = [file.stat().st_mtime_ns for file in summaries]
    printed = json.loads(say(*CV, "--json", "--out", "other").out)
    assert [file.stat().st_mtime_ns for file in summaries] == ended  # nothing is trained again
    assert printed["images"] == IMAGES
    assert printed["pooled"]["metrics"]["iou"].keys() == {"mean", "low", "high"}
    assert printed["folds"][0]["metrics"].keys() == {"iou", "iou_dataset"}
    assert (folder / "other/cv.json").is_file()


@pytest.mark.slow
def test_the_folder_is_one_model_to_predict_and_export(made, folder, say):
    images = sorted((folder / "data/images").iterdir())
    cv = folder / "cv/tiny"
    say("predict", "cv/tiny", "data/images", "--out", "as_one")
    runs = [cv / fold["run"] for fold in record(folder)["folds"]]
    several, one = (segkit.load(model).predict_many(images) for model in (runs, cv))
    for image, a, b in zip(images, several, one, strict=True):
        assert np.array_equal(a.probabilities, b.probabilities)
        assert np.array_equal(b.mask > 0, mask(folder / "as_one" / image.name))
    exported = say("export", "cv/tiny", "--format", "onnx", "--out", "mean.onnx")
    assert "warning: Some of the models were trained on the images that were compared" in exported.out
    assert "the mean of the 2 models" in exported.out
    say("predict", "mean.onnx", "data/images", "--out", "of_file")
    for image in images:
        files = (folder / place / image.name for place in ("as_one", "of_file"))
        assert np.array_equal(*map(mask, files))
    info = segkit.load(folder / "mean.onnx").info
    pooled = record(folder)["pooled"]["metrics"]
    assert (info.scored_on, info.images) == ("out-of-fold", IMAGES)
    assert info.scores["iou"] == pytest.approx(pooled["iou"]["mean"])
    card = (folder / "mean.md").read_text(encoding="utf-8")
    assert "mean of the probabilities of 2 models" in card
    assert "so that their mean has no score here" in card


@pytest.mark.slow
def test_runs_that_see_images_alike_become_one_file_and_others_do_not(made, folder, say):
    runs = [str(folder / "runs/tiny" / number) for number in ("001", "002")]
    say("export", *runs, "--format", "pt2", "--out", "two.pt2")
    assert "first of its 2 models" in (folder / "two.md").read_text(encoding="utf-8")
    said = say("export", *runs, "--format", "onnx", "--output", "logits", code=2)
    assert "an ensemble has no logits: it is the mean of probabilities" in said.err
    other = folder / "other_size"
    shutil.copytree(runs[1], other)
    text = (other / "recipe.yaml").read_text(encoding="utf-8")
    (other / "recipe.yaml").write_text(text.replace("- 32\n  - 32", "- 64\n  - 32"), encoding="utf-8")
    said = say("export", runs[0], str(other), "--format", "onnx", code=2)
    assert (
        "one file cannot hold these models: data.size is [32, 32] of tiny, and [64, 32] of tiny" in said.err
    )
    said = say("export", "cv/tiny", "--hub", "hub", code=2)
    assert "a hub folder holds one model" in said.err


def test_evaluate_scores_other_images_and_refuses_those_of_the_folds(made, folder, say):
    said = say("evaluate", "cv/tiny", code=2)
    assert "each of these images trained some fold of the cross-validation" in said.err
    assert "--split out-of-fold scores each image by the models that have not seen it" in said.err
    source = "data.source={name: synthetic_lesions, train: 1, test: 2, size: 32}"
    document = json.loads(say("evaluate", "cv/tiny", "--set", source, "--json").out)
    assert (document["images"], len(document["members"]), document["groups"]) == (2, 2, None)


def test_its_recipe_has_the_group_of_the_folds(made, folder, say):
    said = say(*CV, "--set", "data.split={by: fraction, val: 0.5, group: p}", "--out", "grouped")
    assert "2, not trained again: runs/tiny/001, runs/tiny/002" in said.err.replace("\\", "/")
    split = yaml.safe_load((folder / "grouped/recipe.yaml").read_text(encoding="utf-8"))["data"]["split"]
    assert (split["by"], split["group"]) == ("fraction", "{group}_*")


def test_evaluated_out_of_fold_the_scores_are_those_of_the_cross_validation(made, folder, say):
    document = json.loads(say(*OUT_OF_FOLD, "--out", "out_of_fold", "--json").out)
    pooled = record(folder)["pooled"]["metrics"]
    assert document["metrics"] == {name: each["mean"] for name, each in pooled.items()}
    assert document["intervals"]["iou"] == [pooled["iou"]["low"], pooled["iou"]["high"]]
    assert (document["split"], document["images"], document["groups"]) == ("out-of-fold", IMAGES, PATIENTS)
    assert (len(document["runs"]), document["members"], document["warnings"]) == (2, [], [])
    with (folder / "out_of_fold/scores.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["image"], row["iou"]) for row in csv.DictReader(file)] == [
            (row["image"], row["iou"]) for row in table(folder)
        ]
    assert document["cross_validation"] == "cv/tiny"
    said = say(*OUT_OF_FOLD)
    assert said.out.startswith("cv/tiny\nscores on 12 out-of-fold images, at 32x32, each by the model not")
    page = (folder / "out_of_fold/index.html").read_text(encoding="utf-8")
    assert '<p class="quiet"><code>cv/tiny</code></p>' in page
    assert "12 out-of-fold images, at 32x32, each by the model not trained on it." in page
    assert "ensemble" not in page
    said = say("evaluate", "runs/tiny/001", *OUT_OF_FOLD[2:], code=2)
    assert "runs/tiny/001: --split out-of-fold scores one cross-validation, and this is a run\n" in said.err
    assert "  try: its folder, as segkit cv RECIPE --folds 5 makes it" in said.err
    said = say("evaluate", "runs/tiny/001", *OUT_OF_FOLD[1:], code=2)
    assert ", cv/tiny: --split out-of-fold scores one cross-validation, and these are 2 folders\n" in said.err


def test_evaluated_out_of_fold_images_stay_in_their_folds(made, folder, say):
    expected = json.loads(say(*OUT_OF_FOLD, "--json").out)["metrics"]
    for kind in ("images", "masks"):  # with one more, the recipe has other folds
        shutil.copy(folder / f"data/{kind}/p3_6.png", folder / f"data/{kind}/a_0.png")
    assert json.loads(say(*OUT_OF_FOLD, "--json").out)["metrics"] == expected
    for kind in ("images", "masks"):
        (folder / f"data/{kind}/a_0.png").unlink()
        (folder / f"data/{kind}/p0_0.png").rename(folder / f"data/{kind}/b_0.png")
    said = say(*OUT_OF_FOLD, code=2)
    for kind in ("images", "masks"):
        (folder / f"data/{kind}/b_0.png").rename(folder / f"data/{kind}/p0_0.png")
    assert (
        "cv/tiny: p0_0, an image of the cross-validation, is not among the images of the recipe any more"
        in said.err
    )


@pytest.mark.slow
def test_evaluated_out_of_fold_in_other_ways_each_image_has_the_score_of_its_run(made, folder, say):
    ways = ("--native", "--tta", "--set", "data.size=[16, 16]")
    say(*OUT_OF_FOLD, *ways, "--out", "mirrored")
    expected = {}
    for fold in record(folder)["folds"]:
        run = str(folder / "cv/tiny" / fold["run"])
        say("evaluate", run, "--split", "val", *ways, "--out", "of_run")
        expected |= iou_of(folder / "of_run")
    assert iou_of(folder / "mirrored") == pytest.approx(expected, abs=1e-12)
    assert [*iou_of(folder / "mirrored")] == sorted(expected)


@pytest.mark.slow
def test_compare_pairs_all_images_over_groups(made, folder, say):
    say("cv", "tiny.yaml", "--folds", "2", "--group", "{group}_*", "--seeds", "1,2", "--set", "name=other",
        "--set", "training.epochs=1")  # fmt: skip
    two = record(folder, "other")
    assert (len(two["folds"]), [seed["seed"] for seed in two["seeds"]]) == (4, [1, 2])
    assert two["pooled"]["metrics"]["iou_dataset"]["low"] is None
    document = json.loads(say("compare", "cv/tiny", "cv/other", "--json").out)
    assert (document["images"], document["groups"]) == (IMAGES, PATIENTS)
    ranking = {entry["name"]: entry for entry in document["ranking"]}
    assert (ranking["tiny"]["seeds"], ranking["other"]["seeds"]) == ([0], [1, 2])
    for name in ("tiny", "other"):
        pooled = record(folder, name)["pooled"]["metrics"]["iou"]
        assert ranking[name]["metrics"]["iou"] == pytest.approx(pooled)
    page = (folder / "comparisons/other+tiny/comparison.md").read_text(encoding="utf-8")
    assert "over 6 groups of images" in page
    assert "is a cross-validation: its scores are those of all images" in page
    said = say("compare", "cv", "--native", code=2)
    assert "out-of-fold scores are at the size of the recipe" in said.err
    assert "segkit evaluate --split out-of-fold --native scores a cross-validation there" in said.err
    said = say("evaluate", "cv/other", "--split", "out-of-fold")
    assert "12 out-of-fold images, at 32x32, each by the mean of the 2 models not trained on it" in said.out


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (("--folds", "7", "--group", "{group}_*"), "6 groups cannot make 7 folds", "use at most 6 folds"),
        (("--folds", "13"), "12 images cannot make 13 folds", "use at most 12 folds"),
        (
            ("--folds", "3", "--group", "patient"),
            "data.split.group: 12 of 12 images have no group",
            "these images have no columns",
        ),
        (
            ("--folds", "3", "--set", "training.early_stopping_epochs=2"),
            "training.early_stopping_epochs chooses the end of training by scores of the images that "
            "cross-validation scores",
            "--set training.early_stopping_epochs=null",
        ),
        (
            ("--folds", "3", "--set", "data.split={by: file, file: tiny.yaml}"),
            "data.split says by file which images are which",
            "--set data.split=official",
        ),
        (
            ("--folds", "3", "--out", "data"),
            "this is not the folder of a cross-validation",
            "--out with another folder",
        ),
    ],
)
def test_what_cannot_be_cross_validated_is_told(say, words, problem, hint):
    said = say("cv", "tiny.yaml", *words, code=2)
    assert problem in " ".join(said.err.split())
    assert hint in " ".join(said.err.split())


def test_a_run_that_has_gone_or_changed_is_named(made, folder, say):
    moved = folder / "moved/tiny"
    shutil.copytree(folder / "cv/tiny", moved)
    say("predict", "moved/tiny", "data/images", "--out", "moved/masks")  # as far from the runs as before
    weights = folder / "runs/tiny/001/checkpoints/best.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    said = say("predict", "cv/tiny", "data/images", "--out", "nothing2", code=2)
    weights.write_bytes(content)
    assert "the run of fold 1, seed 0, has other weights than when it was scored" in said.err
    document = record(folder)
    document["folds"][1]["run"] = "../../runs/tiny/009"
    (moved / "cv.json").write_text(json.dumps(document), encoding="utf-8")
    said = say("evaluate", "moved/tiny", code=2)
    assert "the run of fold 2, seed 0, has gone" in said.err
    assert "or repeat the cross-validation: segkit cv tiny.yaml --folds 2" in said.err
    said = say("resume", "cv/tiny", code=2)
    assert "this is a cross-validation, not a run" in said.err
    document = record(folder) | {"postprocess": {"threshold": {"leson": 0.4}}}
    (moved / "cv.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(segkit.SegkitError, match=r"postprocess.threshold: no class is called 'leson'"):
        segkit.load(moved)
    (moved / "cv.json").write_text("{}", encoding="utf-8")
    with pytest.raises(segkit.SegkitError, match="damaged"):
        CvDir.open(moved)


@pytest.mark.slow
def test_folds_pool_train_and_val_leave_test_out_and_warn_of_classes_that_are_in_none(folder, say):
    lines = ["image,mask,split"]
    for number, file in enumerate(sorted((folder / "data/images").iterdir())):
        split = "train" if number < 6 else "val" if number < 11 else "test"
        lines.append(f"data/images/{file.name},data/labels/{file.name},{split}")
    (folder / "files.csv").write_text("\n".join(lines), encoding="utf-8")
    said = say(
        "cv", "tiny.yaml", "--folds", "2", "--set", "name=classes", "--set", "training.epochs=1",
        "--set", "data.source={name: manifest, file: files.csv}", "--set", "data.task=multiclass",
        "--set", "data.classes=[skin, a, b]", "--set", "loss=cross_entropy", "--set", "metrics=[iou, miou]",
        "--set", "data.split={by: fraction, val: 0.2}",
    )  # fmt: skip
    assert "The folds replace the recipe's split by fraction, and take all of its images." in said.err
    assert "The folds divide the 6 training and the 5 validation images of the source together." in said.err
    assert "The 1 test images of the source are in no fold." in said.err
    made = record(folder, "classes")
    assert made["images"] == 11
    assert [fold["images"] for fold in made["folds"]] == [6, 5]
    assert sum("shows b. data.split.balance: true" in warning for warning in made["warnings"]) == 1
    assert made["pooled"]["per_class"]["iou"].keys() == {"skin", "a", "b"}
    assert (
        (folder / "cv/classes/class_scores.csv")
        .read_text(encoding="utf-8")
        .startswith("image,seed,class,iou")
    )
    assert json.loads(say("evaluate", "cv/classes", "--json").out)["split"] == "test"
    names = json.loads(say("compare", "cv/classes", "--json").out)["ranking"][0]["per_class"]["iou"]
    assert names.keys() == {"skin", "a", "b"}


# A loss that misses nothing makes probabilities too high: a threshold above 0.5 is planted.
AUTO = [
    "cv", "tiny.yaml", "--folds", "2", "--set", "name=auto", "--set", "postprocess=auto",
    "--set", "loss={name: tversky, alpha: 0.05, beta: 0.95}", "--set", "optimizer.lr=0.03",
    "--set", "training.epochs=15",
]  # fmt: skip


@pytest.fixture(scope="module")
def auto(say):
    return say(*AUTO)


def iou(predicted: np.ndarray, name: str, folder: Path) -> float:
    true = mask(folder / f"data/masks/{name}.png")
    return (predicted & true).sum() / (predicted | true).sum()


@pytest.mark.slow
def test_post_processing_is_chosen_out_of_fold_and_applied_to_the_mean(auto, folder, say):
    made = record(folder, "auto")
    (choice,) = made["postprocess_choice"]["choices"]
    threshold = made["postprocess"]["threshold"]
    assert made["postprocess"] == choice["settings"]
    assert threshold > 0.5
    assert choice["gain"] > choice["low"] > 0
    assert [made["postprocess_choice"][key] for key in ("split", "images", "groups")] == [
        "out-of-fold",
        12,
        None,
    ]
    raw, cleaned = (made[key]["metrics"]["iou"]["mean"] for key in ("pooled", "postprocessed"))
    assert choice["score"] == pytest.approx(raw)
    with (folder / "cv/auto/scores.csv").open(encoding="utf-8", newline="") as file:
        of_fold = {row["image"]: int(row["fold"]) for row in csv.DictReader(file)}
    runs = [folder / "cv/auto" / fold["run"] for fold in made["folds"]]
    folds = [segkit.load(run) for run in runs]
    assert all(fold.postprocess is None for fold in folds)
    scores = []
    for name, fold in of_fold.items():
        maps = folds[fold].predict(folder / f"data/images/{name}.png").probabilities[0]
        scores.append((iou(maps > 0.5, name, folder), iou(maps > np.float32(threshold), name, folder)))
    assert np.mean(scores, axis=0) == pytest.approx([raw, cleaned])
    assert f"post-processing: threshold {threshold:g}" in auto.out
    assert f"iou gain: {choice['gain']:.4f}  ({choice['low']:.4f} to {choice['high']:.4f})" in auto.out
    assert "The post-processing was chosen on the out-of-fold predictions" in made["warnings"][-1]
    for words, score in (((), cleaned), (("--no-postprocess",), raw)):
        evaluated = say("evaluate", "cv/auto", "--split", "out-of-fold", *words, "--json")
        document = json.loads(evaluated.out)
        assert document["metrics"]["iou"] == pytest.approx(score, abs=1e-12)
        assert document["warnings"] == ([] if words else made["warnings"][-1:])
    page = (folder / "cv/auto/index.html").read_text(encoding="utf-8")
    assert f"Masks are post-processed: threshold {threshold:g}." in page
    assert f"{cleaned:.4f}" in page

    image, mean = folder / "data/images/p0_0.png", segkit.load(folder / "cv/auto")
    of_mean = mean.predict(image)
    assert mean.warnings == ()
    for words, level in (((), threshold), (("--no-postprocess",), 0.5)):
        say("predict", "cv/auto", str(image), "--out", f"auto_{level}", *words)
        expected = of_mean.probabilities[0] > np.float32(level)
        assert np.array_equal(mask(folder / f"auto_{level}/p0_0.png"), expected)
    source = "data.source={name: synthetic_lesions, train: 1, test: 2, size: 32}"
    for words, found in (
        ((), threshold),
        (("postprocess.threshold=0.3",), 0.3),
        (("postprocess=null",), None),
    ):
        changes = [word for change in words for word in ("--set", change)]
        document = json.loads(say("evaluate", "cv/auto", "--set", source, *changes, "--json").out)
        assert (document["postprocess"] or {}).get("threshold") == found
    assert segkit.load([folder / "cv/auto", runs[0]]).warnings[-1].startswith("The models have different")


@pytest.mark.slow
def test_chosen_post_processing_is_exported_and_the_same_when_repeated(auto, folder, say):
    cv, stopped = folder / "cv/auto", RunDir(folder / "runs/auto/001")
    say("export", "cv/auto", "--format", "onnx", "--out", "auto.onnx")
    exported, one = segkit.load(folder / "auto.onnx"), segkit.load(cv)
    assert (exported.info.format, exported.postprocess) == (3, CvDir(cv).read().postprocess)
    for image in sorted((folder / "data/images").iterdir()):
        assert np.array_equal(exported.predict(image).mask, one.predict(image).mask)
    assert "| Without post-processing | With |" in (folder / "auto.md").read_text(encoding="utf-8")
    before = {file.name: file.read_bytes() for file in cv.iterdir()}
    stopped.summary.unlink()  # killed after its last epoch
    shutil.rmtree(cv)
    say(*AUTO)
    assert {file.name: file.read_bytes() for file in cv.iterdir()} == before


@pytest.mark.slow
def test_given_steps_are_scored_beside_and_train_nothing_again(made, folder, say):
    runs = sorted((folder / "runs/tiny").iterdir())
    steps = ["--set", "postprocess={keep_largest: true}"]
    printed = json.loads(say(*CV, *steps, "--json", "--out", "steps").out)
    assert sorted((folder / "runs/tiny").iterdir()) == runs
    assert printed["postprocess"] == {"keep_largest": True}
    assert printed["pooled"] == record(folder)["pooled"]
    assert printed["postprocessed"]["metrics"].keys() == printed["pooled"]["metrics"].keys()
    assert "postprocess_choice" not in printed
    assert segkit.load(folder / "steps").postprocess == CvDir(folder / "steps").read().postprocess
    few = say(*CV, "--set", "postprocess=auto", "--out", "few").out  # 6 groups
    assert "post-processing: none: too few images or groups" in few
    assert ", not applied\n" in few
    assert CvDir(folder / "few").read().postprocess is None
    place = folder / "cv/tiny"
    assert folder_for(CvDir(place).read(), place) == place
    assert folder_for(CvDir(folder / "steps").read(), place) == place.with_name("tiny-2")
