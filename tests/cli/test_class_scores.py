"""A class that a model never learns is told wherever its scores are."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, jaccard_score, precision_score, recall_score

from segkit.inference.evaluation.output_folder import check_out_folder

RECIPE = """
name: three
data:
  source: {name: folder, images: data/images, masks: data/masks}
  task: multiclass
  classes: [ground, house, well, pond]
  ignore_index: 255
  size: [64, 64]
  batch_size: 4
model:
  encoder: {name: test_resnet, weights: none}
  decoder: {name: transposed_conv, channels: [16, 16, 16, 16]}
loss: cross_entropy
optimizer: {name: adamw, lr: 0.003}
metrics: [miou, iou, {name: miou, as: miou_house, classes: [house]}]
training: {epochs: 6, accelerator: cpu}
"""
NEVER = (
    "The class 'well' is never predicted, although 4 of the 8 test images have it: more epochs can help, "
    "or an overlap loss such as dice, class_weights: balanced, or with data.fit: crop more windows that show "
    "it (data.crop.foreground, crop.classes)."
)
NOT_THERE = (
    "The class 'pond' is in the ground truth of none of the 8 test images, so that no score says how well it "
    "is found: score images that have it, for example with another data.split."
)
UNTRAINED = (
    "The class 'pond' is in no training image and cannot be learnt: add training images with it, or leave it "
    "out of data.classes."
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright houses, and wells of nine pixels that look like the ground; no pond."""
    folder, random = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 8)):
        for kind in ("images", "masks"):
            (folder / "data" / kind / split).mkdir(parents=True)
        for number in range(count):
            image, mask = random.integers(80, 120, (64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
            y, x = random.integers(4, 28, 2)
            mask[y : y + 28, x : x + 28] = 1
            image[mask == 1] += 90
            if number % 2 == 0:
                y, x = random.integers(50, 60, 2)
                mask[y : y + 3, x : x + 3] = 2
            mask[:2] = 255
            for kind, pixels in (("images", image), ("masks", mask)):
                Image.fromarray(pixels).save(folder / "data" / kind / split / f"{number:02}.png")
    (folder / "three.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_class_that_is_never_learnt_cannot_be_missed(
    segkit: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    said = segkit("run", "three.yaml")
    assert said.code == 0, said.err
    end = said.err[said.err.index("best epoch: ") :].splitlines()
    header = end.index("classes") + 1
    assert end[header].split() == [
        "class", "IoU", "Dice", "precision", "recall", "IoU", "per", "image", "pixels", "images",
    ]  # fmt: skip
    assert [line.split()[0] for line in end[header + 1 : header + 5]] == ["ground", "house", "well", "pond"]
    assert end[header + 3].split() == ["well", "0.0000", "0.0000", "-", "0.0000", "0.0000", "36", "4"]
    assert end[header + 4].split() == ["pond", "-", "-", "-", "-", "-", "0", "0"]
    warnings = [line.removeprefix("warning: ") for line in end if line.startswith("warning: ")]
    assert warnings[-3:] == [UNTRAINED, NEVER, NOT_THERE]

    run = data / "runs" / "three" / "001"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["warnings"] == warnings
    assert summary["untrained_classes"] == ["pond"]
    best = summary["best"]
    assert best["per_class"] == summary["scores"]["per_class"]  # on the same images
    assert best["per_class"]["iou"]["well"] == 0
    assert best["per_class"]["precision"]["well"] is None
    assert best["metrics"]["miou_house"] == pytest.approx(best["per_class"]["iou"]["house"])
    defined = [value for value in best["per_class"]["iou"].values() if value is not None]
    assert best["metrics"]["miou"] == pytest.approx(np.mean(defined))

    assert segkit("predict", str(run), "data/images/test", "--out", "predicted").code == 0
    names = sorted(path.name for path in (data / "predicted").glob("*.png"))
    predicted = np.array([np.asarray(Image.open(data / "predicted" / name)) for name in names])
    truth = np.array([np.asarray(Image.open(data / "data/masks/test" / name)) for name in names])
    known = truth != 255
    judged = confusion_matrix(truth[known], predicted[known], labels=range(4))
    assert best["confusion"] == judged.tolist()
    for name, judge in (("iou", jaccard_score), ("precision", precision_score), ("recall", recall_score)):
        values = judge(truth[known], predicted[known], labels=range(4), average=None, zero_division=0)
        found = [value or 0 for value in best["per_class"][name].values()]
        assert found == pytest.approx(values, rel=1e-12)

    with (run / "class_scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    of_well = [row for row in rows if row["class"] == "well"]
    assert [(row["image"], row["iou"], row["precision"], row["pixels"]) for row in of_well] == [
        (name, "0.0", "", "9") for name in ("00", "02", "04", "06")
    ]
    assert not [row for row in rows if row["class"] == "pond"]

    for text in ((run / "report.html").read_text(), (run / "report.md").read_text()):
        plain = text.replace("&#39;", "'").replace("\\_", "_")
        for sentence in (UNTRAINED, NEVER, NOT_THERE):
            assert plain.index(sentence) < plain.index("Classes")
    assert "![Confusion matrix of 4 classes" in (run / "report.md").read_text()

    said = segkit("evaluate", str(run), "--native", "--out", "scored")
    assert NEVER in said.out
    assert "well    0.0000" in said.out
    found = json.loads((data / "scored" / "scores.json").read_text())
    assert found["warnings"] == [UNTRAINED, NEVER, NOT_THERE]
    assert found["confusion"] == best["confusion"]
    assert found["per_class"] == best["per_class"]
    assert (data / "scored" / "class_scores.csv").read_bytes() == (run / "class_scores.csv").read_bytes()
    assert "Confusion matrix" in (data / "scored" / "index.html").read_text()
    check_out_folder(data / "scored", [])  # it replaces its own files

    said = segkit("compare", str(run), "--no-measure")
    assert NEVER in said.out
    compared = json.loads((data / "comparisons" / "three" / "comparison.json").read_text())
    assert {UNTRAINED, NEVER, NOT_THERE} <= {*compared["warnings"]}
    assert compared["metric"] == "iou"  # the first with a score per image
