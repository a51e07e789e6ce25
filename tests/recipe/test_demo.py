from __future__ import annotations

from pathlib import Path

import pytest

from segkit.core.errors import WeightsError
from segkit.parts.encoders import _pretrained as weights
from segkit.recipe import load_recipe
from tests.recipe.cases import RECIPES, only_problem, written

FOLDER = (
    "{{source: {{name: folder, images: i, masks: m}}, size: [64, 64], split: {{by: fraction, val: 0.2}}, {}}}"
)


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_weights", lambda model, weights: None)


def test_a_demo_is_the_same_recipe_on_synthetic_lesions() -> None:
    recipe, demo = (
        load_recipe(RECIPES / "isic_frozen.yaml"),
        load_recipe(RECIPES / "isic_frozen.yaml", demo=True),
    )
    assert demo.name == "isic_frozen_demo"
    assert demo.data.source.name == "synthetic_lesions"
    assert demo.data.source.options["train"] == 160
    assert demo.data.split.by == "official"
    assert demo.reference is None
    assert demo.model.encoder.options["weights"] == "none"
    assert demo.description == (
        f"{recipe.description} Demo on synthetic lesions. The encoder has random weights, "
        "as imagenet1k_v1 of mobilenetv2_100 are not on this machine."
    )
    same = {"name", "description", "data", "model", "reference"}
    assert demo.model_dump(exclude=same) == recipe.model_dump(exclude=same)
    assert demo.data.model_dump(exclude={"source", "split"}) == recipe.data.model_dump(
        exclude={"source", "split"}
    )


def test_a_demo_needs_nothing_of_the_recipe_s_data(tmp_path: Path) -> None:
    demo = load_recipe(
        written(tmp_path, data=FOLDER.format("task: multiclass, classes: [a, b, c]")), demo=True
    )
    assert (demo.data.task, demo.data.classes) == ("multiclass", ("a", "b", "c"))
    assert demo.description == "Demo on synthetic lesions."


def test_a_demo_has_colours_of_eight_bits(tmp_path: Path) -> None:
    images = "channels: 12, bands: [3, 2, 1, 7], range: [0, 4000]"
    model = "{encoder: {name: resnet10t, rgb: [0, 1, 3]}, decoder: transposed_conv}"
    demo = load_recipe(written(tmp_path, data=FOLDER.format(images), model=model), demo=True)
    assert (demo.data.channels, demo.data.in_channels, demo.data.range) == ("auto", 3, "auto")
    assert demo.model.encoder.options["rgb"] is None
    assert demo.model.encoder.options["weights"] == "none"


def test_weights_that_are_here_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = "{encoder: mobilenetv2_100, decoder: transposed_conv}"
    monkeypatch.setattr(weights, "find_weights", lambda model, weights: tmp_path / f"{model}.{weights}")
    assert (
        load_recipe(written(tmp_path, model=model), demo=True).model.encoder.options["weights"] == "imagenet"
    )


def test_a_weights_file_that_is_not_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(model: str, weights: str) -> None:
        raise WeightsError("there is no such weights file")

    monkeypatch.setattr(weights, "find_weights", missing)
    model = "{encoder: {name: resnet18, weights: a.pth}, decoder: transposed_conv}"
    assert load_recipe(written(tmp_path, model=model), demo=True).model.encoder.options["weights"] == "none"


def test_what_is_set_stands_above_the_demo(tmp_path: Path) -> None:
    overrides = ["data.source.train=8", "name=mine", "model.encoder=resnet18"]
    demo = load_recipe(written(tmp_path, data=FOLDER.format("batch_size: 2")), overrides, demo=True)
    assert (demo.name, demo.data.source.options["train"]) == ("mine", 8)
    assert demo.description.endswith("as imagenet of resnet18 are not on this machine.")


def test_a_task_that_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    data = FOLDER.format("task: multiclass, classes: [a, b, c, d, e]")
    found = only_problem(written(tmp_path, data=data), demo=True)
    assert (
        found.problem
        == "a demo is not possible: synthetic_lesions draws 2 to 4 classes for a multiclass task, not 5"
    )
    assert found.hint == "run the recipe on its own data"
    assert (found.line, found.path) == (2, "data.classes")


def test_mistakes_elsewhere_keep_their_place(tmp_path: Path) -> None:
    found = only_problem(written(tmp_path, training="{epochs: 0}"), demo=True)
    assert (found.file, found.line) == (str(tmp_path / "recipe.yaml"), 7)
