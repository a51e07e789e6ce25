from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segkit.core.registry import METRICS
from segkit.recipe.schema import COLUMNS
from segkit.runs.schema import Epoch
from tests.recipe.cases import only_problem, problems, written

FIVE = """\
name: five
data:
  source: synthetic_lesions
  size: [64, 64]
  batchsize: 4
model:
  encoder: {name: mobilenetv2_100, weights: none}
  decoder:
    name: transposd_conv
loss:
  name: dice
  smoth: 1
optimizer: {name: adamw, lr: fast}
metrics: [iou]
training:
  epochs: 0
"""
FIVE_FOUND = [
    (
        5,
        "data.batchsize",
        "unknown key 'batchsize', allowed: source, task, classes",
        "did you mean 'batch_size'?",
    ),
    (
        9,
        "model.decoder.name",
        "no decoder is called 'transposd_conv', allowed: deeplabv3,",
        "'transposed_conv'",
    ),
    (12, "loss.smoth", "loss 'dice' has no option 'smoth', allowed: smooth, class_weights", "mean 'smooth'?"),
    (13, "optimizer.lr", 'found "fast", allowed: a number', ""),
    (16, "training.epochs", "found 0, allowed: a whole number from 1 to 100000", ""),
]


def test_five_mistakes_are_five_problems_with_line_path_found_allowed_and_near_miss(tmp_path: Path) -> None:
    path = tmp_path / "five.yaml"
    path.write_text(FIVE)
    found = problems(path)
    assert [(problem.file, problem.line, problem.path) for problem in found] == [
        (str(path), line, dotted) for line, dotted, _, _ in FIVE_FOUND
    ]
    for problem, (_, _, words, hint) in zip(found, FIVE_FOUND, strict=True):
        assert problem.problem.startswith(words)
        assert hint in problem.hint


def test_mistakes_in_the_base_recipe_are_told_with_the_base_s_file_and_line(tmp_path: Path) -> None:
    base, top = tmp_path / "base.yaml", tmp_path / "top.yaml"
    base.write_text(FIVE)
    top.write_text("extends: base.yaml\nseed: -1\nmodel: {decoder: {name: unet, chanels: [1]}}\n")
    assert [(Path(p.file).name, p.line, p.path) for p in problems(top)] == [
        ("base.yaml", 5, "data.batchsize"),
        ("base.yaml", 12, "loss.smoth"),
        ("base.yaml", 13, "optimizer.lr"),
        ("base.yaml", 16, "training.epochs"),
        ("top.yaml", 2, "seed"),
        ("top.yaml", 3, "model.decoder.chanels"),
    ]


def test_a_misspelt_key_is_one_problem(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(FIVE.replace("\nmodel:", "\nmodle:"))
    assert [p.hint for p in problems(recipe) if "model" in p.path or "modle" in p.path] == [
        "did you mean 'model'?"
    ]


DATA = "{{source: synthetic_lesions, size: [64, 64], {}}}"
PART = "by name or as a mapping with name and options"


@pytest.mark.parametrize(
    ("changed", "path", "problem", "hint"),
    [
        # missing
        (
            {"loss": None},
            "loss",
            "the recipe needs 'loss'",
            f"add 'loss:' with a loss or a list of losses, each {PART}",
        ),
        (
            {"model": "{encoder: {name: resnet18}}"},
            "model.decoder",
            "'model' needs 'decoder'",
            f"with a decoder, {PART}",
        ),
        ({"loss": "{weight: 2}"}, "loss.name", "'loss' needs 'name'", "add 'name:' with the name of a loss"),
        (
            {"data": "{source: {name: folder, images: a}, size: [64, 64]}"},
            "data.source.masks",
            "source 'folder' needs 'masks'",
            "add 'masks:' with a path",
        ),
        # unknown
        (
            {"epochs": "3"},
            "epochs",
            "unknown key 'epochs', allowed: name, description, seed,",
            "did you mean 'training.epochs'?",
        ),
        ({"lr": "0.1"}, "lr", "unknown key 'lr', allowed: name,", "did you mean 'optimizer.lr'?"),
        ({"frozen": "true"}, "frozen", "unknown key 'frozen'", "did you mean 'model.encoder.frozen'?"),
        ({"extend": "a.yaml"}, "extend", "unknown key 'extend', allowed: name,", "did you mean 'extends'?"),
        (
            {"training": "{batch_size: 3}"},
            "training.batch_size",
            "unknown key 'batch_size'",
            "did you mean 'data.batch_size'?",
        ),
        (
            {"schedule": "{name: cosine, warmup: 3}"},
            "schedule.warmup",
            "schedule 'cosine' has no option 'warmup', allowed: ",
            "did you mean 'warmup_epochs'?",
        ),
        (
            {"model": "{encoder: mobilenetv2_10, decoder: unet}"},
            "model.encoder.name",
            "no encoder is called 'mobilenetv2_10'",
            "'mobilenetv2_100'",
        ),
        (
            {"data": DATA.format("augment: [HorizontalFlop]")},
            "data.augment.0.name",
            "no transform is called 'HorizontalFlop'",
            "did you mean 'HorizontalFlip'? segkit.TRANSFORMS.names() lists all",
        ),
        *(
            ({"data": DATA.format(f"augment: [{name}]")}, "data.augment.0.name", "no transform is", hint)
            for name, hint in (
                ("RandomCrop", "data.fit: crop trains on random windows of data.size"),
                ("RandomScale", "Affine with scale, such as [0.8, 1.25], keeps the size"),
                ("mix_up", "CutMix: masks hold classes, not shares of classes"),
                ("Resize", "data.size and data.fit say how images come to the model's size"),
            )
        ),
        (
            {"data": DATA.format("augment: [{name: Rotate, limmit: 3}]")},
            "data.augment.0.limmit",
            "transform 'Rotate' has no option 'limmit', allowed: limit,",
            "did you mean 'limit'?",
        ),
        # of another type
        ({"data": "3"}, "data", "found 3, allowed: a mapping with source, task,", ""),
        (
            {"data": DATA.format("augment: HorizontalFlip")},
            "data.augment",
            f'found "HorizontalFlip", allowed: a list of transforms, each {PART}',
            "",
        ),
        (
            {"model": "{encoder: resnet18, decoder: null}"},
            "model.decoder",
            f"found null, allowed: a decoder, {PART}",
            "write a value after the colon",
        ),
        ({"loss": "3"}, "loss", f"found 3, allowed: a loss or a list of losses, each {PART}", ""),
        ({"loss": "[]"}, "loss", "found [], allowed: a loss or a list of losses", ""),
        ({"loss": "{name: 3}"}, "loss.name", "found 3, allowed: text", "quotes make it text: '3'"),
        (
            {"name": "123"},
            "name",
            "found 123, allowed: text of 1 to 100 characters",
            "quotes make it text: '123'",
        ),
        (
            {"training": "{epochs: }"},
            "training.epochs",
            "found null, allowed: a whole number",
            "write a value after the colon, or remove the key",
        ),
        ({"training": "{compile: maybe}"}, "training.compile", 'found "maybe", allowed: true or false', ""),
        ({"seed": "no"}, "seed", 'found "no", allowed: a whole number from 0 to 4294967295', ""),
        ({"seed": "1.5"}, "seed", "found 1.5, allowed: a whole number", ""),
        # true is no number
        ({"training": "{epochs: true}"}, "training.epochs", "found true, allowed: a whole number", ""),
        (
            {"training": "{devices: true}"},
            "training.devices",
            "found true, allowed: auto or a whole number",
            "",
        ),
        (
            {"training": "{early_stopping_epochs: true}"},
            "training.early_stopping_epochs",
            "found true, allowed: a whole number of at least 1 or null",
            "",
        ),
        (
            {"training": "{select: last, early_stopping_epochs: 3}"},
            "training.early_stopping_epochs",
            "early stopping chooses the end by validation scores, which select: last rules out",
            "leave it out, or write select: best",
        ),
        (
            {"data": "{source: synthetic_lesions, size: [true, 64]}"},
            "data.size",
            "found [true, 64], allowed: a list of 2 whole numbers",
            "",
        ),
        (
            {"loss": "{name: dice, smooth: true}"},
            "loss.smooth",
            "found true, allowed: a number of at least 0",
            "",
        ),
        (
            {"reference": "{source: x, metrics: {iou: true}}"},
            "reference.metrics",
            'found {"iou": true}, allowed: a mapping from names to a number',
            "",
        ),
        # out of bounds
        ({"loss": "{name: dice, weight: -1}"}, "loss.weight", "found -1, allowed: a number above 0", ""),
        (
            {"training": "{clip_grad_norm: .nan}"},
            "training.clip_grad_norm",
            "found NaN, allowed: a number above 0 or null",
            "",
        ),
        ({"loss": "{name: dice, smooth: .inf}"}, "loss.smooth", "found Infinity, allowed: a number", ""),
        (
            {"training": "{ema_decay: 1}"},
            "training.ema_decay",
            "found 1, allowed: a number above 0 and below 1 or null",
            "",
        ),
        ({"seed": "9" * 120}, "seed", "found 1e+120, allowed: a whole number", ""),
        ({"seed": "1" + "0" * 50}, "seed", "found 1000000000", ""),
        # of the wrong length
        (
            {"data": "{source: synthetic_lesions, size: [64]}"},
            "data.size",
            "found [64], allowed: a list of 2 whole numbers, each from 8 to 8192",
            "",
        ),
        (
            {"data": "{source: synthetic_lesions, size: [64, 64, 64]}"},
            "data.size",
            "found [64, 64, 64], allowed: a list of 2",
            "",
        ),
        (
            {"data": "{source: synthetic_lesions, size: [4, 64]}"},
            "data.size.0",
            "found 4, allowed: a list of 2",
            "",
        ),
        # one of several
        (
            {"data": DATA.format("task: multiclas")},
            "data.task",
            'found "multiclas", allowed: binary, multiclass or multilabel',
            "did you mean 'multiclass' or 'multilabel'?",
        ),
        (
            {"data": DATA.format("split: fractoin")},
            "data.split",
            'found "fractoin", allowed: official, fraction, kfold or file',
            "did you mean 'fraction'?",
        ),
        (
            {"loss": "[dice, {name: dice, over: imag}]"},
            "loss.1.over",
            'found "imag", allowed: image or batch',
            "did you mean 'image'?",
        ),
        (
            {"model": "{encoder: {name: resnet18, features: lst}, decoder: unet}"},
            "model.encoder.features",
            'found "lst", allowed: auto, last or all, or a list of one or more whole numbers',
            "did you mean 'last'?",
        ),
        (
            {"model": "{encoder: {name: resnet18, features: [0, x]}, decoder: unet}"},
            "model.encoder.features",
            'found [0, "x"], allowed: auto, last or all, or a list',
            "",
        ),
        # what does not fit together
        (
            {"data": DATA.format("classes: [a, b]")},
            "data.classes",
            "a binary task needs one class, the foreground; found 2",
            "",
        ),
        (
            {"data": DATA.format("task: multiclass")},
            "data.classes",
            "a multiclass task needs at least two classes",
            "",
        ),
        (
            {"data": DATA.format("task: multiclass, classes: [a, b, a]")},
            "data.classes",
            "duplicate class names: a",
            "",
        ),
        (
            {"data": DATA.format("task: multilabel, classes: [dark hair, Dark_hair]")},
            "data.classes",
            "the classes 'dark hair' and 'Dark_hair' would have files of the same name: rename one",
            "",
        ),
        (
            {"data": DATA.format("task: multilabel, classes: []")},
            "data.classes",
            "a multilabel task needs at least one class",
            "",
        ),
        (
            {"data": DATA.format("ignore_index: 1")},
            "data.ignore_index",
            "1 is a class of this task (0 to 1): choose another value; data.labels: {..., ignore: 1} ignores",
            "",
        ),
        (
            {"data": DATA.format("bands: [3, 2], normalize: {mean: [0.5], std: [0.5]}")},
            "data.normalize",
            "mean and std need one value for each of the 2 channels",
            "",
        ),
        (
            {"data": DATA.format("channels: 0")},
            "data.channels",
            "found 0, allowed: auto or a whole number from 1 to 1024",
            "",
        ),
        ({"data": DATA.format("bands: [1, 1]")}, "data.bands", "the band 1 is there twice", ""),
        (
            {"data": DATA.format("channels: 3, bands: [3, 2, 1]")},
            "data.bands",
            "there is no band 3: images have the bands 0 to 2",
            "",
        ),
        ({"data": DATA.format("range: [4000, 0]")}, "data.range", "4000 is not below 0", ""),
        (
            {"data": DATA.format("range: [16777216, 16777217]")},
            "data.range",
            "16777216 to 16777217 is no range of 32-bit numbers",
            "",
        ),
        (
            {"data": DATA.format("range: {percentile: [99, 1]}")},
            "data.range",
            "99 is not below 1",
            "",
        ),
        (
            {"data": DATA.format("channels: 3, range: [[0, 9], [0, 9]]")},
            "data.range",
            "found 2 pairs for 3 channels: write one for each, or one for all",
            "",
        ),
        (
            {"data": DATA.format("range: wide")},
            "data.range",
            'found "wide", allowed: auto, or a list of 2 numbers, or a list of one or more values, '
            "each a list of 2 numbers, or a mapping with percentile",
            "",
        ),
        (
            {"data": DATA.format("range: {percentil: [1, 99]}")},
            "data.range.percentil",
            "unknown key 'percentil', allowed: percentile",
            "did you mean 'percentile'?",
        ),
        (
            {"data": DATA.format("range: {percentile: [low, 99]}")},
            "data.range.percentile.0",
            'found "low", allowed: a list of 2 numbers, each from 0 to 100',
            "",
        ),
        ({"metrics": "[iou, dice, iou]"}, "metrics", "duplicate metrics: iou", ""),
        ({"name": "../elsewhere"}, "name", "'../elsewhere' is not a folder name", ""),
    ],
)
def test_a_mistake_is_told(
    tmp_path: Path, changed: dict[str, Any], path: str, problem: str, hint: str
) -> None:
    found = only_problem(written(tmp_path, **changed))
    assert (found.path, found.problem[: len(problem)]) == (path, problem)
    assert hint in found.hint
    assert bool(hint) == bool(found.hint)
    assert found.file == str(tmp_path / "recipe.yaml")
    assert found.line > 0


@pytest.mark.parametrize("name", ["best", "seconds", "image"])
def test_a_metric_with_the_name_of_another_column_is_refused(tmp_path: Path, name: str) -> None:
    METRICS.register(name)(lambda task: None)
    found = only_problem(written(tmp_path, metrics=name))
    assert (found.path, found.problem) == (
        "metrics", f"{name!r} cannot name a metric: it is another column of a run's files",
    )  # fmt: skip


def test_all_columns_of_the_epochs_are_taken() -> None:
    assert Epoch.model_fields.keys() < COLUMNS


def test_a_part_whose_default_breaks_its_own_type_is_blamed_itself(tmp_path: Path) -> None:
    from segkit.core.errors import PartError
    from segkit.core.registry import LOSSES
    from segkit.recipe import load_recipe

    @LOSSES.register("crooked")
    def crooked(task: object, *, sharpness: float = "much") -> None:  # type: ignore[assignment]
        """A loss that is wrong."""

    try:
        with pytest.raises(
            PartError, match=r"the default of option 'sharpness', 'much', does not match its type"
        ):
            load_recipe(written(tmp_path, loss="crooked"))
    finally:
        del LOSSES._entries["crooked"]


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"extends": "{long}.yaml"}, "extends"),
        ({"plugins": "[{long}]"}, "plugins"),
        ({"reference": "{{source: x, epochs: {long}}}"}, "reference.epochs"),
        (
            {"data": "{{source: {{name: folder, images: {long}, masks: m}}, size: [64, 64]}}"},
            "data.source.images",
        ),
    ],
)
def test_a_path_that_is_too_long_is_told_with_its_line(
    tmp_path: Path, changed: dict[str, str], path: str
) -> None:
    filled = {key: text.format(long="a" * 300) for key, text in changed.items()}
    found = only_problem(written(tmp_path, **filled))
    assert found.path == path
    assert found.problem.startswith("cannot access /")
    assert found.problem.endswith("File name too long")
    assert found.file == str(tmp_path / "recipe.yaml")
    assert found.line > 0


def test_a_recipe_s_own_name_may_be_too_long(tmp_path: Path) -> None:
    found = only_problem(tmp_path / ("a" * 300))
    assert found.problem == "cannot read the recipe: File name too long"
    assert found.hint.startswith("give the path of a .yaml file; these ship with segkit: camvid, ")
