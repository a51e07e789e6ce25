"""What can be known before training, all at once."""

import json

import pytest
import torch
from safetensors.torch import save_file

from segkit.core.errors import SegkitError
from segkit.core.registry import DECODERS
from segkit.experiments.check import check
from tests.small_runs import recipe


def test_recipe_that_can_run(tmp_path):
    report = check(recipe(tmp_path))
    assert report.recipe == "small"
    assert report.images == {"train": 10, "test": 5}
    assert [stage.part for stage in report.stages][-2:] == ["decoder", "head"]
    assert len(report.warnings) == 1
    assert json.loads(json.dumps(report.as_json()))["images"] == {"train": 10, "test": 5}


def test_everything_that_is_wrong_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wrong = recipe(
        tmp_path,
        "data.source.test=0",
        "model.decoder={name: fpn}",
        "model.encoder.name=mobilenetv2_050",
        "data.size=[72, 72]",
        "loss={name: bce}",
        "metrics={name: iou, classes: [hair]}",
        "optimizer={name: sgd, lr: 0.1, nesterov: true, momentum: 0}",
        "training.accelerator=cuda",
    )
    with pytest.raises(SegkitError) as caught:
        check(wrong)
    text = str(caught.value)
    for part in (
        "this machine has no cuda",
        "there are no images to score",
        "fpn on mobilenetv2_050 does not work on images of 72x72",
        "classes: a binary task has one class only",
        "nesterov needs a momentum",
    ):
        assert part in text
    assert len(caught.value.problems) == 5
    assert caught.value.exit_code == 2


def test_nothing_is_said_twice(tmp_path):
    wrong = recipe(tmp_path, "metrics=[{name: iou, classes: [hair]}, {name: dice, classes: [hair]}]")
    with pytest.raises(SegkitError) as caught:
        check(wrong)
    assert len(caught.value.problems) == 1


def test_weights_that_a_run_would_download_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    chosen = recipe(tmp_path, "model.encoder={name: mobilenetv2_100, weights: imagenet1k_v1}")
    assert check(chosen).warnings[-1] == (
        "The weights imagenet1k_v1 of mobilenetv2_100 are not on this machine: a run will download them."
    )


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ("imagenet99k", "mobilenetv2_100 has no weights 'imagenet99k'"),
        ("my.pth", "there is no such weights file"),
    ],
)
def test_weights_that_are_none_are_told(tmp_path, weights, problem):
    chosen = recipe(tmp_path, f"model.encoder={{name: mobilenetv2_100, weights: {weights}}}")
    with pytest.raises(SegkitError, match=problem):
        check(chosen)


def test_weights_of_another_encoder_are_told(tmp_path):
    weights = tmp_path / "weights.safetensors"
    save_file({"conv.weight": torch.zeros(1)}, weights)
    chosen = recipe(tmp_path, f"model.encoder={{name: mobilenetv2_100, weights: {weights}}}")
    with pytest.raises(SegkitError, match="the weights do not fit mobilenetv2_100"):
        check(chosen)


def test_files_at_fault_in_every_split_are_told(tmp_path):
    for split in ("train", "test"):
        for folder in ("images", "masks"):
            (tmp_path / folder / split).mkdir(parents=True)
            (tmp_path / folder / split / "a.png").write_text("no image")
    chosen = recipe(
        tmp_path, f"data.source={{name: folder, images: {tmp_path}/images, masks: {tmp_path}/masks}}"
    )
    with pytest.raises(SegkitError) as caught:
        check(chosen)
    told = {problem.file.removeprefix(f"{tmp_path}/") for problem in caught.value.problems}
    assert told == {
        f"{folder}/{split}/a.png" for split in ("train", "test") for folder in ("images", "masks")
    }


def test_part_that_fails_while_it_is_built_is_named_with_its_line(tmp_path):
    plugin = tmp_path / "wrong.py"
    plugin.write_text(
        "from segkit import DECODERS\n\n"
        '@DECODERS.register("wrong")\n'
        "def wrong(pyramid, *, width: int = 3):\n"
        '    """Fails.\n\n    Args:\n        width: of it.\n    """\n'
        "    return wdith\n"
    )
    try:
        chosen = recipe(tmp_path, f"plugins=[{plugin}]", "model.decoder={name: wrong}")
        with pytest.raises(SegkitError, match="decoder 'wrong' cannot be built: NameError") as caught:
            check(chosen)
        assert caught.value.problems[0].file == f"{plugin}:10"
    finally:
        DECODERS._entries.pop("wrong", None)
