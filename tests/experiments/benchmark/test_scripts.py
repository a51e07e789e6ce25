"""The scripts of tests/benchmarks do what their README says, on a few drawn lesions in files."""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segkit.core.registry import SOURCES
from segkit.core.types import Task
from segkit.data.images import read_image
from segkit.data.masks import read_mask
from segkit.experiments.assembly import assemble
from segkit.models.build import build_model
from segkit.models.dry_run import dry_run
from segkit.recipe import Recipe, load_recipe
from tests import commands
from tests.experiments.tuning.postgresql import PASSWORD, VARIABLE, programs
from tests.small_runs import RECIPE, light_report

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
DRAWN = "{name: synthetic_lesions, train: 10, test: 5, size: 64}"
TASK = Task("binary", ("lesion",))


@pytest.fixture
def straightforward(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("straightforward", monkeypatch)


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("side_by_side", monkeypatch)


def imported(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return module


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe, with its lesions in files of JPEG and PNG."""
    folder = tmp_path_factory.mktemp("drawn")
    drawn = SOURCES.get("synthetic_lesions").factory(TASK, 3, train=6, test=4, size=96)  # type: ignore[union-attr]
    for split, samples in drawn.splits().items():
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for sample in samples:
            image, mask = sample.read()
            Image.fromarray(image).save(folder / "images" / split / f"{sample.name}.jpg")
            Image.fromarray(255 * mask).save(folder / "masks" / split / f"{sample.name}.png")
    recipe = folder / "small.yaml"
    recipe.write_text(RECIPE.replace(DRAWN, "{name: folder, images: images, masks: masks}"))
    return recipe


def run(script: str, *words: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPTS.parents[1])}
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_straightforward_program_trains_and_scores(file: Path) -> None:
    first, *epochs = run("straightforward.py", str(file), "--epochs", "2", "--set", "training.ema_decay=0.9")
    assert first["recipe"] == "small"
    assert first["workers"] in (0, 1, 2)
    assert [epoch.pop("epoch") for epoch in epochs] == [1, 2]
    for epoch in epochs:
        assert set(epoch) == {"train_seconds", "score_seconds", "train_loss", "iou", "dice"}
        assert all(math.isfinite(value) for value in epoch.values())
        assert 0 <= epoch["iou"] <= epoch["dice"] <= 1


def test_both_sides_take_turns(file: Path, tmp_path: Path) -> None:
    words = ("--rounds", "2", "--images", "4", "--copies", "2", "--workers", "0")
    chosen, first, one, two, verdict = run("side_by_side.py", str(file), *words)
    assert chosen == {"workers": 0}
    epochs = [first["first_epochs"], one, two]
    for number, line in enumerate(epochs, start=1):
        for side in ("straightforward", "segkit"):
            assert line[side]["epoch"] == number
            assert line[side]["train_seconds"] + line[side]["score_seconds"] < line[side]["seconds"]
            assert {"iou", "dice"} <= set(line[side])
    assert verdict["segkit_first_epoch_seconds"] == first["first_epochs"]["segkit"]["seconds"]
    medians = [
        sum(line[side]["train_seconds"] for line in (one, two)) for side in ("straightforward", "segkit")
    ]
    assert verdict["train_ratio"] == pytest.approx(medians[0] / medians[1])
    assert set(verdict) == {
        "train_ratio", "train_and_score_ratio", "whole_epoch_ratio", "first_epoch_ratio",
        "segkit_first_epoch_seconds",
    }  # fmt: skip


def test_images_are_laid_out_as_copies_of_different_bytes(
    file: Path, tmp_path: Path, side_by_side: ModuleType
) -> None:
    source = side_by_side.lay_out(load_recipe(file), tmp_path, images=3, copies=2)
    laid = load_recipe(file, [source, "data.split=official"])
    assert laid.data.source.options["images"] == tmp_path / "images"
    for kind, count in (("images/train", 6), ("images/test", 6), ("masks/train", 6), ("masks/test", 6)):
        files = sorted((tmp_path / kind).iterdir())
        assert len(files) == len({path.read_bytes() for path in files}) == count
    one, other = sorted((tmp_path / "images/train").iterdir())[:2]
    assert np.array_equal(read_image(one, 3), read_image(other, 3))
    one, other = sorted((tmp_path / "masks/train").iterdir())[:2]
    assert np.array_equal(read_mask(one, TASK), read_mask(other, TASK))


def test_images_that_are_in_no_files_are_refused(tmp_path: Path, side_by_side: ModuleType) -> None:
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE)
    with pytest.raises(SystemExit, match=r"synthetic_lesions has no files to decode: another data.source"):
        side_by_side.lay_out(load_recipe(recipe), tmp_path, images=None, copies=1)


def test_ratios_are_those_of_the_medians(side_by_side: ModuleType) -> None:
    def epochs(*seconds: float) -> list[dict[str, float]]:
        return [{"train_seconds": s, "score_seconds": 1.0, "seconds": s + 2} for s in seconds]

    told = {"straightforward": epochs(7.0, 90.0, 6.0), "segkit": epochs(2.0, 3.0, 50.0)}
    first = {"straightforward": {"seconds": 10.0}, "segkit": {"seconds": 20.0}}
    assert side_by_side._verdict(told, first) == {
        "train_ratio": 7 / 3,
        "train_and_score_ratio": 8 / 4,
        "whole_epoch_ratio": 9 / 5,
        "first_epoch_ratio": 0.5,
        "segkit_first_epoch_seconds": 20.0,
    }


def test_layers_of_segkit_s_own_become_torch_s(straightforward: ModuleType) -> None:
    class Faster(nn.ConvTranspose2d):
        """Stands for a faster form."""

    Faster.__module__ = "segkit.parts.decoders.faster"
    layer = Faster(3, 4, 2, stride=2)
    model = nn.Sequential(layer, nn.Dropout2d(0.5))
    x = torch.rand(1, 3, 5, 5)
    before = layer(x)
    assert straightforward.plain(model) is model
    assert [type(part) for part in model] == [nn.ConvTranspose2d, nn.Dropout2d]
    assert torch.equal(model[0](x), before)


def frozen(file: Path, *overrides: str) -> Recipe:
    return load_recipe(file, ["model.encoder.frozen=true", *overrides])


def test_the_network_is_the_recipe_s_and_in_training_all_of_it(
    file: Path, straightforward: ModuleType
) -> None:
    recipe = frozen(file)
    training = straightforward.Training(recipe)
    ours = build_model(recipe, dry_run(recipe.model, recipe.data)).eval()
    image = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    network = training.network.eval()
    logits = network((image - ours.mean) / ours.std)
    assert torch.allclose(logits, ours(image), atol=1e-5)
    assert network.train().encoder.training
    assert not any(parameter.requires_grad for parameter in network.encoder.parameters())
    assert {
        type(layer).__module__.split(".")[0]
        for layer in network.decoder.modules()
        if not list(layer.children())
    } <= {"torch"}


def test_optimiser_and_average_are_torch_s_own_with_the_recipe_s_values(
    file: Path, straightforward: ModuleType
) -> None:
    recipe = load_recipe(
        file, ["model.encoder.lr_factor=0.5", "optimizer.weight_decay=0.1", "training.ema_decay=0.9"]
    )
    training = straightforward.Training(recipe)
    assert type(training.optimizer) is torch.optim.AdamW
    groups = [
        (group["lr"], group["weight_decay"], group["fused"]) for group in training.optimizer.param_groups
    ]
    assert groups == [(0.01, 0.1, None), (0.01, 0.0, None), (0.005, 0.1, None), (0.005, 0.0, None)]
    assert training.average.module is not training.network


def test_images_scored_after_an_epoch_are_those_that_segkit_scores(
    file: Path, straightforward: ModuleType
) -> None:
    with_val = load_recipe(file, ["data.split={by: fraction, val: 0.5}"])
    for recipe in (load_recipe(file), with_val):
        scored = straightforward.Training(recipe).test_images.samples
        assembly = assemble(recipe)
        assert [sample.name for sample in scored] == assembly.splits[assembly.val_split].names


def test_workers_are_those_of_the_fewest_seconds(
    straightforward: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(straightforward, "seconds_by_workers", lambda recipe: {2: 3.0, 1: 2.0, 0: 4.0})
    assert straightforward.best_workers(SimpleNamespace()) == 1


def test_scores_are_means_over_images(file: Path, straightforward: ModuleType) -> None:
    training = straightforward.Training(load_recipe(file))
    training.network = nn.Identity()
    image = torch.zeros(3, 1, 4, 4)
    target = torch.zeros(3, 4, 4, dtype=torch.uint8)
    image[0, 0, 0], target[0, :2] = 1, 1  # four pixels found, of eight
    image[1, 0, 0, :2] = 1  # two, of none; and none of none
    found = training.scores([(image, target)])
    assert found == {"iou": pytest.approx((0.5 + 0 + 1) / 3), "dice": pytest.approx((2 / 3 + 0 + 1) / 3)}


@pytest.mark.parametrize("recipe", ["recipes/isic_frozen.yaml", "recipes/isic_finetune.yaml"])
def test_recipes_of_the_readme_can_be_compared(recipe: str, straightforward: ModuleType) -> None:
    loaded = load_recipe(SCRIPTS.parents[1] / recipe)
    options = [straightforward.constants(part.options) for part in loaded.data.augment]
    assert not any(isinstance(value, str) for option in options for value in option.values())
    assert (loaded.optimizer.name, loaded.data.goal.kind) == ("adamw", "binary")


def test_native_photographs_are_found_by_two_folders(file: Path) -> None:
    native = load_recipe(
        SCRIPTS / "native.yaml",
        [f"data.source.{kind}={file.parent / kind / 'train'}" for kind in ("images", "masks")],
    )
    assert native.data.source.options["images"] == file.parent / "images" / "train"
    assert native.data.split.by == "fraction"
    assert native.reference is None


@pytest.mark.parametrize("script", ["straightforward.py", "side_by_side.py"])
def test_readme_names_the_scripts_as_they_are_called(script: str) -> None:
    assert f"python tests/benchmarks/{script} recipes/isic_frozen.yaml" in (SCRIPTS / "README.md").read_text()


@pytest.mark.parametrize(
    ("windows", "names"),
    [
        (False, ["equal weights", "balanced weights"]),
        (True, ["plain windows", "balanced windows"]),
    ],
)
def test_rare_class_is_scored_with_both(
    windows: bool, names: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = imported("rare_class", monkeypatch)
    monkeypatch.setattr(script, "IMAGES", {"train": 8, "test": 4})
    script.main(1, 1, windows=windows)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    found = [" ".join(row[:-3]) for row in rows]
    assert found == [f"{name} {seed}" for name in names for seed in ("0", "mean")]
    assert all(0 <= float(value) <= 1 for row in rows for value in row[-3:])


def test_searches_find_the_best_of_a_grid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = imported("tune", monkeypatch)
    monkeypatch.setattr(script, "GRID", ("optimizer.lr=0.003,0.03", "loss=dice,bce"))
    monkeypatch.setattr(script, "FURTHER_SEEDS", (1,))
    monkeypatch.setattr("segkit.experiments.recorder.write_report", light_report)
    monkeypatch.setattr("segkit.experiments.tuning.worker.run_in_subprocesses", commands.here)
    script.grid(1, 1.0, 1, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 recipes in ")
    assert [line.split()[:2] for line in lines[4:]] == [[sampler, "1"] for sampler in script.SAMPLERS]


@pytest.mark.posix("PostgreSQL's own folders")
@pytest.mark.skipif(not programs(), reason="no PostgreSQL on this machine")
def test_two_workers_are_timed_against_one_and_nothing_is_counted_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = imported("tune", monkeypatch)
    monkeypatch.setattr(script, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(script, "GRACE_SECONDS", 4)
    monkeypatch.setattr(script, "KILLED_IN", (1, 1))
    monkeypatch.setenv(VARIABLE, PASSWORD)
    script.workers(6, 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" s for 6 trials of 1 s")
    assert lines[2] == "2 trials lost and begun again; 6 counted, 6 different"
