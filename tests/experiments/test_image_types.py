"""Runs on images of twelve bands with 16 bits: range, saved recipe, resuming and planning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from segkit.core.events import RunEnded, RunStarted
from segkit.experiments.check import check
from segkit.experiments.restore_run import open_trained
from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.experiments.run_recipe import edits, load_run_recipe
from segkit.experiments.study_plan import make_plan
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir
from tests.small_runs import RECIPE, light_report

AUGMENT = "[HorizontalFlip, {name: Rotate, limit: 20}, {name: RandomBrightnessContrast, p: 1}, GaussNoise]"
BANDS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, ten TIFFs of twelve bands, their masks, and a finished run of one epoch."""
    folder = tmp_path_factory.mktemp("bands")
    rng = np.random.default_rng(0)
    for number in range(10):
        split = "train" if number < 6 else "test"
        mask = np.zeros((32, 32), np.uint8)
        mask[4 + number : 26, 9:25] = 255
        image = rng.integers(200, 900, (32, 32, BANDS)).astype(np.uint16)
        image[..., 7] += mask * np.uint16(8)
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        file = folder / "images" / split / f"{number}.tif"
        tifffile.imwrite(file, image, photometric="minisblack", planarconfig="contig")
        Image.fromarray(mask).save(folder / "masks" / split / f"{number}.png")
    source = "{name: folder, images: images, masks: masks}"
    text = RECIPE.replace("{name: synthetic_lesions, train: 10, test: 5, size: 64}", source)
    text = text.replace("[{name: HorizontalFlip, p: 0.5}]", AUGMENT).replace("epochs: 2", "epochs: 1")
    (folder / "small.yaml").write_text(text.replace("[64, 64]", "[32, 32]"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_CACHE", str(folder / "cache"))
        patch.setattr("segkit.experiments.recorder.write_report", light_report)
        started, *_ = run(load_recipe(folder / "small.yaml"), folder / "runs")
    assert isinstance(started, RunStarted)
    assert started.pixels.startswith("12 channels, 2")
    assert not [warning for warning in started.warnings if "range" in warning]
    return folder


@pytest.fixture(autouse=True)
def same_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGKIT_CACHE", str(folder / "cache"))
    monkeypatch.setattr("segkit.experiments.recorder.write_report", light_report)


def finished(folder: Path) -> RunDir:
    return RunDir(folder / "runs" / "small" / "001")


def weights(run_dir: RunDir) -> bytes:
    return (run_dir.checkpoints / "last.safetensors").read_bytes()


def test_measured_range_is_saved_and_printed(folder: Path) -> None:
    saved = yaml.safe_load(finished(folder).recipe.read_text(encoding="utf-8"))["data"]
    assert saved["channels"] == BANDS
    assert len(saved["range"]) == BANDS
    low, high = zip(*saved["range"], strict=True)
    assert min(low) >= 200
    assert max(high) == high[7] > 2000 > sorted(high)[-2]
    assert finished(folder).read_environment().recipe["data"]["range"] == saved["range"]
    report = check(load_recipe(folder / "small.yaml"))
    assert report.pixels.startswith("12 channels, 2")
    assert report.stages[0].part == "encoder"


def test_run_with_a_measured_range_is_recognised(folder: Path) -> None:
    """Neither `resume` nor `compare` takes the numbers for a change of the recipe."""
    directory = finished(folder)
    assert edits(directory, load_run_recipe(directory)) == []
    assert open_trained(directory).warnings == []
    plan = make_plan([folder / "small.yaml"], runs=folder / "runs")
    assert [planned.run and planned.run.path for planned in plan.runs] == [directory.path]
    assert plan.missing == plan.notes == []


@pytest.mark.slow
def test_saved_recipe_repeats_the_run_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    started, *_ = run(load_recipe(finished(folder).recipe), tmp_path)
    assert isinstance(started, RunStarted)
    assert weights(RunDir(started.directory)) == weights(finished(folder))


@pytest.mark.slow
def test_run_with_a_measured_range_is_trained_further(folder: Path, tmp_path: Path) -> None:
    first, *_ = run(load_recipe(folder / "small.yaml"), tmp_path)
    assert isinstance(first, RunStarted)
    *_, ended = resume(first.directory, ["training.epochs=2"])
    assert isinstance(ended, RunEnded)
    assert ended.summary.epochs == 2
