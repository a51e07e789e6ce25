"""Weights that the training masks decide: the rule, and a run that repeats them."""

from pathlib import Path

import pytest

from segkit.core.errors import PartError, SegkitError
from segkit.core.events import RunStarted
from segkit.core.types import Task
from segkit.data.class_counts import ClassCounts
from segkit.experiments.objectives import build_loss
from segkit.experiments.run import run
from segkit.parts.losses.pixelwise import bce, cross_entropy, focal
from segkit.recipe import load_recipe
from segkit.recipe.balanced_weights import with_numbers
from segkit.recipe.part_schema import LossPart
from segkit.runs.run_dir import RunDir
from tests.small_runs import light_report, recipe

BINARY = Task("binary", ("disc",))
MULTICLASS = Task("multiclass", ("ground", "disc", "rim"))
MULTILABEL = Task("multilabel", ("disc", "rim"))


def counts(task: Task, *pixels: int, known: int = 1000) -> ClassCounts:
    names = ("background", "disc") if task.kind == "binary" else task.classes
    return ClassCounts(names, pixels, pixels, (known,) * len(names), 0)


@pytest.mark.parametrize(
    ("task", "option", "pixels", "weights"),
    [
        (MULTICLASS, "class_weights", (900, 99, 1), (0.00329637, 0.029967, 2.96674)),
        (MULTICLASS, "class_weights", (750, 250, 0), (0.5, 1.5, 1.0)),
        (MULTILABEL, "class_weights", (750, 250), (0.5, 1.5)),
        (BINARY, "pos_weight", (999, 1), 999.0),
        (BINARY, "pos_weight", (1000, 0), 1.0),
        (MULTILABEL, "pos_weight", (250, 1000), (3.0, 1.0)),
        (BINARY, "alpha", (999, 1), 0.999),
        (MULTILABEL, "alpha", (250, 0), (0.75, 0.5)),
    ],
)
def test_balanced_weights_follow_the_rule(task, option, pixels, weights):
    part = LossPart(name="any", **{option: "balanced"})
    found = with_numbers(part, task, counts(task, *pixels)).options[option]
    assert found == (weights if isinstance(weights, float) else pytest.approx(weights, rel=1e-5))


def test_balanced_loss_is_tried_with_equal_weights_before_masks_are_read():
    part = LossPart(name="cross_entropy", class_weights="balanced", label_smoothing=0.0)
    assert with_numbers(part, MULTICLASS).options["class_weights"] == (1, 1, 1)
    build_loss(part, MULTICLASS)
    assert with_numbers(LossPart(name="dice"), MULTICLASS) == LossPart(name="dice")


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (
            lambda: cross_entropy(MULTICLASS, class_weights="balanced"),
            "class_weights: balanced weights are counted",
        ),
        (
            lambda: bce(BINARY, pos_weight="balanced"),
            "pos_weight: balanced weights are counted in the training",
        ),
        (
            lambda: focal(BINARY, alpha="balanced"),
            "alpha: balanced weights are counted in the training masks",
        ),
        (
            lambda: bce(MULTILABEL, pos_weight=(1.0,)),
            "pos_weight: 1 weights for 2 classes\n  try: give one for each",
        ),
        (lambda: focal(MULTILABEL, alpha=(0.1, 0.2, 0.3)), "alpha: 3 weights for 2 classes"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(build, problem):
    with pytest.raises(PartError, match=problem):
        build()


def test_binary_class_weights_name_the_options_that_balance(tmp_path):
    balanced = recipe(tmp_path, "loss={name: dice, class_weights: balanced}")
    with pytest.raises(
        SegkitError, match=r"a binary task has only one class\n  try: balance it .* pos_weight: bal"
    ):
        build_loss(balanced.loss[0], balanced.data.goal)


def test_run_writes_the_weights_and_repeats_them(tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.experiments.recorder.write_report", light_report)
    given = recipe(tmp_path, "loss={name: bce, pos_weight: balanced}", "training.epochs=1")
    started, directory = _started(given, tmp_path / "runs")
    environment = directory.read_environment()
    pixels, images = environment.class_pixels, environment.class_images
    assert sum(pixels.values()) == 10 * 64 * 64
    assert images == {"background": 10, "foreground": 10}
    weight = float(f"{pixels['background'] / pixels['foreground']:.6g}")
    assert started.weights == f"bce pos_weight: foreground {weight:.3g}"
    again = load_recipe(directory.recipe)
    assert again.loss[0].options["pos_weight"] == weight
    restarted, repeated = _started(again, tmp_path / "again")
    assert restarted.weights == ""
    assert repeated.weights.read_bytes() == directory.weights.read_bytes()


def _started(given, runs: Path) -> tuple[RunStarted, RunDir]:
    events = [*run(given, runs)]
    started = next(event for event in events if isinstance(event, RunStarted))
    return started, RunDir.open(started.directory)
