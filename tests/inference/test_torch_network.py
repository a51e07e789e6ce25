"""Runs that predict: what they say of an image is what their scores were made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segkit.core.errors import SegkitError
from segkit.experiments.restore_run import open_trained
from segkit.inference.model_info import parse_model_info
from segkit.inference.postprocess import mask_of
from segkit.inference.torch_network import model_info, open_network
from segkit.models.dry_run import dry_run
from segkit.training.probabilities import probabilities_of
from tests.small_runs import recipe, unreported

TASKS = {
    "binary": [],
    "multiclass": ["data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=[dice, cross_entropy]"],
    "frozen": ["model.encoder.frozen=true"],
}


@pytest.fixture(
    scope="module",
    params=["binary", *(pytest.param(name, marks=pytest.mark.slow) for name in ("multiclass", "frozen"))],
)
def run(request, tmp_path_factory):
    directory, _ = unreported(tmp_path_factory.mktemp("run"), *TASKS[request.param])
    return directory


def test_a_run_predicts_the_masks_that_it_was_scored_by(run):
    network, trained = open_network(run), open_trained(run)
    task = network.info.task
    images = trained.assembly.splits["test"].images
    probabilities = network(np.stack([*images]))
    assert probabilities.dtype == np.float32
    samples = run.read_samples()
    names = trained.assembly.splits["test"].names
    for sample in samples:
        mask = mask_of(probabilities[names.index(sample.record.image)], task)
        assert (mask == sample.prediction).mean() > 0.999
    assert network.warnings == ()


def test_facts_are_those_of_recipe_and_run(run):
    facts = open_network(run).info
    assert (facts.name, facts.size, facts.channels) == ("small", (64, 64), 3)
    assert (facts.scored_on, facts.images) == ("test", 5)
    assert facts.scores == run.read_summary().scores.metrics
    assert parse_model_info(facts.as_json()) == facts


def test_mean_and_std_are_those_that_were_saved_with_the_weights(run):
    network = open_network(run)
    with torch.no_grad():
        network.model.mean.copy_(255 * torch.tensor([0.485, 0.1, 0.30000001]).view(1, 3, 1, 1))
    info = model_info(network.recipe, dry_run(network.recipe.model, network.recipe.data), network.model)
    assert info.mean == (0.485, 0.1, 0.3)
    assert info.std == network.info.std


def test_a_model_whose_weights_are_no_numbers_predicts_nothing(run):
    network = open_network(run)
    with torch.no_grad():
        network.model.head.bias.fill_(torch.nan)
    with pytest.raises(SegkitError) as caught:
        network(np.zeros((1, 64, 64, 3), np.uint8))
    assert str(caught.value) == (
        "small: the model's output is NaN, but probabilities are between 0 and 1\n"
        "  try: its weights are damaged or its training has diverged: use another model"
    )


def test_its_images_are_not_needed(run, monkeypatch):
    def gone(*given, **named):
        raise AssertionError("the images were looked for")

    monkeypatch.setattr("segkit.experiments.assembly.scan_samples", gone)
    monkeypatch.setattr("segkit.recipe.dataset.scan_samples", gone)
    assert open_network(run).info.images == 5


@pytest.mark.slow
def test_where_a_run_was_trained_decides_nothing(tmp_path):
    directory, _ = unreported(tmp_path, "training.epochs=1", "training.devices=2")
    there = directory.recipe.read_text().replace("accelerator: cpu", "accelerator: cuda")
    there = there.replace("num_nodes: 1", "num_nodes: 4")
    directory.recipe.write_text(there)
    network = open_network(directory, accelerator="cpu")
    assert network.fabric.device.type == "cpu"
    assert network(np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, 1, 64, 64)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named(tmp_path):
    directory, _ = unreported(tmp_path, "training.epochs=1")
    weights = directory.checkpoints / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(SegkitError, match="the checkpoint cannot be read"):
        open_network(directory)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_an_accelerator_that_is_not_there_is_told(run):
    with pytest.raises(SegkitError) as caught:
        open_network(run, accelerator="cuda")
    assert caught.value.problems[0].problem == (
        "training.accelerator: this machine has no cuda that torch can use"
    )


def test_probabilities_of_classes():
    logits = torch.tensor([[[[1.0]], [[2.0]], [[-1.0]]]])
    from segkit.core.types import Task

    multiclass = probabilities_of(logits, Task("multiclass", ("a", "b", "c")))
    assert float(multiclass.sum()) == pytest.approx(1)
    multilabel = probabilities_of(logits, Task("multilabel", ("a", "b", "c")))
    assert multilabel.flatten().tolist() == pytest.approx([0.7311, 0.8808, 0.2689], abs=1e-4)


@pytest.mark.parametrize(
    ("overrides", "multiple"),
    [
        ([], 1),
        (["model.decoder=unet"], 1),
        (["model.decoder=fpn"], 32),
    ],
)
def test_sizes_that_a_model_takes(tmp_path, overrides, multiple):
    small = recipe(tmp_path, *overrides)
    assert dry_run(small.model, small.data).size_multiple == multiple


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("format", 4, "format: Input should be 1, 2 or 3"),
        ("classes", [], "classes: Tuple should have at least 1 item after validation, not 0"),
        ("size", [0, 5], "size.0: Input should be greater than or equal to 1"),
        ("task", "detection", "task: Input should be 'binary', 'multiclass' or 'multilabel'"),
        ("channels", 0, "channels: Input should be greater than or equal to 1"),
        ("channels", 1025, "channels: Input should be less than or equal to 1024"),
        ("bands", [0, 3], "facts: band 3 is none of the channels 0 to 2"),
        ("bands", [0] * 1025, "bands: Tuple should have at most 1024 items after validation, not 1025"),
        ("range", [[0, 1]], "facts: 1 ranges do not fit 3 channels"),
        ("range", [[0, 1], [0, 1], [1, 0]], "facts: 1 to 0 is not a range of float32 numbers"),
        ("range", [[1e8, 1e8 + 1]] * 3, "facts: 1e+08 to 1e+08 is not a range of float32 numbers"),
        ("range", [[0, 1e39]] * 3, "facts: 0 to 1e+39 is not a range of float32 numbers"),
        ("range", [[0, float("nan")]] * 3, "range.0.1: Input should be a finite number"),
        ("rgb", [0, 1, 3], "facts: rgb [0, 1, 3] are not three of the 3 channels"),
        ("rgb", [0, 1], "facts: rgb [0, 1] are not three of the 3 channels"),
    ],
)
def test_facts_of_a_strange_file_are_refused(run, key, value, problem):
    plain = {**open_network(run).info.as_json(), key: value}
    with pytest.raises(ValueError, match=problem.split(":")[0]) as caught:
        parse_model_info(plain)
    assert str(caught.value) == problem
