from __future__ import annotations

from pathlib import Path

import pytest

from segkit.recipe import load_recipe
from tests.recipe.cases import loaded, only_problem, written


def extended(folder: Path, top: str) -> Path:
    written(folder, more="reference: {source: x}\n", loss="{name: tversky, alpha: 0.4, weight: 2}")
    path = folder / "top.yaml"
    path.write_text(f"extends: recipe.yaml\n{top}\n", encoding="utf-8")
    return path


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path) -> None:
    recipe = load_recipe(extended(tmp_path, "training: {epochs: 3}\nmetrics: [dice]\nloss: {beta: 0.6}"))
    assert recipe.name == "small"
    assert recipe.training.epochs == 3
    assert [metric.name for metric in recipe.metrics] == ["dice"]
    assert {key: recipe.loss[0].options[key] for key in ("alpha", "beta")} == {"alpha": 0.4, "beta": 0.6}


def test_a_part_of_another_name_drops_options_but_keeps_what_segkit_asks(tmp_path: Path) -> None:
    loss = load_recipe(extended(tmp_path, "loss: dice")).loss[0]
    assert (loss.name, loss.weight) == ("dice", 2)
    assert "alpha" not in loss.options


def test_null_unsets_what_may_be_unset(tmp_path: Path) -> None:
    assert load_recipe(extended(tmp_path, "")).reference is not None
    assert load_recipe(extended(tmp_path, "reference: null")).reference is None
    assert load_recipe(extended(tmp_path, ""), ["reference=null"]).reference is None


def test_bases_in_other_folders_keep_their_own_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    written(tmp_path / "bases", data="{source: {name: folder, images: i, masks: ../m}, size: [64, 64]}")
    top = tmp_path / "top.yaml"
    top.write_text("extends: bases/recipe.yaml\ndata: {split: {by: file, file: split.csv}}\n")
    data = load_recipe(top).data
    assert data.source.options["images"] == tmp_path / "bases" / "i"
    assert data.source.options["masks"] == tmp_path / "m"
    assert data.split.file == tmp_path / "split.csv"


@pytest.mark.parametrize(
    ("extends", "problem"),
    [
        ("nowhere.yaml", "file not found"),
        ("[a, b]", "it must be the path of one recipe file"),
        ("top.yaml", "the recipes extend each other in a circle"),
        ("a.yaml", "the recipes extend each other in a circle"),
    ],
)
def test_extends_that_cannot_be_followed(tmp_path: Path, extends: str, problem: str) -> None:
    (tmp_path / "a.yaml").write_text("extends: top.yaml\n")
    (tmp_path / "top.yaml").write_text(f"name: a\nextends: {extends}\n")
    found = only_problem(tmp_path / "top.yaml")
    assert found.problem.startswith(problem)
    assert found.path == "extends"
    assert found.line == (1 if extends == "a.yaml" else 2)


def test_faulty_yaml_in_a_base_is_told_with_its_own_place(tmp_path: Path) -> None:
    top = extended(tmp_path, "")
    (tmp_path / "recipe.yaml").write_text("a: 1\na: 2\n")
    assert (only_problem(top).file, only_problem(top).line) == (str(tmp_path / "recipe.yaml"), 2)


def test_values_can_be_set_by_path(tmp_path: Path) -> None:
    recipe = loaded(
        tmp_path,
        [
            "training.epochs=2",
            "data.size.1=96",
            "metrics=[iou, dice]",
            "metrics.1.threshold=0.4",
            "loss.0.smooth=1e-3",
            "model.encoder.features=[0, -1]",
            "description=b = c",
            "schedule=cosine",
            "schedule.warmup_epochs=1",
        ],
        description="'was: this'",
    )
    assert recipe.training.epochs == 2
    assert recipe.data.size == (64, 96)
    assert recipe.metrics[1].options["threshold"] == 0.4
    assert recipe.loss[0].options["smooth"] == 0.001
    assert recipe.model.encoder.features == [0, -1]
    assert (recipe.schedule.name, recipe.schedule.warmup_epochs) == ("cosine", 1)


def test_setting_a_bare_name_replaces_the_part(tmp_path: Path) -> None:
    model = (
        "{encoder: {name: mobilenetv2_100, weights: none, frozen: true}, decoder: {name: unet, center: true}}"
    )
    recipe = loaded(tmp_path, ["model.decoder=transposed_conv", "model.encoder=resnet18"], model=model)
    assert recipe.model.encoder.frozen
    assert recipe.model.encoder.options["weights"] == "imagenet"
    assert recipe.model.decoder.name == "transposed_conv"
    assert "center" not in recipe.model.decoder.options


@pytest.mark.parametrize(
    ("override", "path", "problem", "hint"),
    [
        (
            "training.epochs",
            "",
            "it does not set a value",
            "write PATH=VALUE, as in training.epochs=2",
        ),
        ("=3", "", "it does not set a value", "PATH=VALUE"),
        ("training..epochs=3", "", "it does not set a value", "PATH=VALUE"),
        ("extends=a.yaml", "", "extends cannot be set", "write it into a recipe file"),
        ("training.epochs=[1", "", "not valid YAML", ""),
        ("training.epochs=", "training.epochs", "found null", "write a value after the colon"),
        ("training.epochs=0", "training.epochs", "found 0, allowed: a whole number from 1", ""),
        ("training.epoch=1", "training.epoch", "unknown key 'epoch'", "did you mean 'epochs'?"),
        ("metrics.3=dice", "metrics", "the list has no item '3'", "its items are 0; or set the whole list"),
        ("loss.1=dice", "loss", "the list has no item '1'", "its items are 0; or set the whole list"),
        ("data.size.-1=64", "data.size", "the list has no item '-1'", "its items are 0, 1"),
    ],
)
def test_overrides_that_do_not_work(
    tmp_path: Path, override: str, path: str, problem: str, hint: str
) -> None:
    found = only_problem(written(tmp_path), [override])
    assert (found.file, found.line, found.path) == (f"override {override!r}", 0, path)
    assert found.problem.startswith(problem)
    assert hint in found.hint


def test_a_split_by_something_else_is_another_split(tmp_path: Path) -> None:
    overrides = ["data.split={by: fraction, val: 0.2}", "data.split={by: kfold, folds: 5, fold: 1}"]
    split = loaded(tmp_path, overrides).data.split
    assert (split.by, split.val, split.folds, split.fold) == ("kfold", 0.0, 5, 1)
    assert loaded(tmp_path, [overrides[0], "data.split.val=0.3"]).data.split.val == 0.3


def test_a_chain_of_extends_has_an_end(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    found = only_problem(tmp_path / "0.yaml")
    assert found.problem == "recipes extend each other more than 20 times"
    assert (found.file, found.line) == (str(tmp_path / "20.yaml"), 1)
