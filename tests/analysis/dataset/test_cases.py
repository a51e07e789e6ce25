"""Small data sets as people have them, each with what is true of it: the guess, and a recipe of its lines."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segkit.analysis.dataset import check_dataset, dataset_of_folder
from segkit.data.images import read_image
from segkit.experiments.run import run
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.dataset import find_samples
from tests.small_runs import light_report

PIXELS = {
    "twelve_bits": ("uint16", 1), "signed": ("int16", 1), "near_infrared": ("uint8", 4),
    "five_bands": ("uint8", 5),
}  # fmt: skip
CASES = (
    "linked_folder", "unicode_forms", "split_folders_first", "suffixes_on_both", "text_lists", "backslashes",
    "mask_per_object", "coco", "yolo", "labelme", *PIXELS,
)  # fmt: skip
REST = """
  batch_size: 4
name: pasted
model: {encoder: {name: test_resnet, weights: none}, decoder: {name: transposed_conv, channels: [8, 8]}}
loss: [dice, bce]
optimizer: adamw
metrics: [iou, dice]
training: {epochs: 1, accelerator: cpu}
"""


@pytest.fixture
def pasted(tmp_path: Path) -> Callable[[Path], Recipe]:
    """A recipe of the lines that `data check` prints for a folder."""

    def paste(folder: Path) -> Recipe:
        file = tmp_path / "recipe.yaml"
        file.write_text(dataset_of_folder(folder).recipe.rstrip() + REST, encoding="utf-8")
        return load_recipe(file, ["data.size=[32, 32]"])

    return paste


@pytest.mark.parametrize("name", CASES)
def test_a_folder_alone_is_read_as_its_truth_says(
    cases: Path, pasted: Callable[[Path], Recipe], name: str
) -> None:
    truth = json.loads((cases / name / "truth.json").read_text())
    result = check_dataset(dataset_of_folder(cases / name))
    assert result.ok
    if "train" in truth:
        assert result.images == truth
    else:
        assert result.images == {"train": truth.get("images", 10)}
    found = find_samples(pasted(cases / name))
    read = [sample for samples in result.dataset.splits.values() for sample in samples]
    assert sorted(sample.files for samples in found.values() for sample in samples) == sorted(
        sample.files for sample in read
    )
    if "area" in truth:
        assert {int(sample.read()[1].sum()) for sample in read} == {truth["area"]}
        assert result.dataset.task.classes == (truth["class"],)
    if "foreground" in truth:
        assert {sample.name: int(sample.read()[1].sum()) for sample in read} == truth["foreground"]
        small = {sample.name: sample.read_at((36, 48))[1] for sample in read if sample.read_at}
        whole = {sample.name: sample.read()[1][1::2, 1::2] for sample in read}
        assert all(np.abs(small[key].mean() - whole[key].mean()) < 0.02 for key in truth["foreground"])


@pytest.mark.parametrize(("name", "expected"), PIXELS.items())
def test_numbers_of_the_images_are_as_its_truth_says(
    cases: Path, name: str, expected: tuple[str, int]
) -> None:
    truth = json.loads((cases / name / "truth.json").read_text())
    result = check_dataset(dataset_of_folder(cases / name))
    assert result.pixels
    dtype, channels = expected
    assert (result.pixels.types, result.pixels.channels) == ({dtype: 10}, {channels: 10})
    assert truth.get("channels", channels) == channels
    if "lowest" in truth:
        assert (result.pixels.lowest, result.pixels.highest) == ((truth["lowest"],), (truth["highest"],))
        images = [read_image(file, 1) for file in sorted((cases / name / "images").iterdir())]
        assert len(np.unique(np.stack(images))) == truth["levels"]
    if "value_of_channel_3" in truth:
        fourth = truth["value_of_channel_3"]
        assert (result.pixels.lowest[3], result.pixels.highest[3]) == (fourth, fourth)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_recipe_of_the_printed_lines_trains(
    cases: Path,
    pasted: Callable[[Path], Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr("segkit.experiments.recorder.write_report", light_report)
    [*run(pasted(cases / name), tmp_path / "runs")]
    (summary,) = tmp_path.glob("runs/pasted/*/summary.json")
    assert json.loads(summary.read_text())["status"] == "complete"
