"""What may change of a run that has begun, and in which words the rest is refused."""

import pytest
import yaml

from segkit.core.errors import SegkitError
from segkit.core.paths import quoted
from segkit.experiments.run_recipe import (
    CHANGEABLE,
    changes_since,
    check_changes,
    check_files,
    edits,
    load_run_recipe,
)
from segkit.recipe import dump_recipe, load_recipe, plain_recipe
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Environment
from tests.small_runs import RECIPE, recipe

FOLDER = RECIPE.replace(
    "{name: synthetic_lesions, train: 10, test: 5, size: 64}",
    "{name: folder, images: images, masks: masks}\n  split: {by: fraction, val: 0.5}",
)


@pytest.fixture
def run(tmp_path):
    """A run that has begun, so far without training."""
    directory = RunDir.create(tmp_path / "my runs", "small")
    begun = recipe(tmp_path)
    directory.write_environment(Environment(recipe=plain_recipe(begun)))
    directory.write_recipe(dump_recipe(begun))
    return directory


def edit(run, path, value):
    """Change a value in the run's recipe.yaml."""
    content = yaml.safe_load(run.recipe.read_text(encoding="utf-8"))
    *keys, last = path.split(".")
    place = content
    for key in keys:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    run.recipe.write_text(yaml.safe_dump(content), encoding="utf-8")


def refusal(run, *overrides):
    with pytest.raises(SegkitError) as raised:
        check_changes(run, load_run_recipe(run, overrides), overrides)
    (problem,) = raised.value.problems
    return problem


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("optimizer.lr", 0.1, "optimizer.lr is 0.1, it was 0.01"),
        ("optimizer.weight_decay", 0.5, "optimizer.weight_decay is 0.5, it was 0.01"),
        ("loss.1.weight", 2, "loss.1.weight is 2.0, it was 1.0"),
        ("loss", ["dice"], "loss is [dice], it was [dice, bce]"),
        ("data.augment.0.p", 0.1, "data.augment.0.p is 0.1, it was 0.5"),
        ("data.augment", [], "data.augment is [], it was [HorizontalFlip]"),
        ("data.size", [32, 32], "data.size is [32, 32], it was [64, 64]"),
        ("data.source.seed", 7, "data.source.seed is 7, it was 0"),
        ("model.decoder", "unet", "model.decoder is unet, it was transposed_conv"),
        ("training.clip_grad_norm", 1, "training.clip_grad_norm is 1.0, it was null"),
        ("seed", 4, "seed is 4, it was 3"),
        ("metrics", ["dice", "iou"], "metrics.0 is dice, it was iou; metrics.1 is iou, it was dice"),
    ],
)
def test_an_edit_that_affects_results_is_named(run, path, value, words):
    edit(run, path, value)
    problem = refusal(run)
    assert problem.problem == f"the recipe has been edited since the run began: {words}"
    assert problem.file == str(run.recipe)
    assert problem.hint == f"undo this, or start a new run: segkit run {quoted(run.recipe)}"


def test_an_edit_of_what_may_change_leads_to_the_option(run):
    edit(run, "training.epochs", 5)
    edit(run, "training.devices", 2)
    problem = refusal(run)
    assert (
        problem.hint == f"segkit resume {quoted(run.path)} --set training.epochs=5 --set training.devices=2"
    )
    named = ["training.epochs=5", "training.devices=2"]
    check_changes(run, load_run_recipe(run, named), named)
    edit(run, "optimizer.lr", 0.1)
    assert refusal(run, *named).problem.endswith("since the run began: optimizer.lr is 0.1, it was 0.01")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("description", "better"), ("name", "other"), ("reference", {"source": "me"}), ("data.workers", 1),
        ("data.cache", False), ("training.checkpoint_seconds", 1),
    ],
)  # fmt: skip
def test_an_edit_without_effect_on_results_is_accepted(run, path, value):
    edit(run, path, value)
    check_changes(run, load_run_recipe(run), ())
    assert edits(run, load_run_recipe(run)) == []


def test_comments_and_other_notations_are_no_edit(run):
    text = run.recipe.read_text(encoding="utf-8").replace("lr: 0.01", "lr: 1e-2  # as published")
    run.recipe.write_text(text, encoding="utf-8")
    assert changes_since(run.read_environment(), load_run_recipe(run), run) == []


@pytest.mark.parametrize("path", CHANGEABLE)
def test_what_may_change_is_in_a_recipe(run, path):
    section, key = path.split(".")
    assert key in plain_recipe(load_run_recipe(run))[section]


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("optimizer.lr=0.1", "optimizer.lr"),
        ("optimizer={name: adamw, lr: 0.1}", "optimizer.lr"),
        ("loss=bce", "loss"),
        ("loss.0.weight=3", "loss.0.weight"),
        ("seed=1", "seed"),
        ("model.decoder=unet", "model.decoder"),
        ("data.batch_size=2", "data.batch_size"),
        ("data.source.seed=9", "data.source.seed"),
        ("training.ema_decay=0.9", "training.ema_decay"),
        ("training.early_stopping_epochs=3", "training.early_stopping_epochs"),
        ("name=other", "name"),
    ],
)
def test_an_override_of_anything_else_is_refused(run, override, path):
    problem = refusal(run, override, "training.epochs=5")
    assert problem.problem == f"--set cannot change {path} of a run that has begun"
    assert problem.file == str(run.path)
    assert problem.hint.startswith("it can change training.epochs, training.accelerator, ")
    assert problem.hint.endswith(f"Or start a new run: segkit run {quoted(run.recipe)} --set ...")


def test_paths_of_data_may_change_and_its_other_options_may_not(tmp_path):
    file = tmp_path / "folder.yaml"
    file.write_text(FOLDER, encoding="utf-8")
    begun = load_recipe(file)
    run = RunDir.create(tmp_path / "runs", "small")
    run.write_environment(Environment(recipe=plain_recipe(begun)))
    run.write_recipe(dump_recipe(begun))
    moved = [f"data.source.{name}={tmp_path / 'moved' / name}" for name in ("images", "masks")]
    check_changes(run, load_run_recipe(run, moved), moved)
    assert edits(run, load_run_recipe(run, moved)) == []
    edit(run, "data.source.images", str(tmp_path / "moved" / "images"))
    hint = f"segkit resume {run.path} --set data.source.images={tmp_path / 'moved' / 'images'}"
    assert refusal(run).hint == hint
    with pytest.raises(SegkitError) as raised:
        check_files(run, begun)
    (problem,) = raised.value.problems
    folders = [tmp_path / "images", tmp_path / "masks"]
    assert problem.problem == f"files of this run do not exist any more: {folders[0]}, {folders[1]}"
    options = "--set data.source.images=... --set data.source.masks=..."
    assert problem.hint == f"if they have moved, say where to: segkit resume {run.path} {options}"
    for folder in folders:
        folder.mkdir()
    check_files(run, begun)
    assert "data.split.val" in refusal(run, "data.split.val=0.2").problem


def test_weights_that_have_moved(run, tmp_path):
    begun = {**plain_recipe(load_run_recipe(run))}
    begun["model"]["encoder"]["weights"] = str(tmp_path / "a.pth")
    then = Environment(recipe=begun)
    moved, other = (
        changes_since(then, load_run_recipe(run, [f"model.encoder.weights={weights}"]), run)
        for weights in (tmp_path / "b.pth", "none")
    )
    assert [(change.path, change.is_allowed) for change in moved] == [("model.encoder.weights", True)]
    assert [(change.path, change.is_allowed) for change in other] == [("model.encoder.weights", False)]
    gone = load_run_recipe(run, [f"model.encoder.weights={tmp_path / 'a.pth'}"])
    with pytest.raises(SegkitError, match=r"files of this run do not exist any more: .*a\.pth"):
        check_files(run, gone)


def test_a_run_of_an_earlier_version_has_overrides_checked(run):
    run.write_environment(Environment())
    check_changes(run, load_run_recipe(run), ())
    assert refusal(run, "seed=1").problem == "--set cannot change seed of a run that has begun"


def test_a_damaged_record_is_named(run):
    run.write_environment(Environment(recipe={"name": 3}))
    problem = refusal(run)
    assert problem.file == str(run.environment)
    assert problem.problem.startswith("the file is damaged: recipe: ")
