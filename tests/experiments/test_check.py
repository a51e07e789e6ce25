"""What can be known before training, all at once."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from segkit.core.errors import SegkitError
from segkit.core.registry import DECODERS
from segkit.experiments.check import check
from segkit.experiments.run import run
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
        "data.size=[72, 88]",
        "loss={name: bce}",
        "metrics={name: iou, classes: [hair]}",
        "optimizer={name: sgd, lr: 0.1, nesterov: true, momentum: 0}",
        "training.accelerator=cuda",
        "data.augment=[{name: RandomRotate90, p: 0.1}]",
    )
    with pytest.raises(SegkitError) as caught:
        check(wrong)
    text = str(caught.value)
    for part in (
        "this machine has no cuda",
        "there are no images to score",
        "fpn on mobilenetv2_050 does not work on images of 72x88",
        "classes: a binary task has one class only",
        "nesterov needs a momentum",
        "data.augment.0: RandomRotate90 changes the shape",
    ):
        assert part in text
    assert len(caught.value.problems) == 6
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


def test_classes_that_a_split_lacks_are_told(tmp_path):
    values = {"train": [[0, 1], [0, 2]], "val": [[0, 1]], "test": [[0, 2], [0, 2]]}
    for split, masks in values.items():
        for folder in ("images", "masks"):
            (tmp_path / folder / split).mkdir(parents=True)
        for number, mask in enumerate(masks):
            image = np.full((32, 32, 3), 40 * number + len(split), np.uint8)
            Image.fromarray(image).save(tmp_path / f"images/{split}/{number}.png")
            rows = np.array(mask, np.uint8).repeat(16)[:, None].repeat(32, 1)
            Image.fromarray(rows).save(tmp_path / f"masks/{split}/{number}.png")
    source = f"data.source={{name: folder, images: {tmp_path}/images, masks: {tmp_path}/masks}}"
    classes = ["data.task=multiclass", "data.classes=[skin, lesion, hair, nail]", "loss=cross_entropy"]
    report = check(recipe(tmp_path, source, *classes, "data.size=[32, 32]"))
    told = "so that no score says how well it is found: score images that have it, for example with another"
    assert [warning for warning in report.warnings if warning.startswith("The class ")] == [
        "The class 'nail' is in no training image and cannot be learnt: add training images with it, or "
        "leave it out of data.classes.",
        f"The class 'hair' is not in the ground truth of the 1 val image, {told} data.split.",
        f"The class 'lesion' is in the ground truth of none of the 2 test images, {told} data.split.",
    ]


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


# Parts that are tried


@pytest.fixture
def told_of(tmp_path):
    """What check says of a recipe with parts of these lines."""

    def told_of(text, *overrides):
        plugin = tmp_path / "mine.py"
        plugin.write_text(f"import torch\nfrom segkit import OPTIMIZERS, SCHEDULES, TRANSFORMS\n\n{text}")
        chosen = recipe(tmp_path, f"plugins=[{plugin}]", *overrides)
        with pytest.raises(SegkitError) as caught:
            check(chosen)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return told_of


TRANSFORM = '''\
@TRANSFORMS.register("mine")
def mine(*, p: float = 0.5):
    """Something rare."""
    def apply(image, mask, rng):
        if rng.random() < p:
            {body}
        return image, mask
    return apply
'''
SHAPE = "uint8 (64, 64, 3)"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("image = image[1:]", f"transform 'mine' changes the image from {SHAPE} to uint8 (63, 64, 3)\n"),
        ("mask = mask / 2", "transform 'mine' changes the mask from uint8 (64, 64) to float64 (64, 64)\n"),
        ("image = torch.zeros(3)", f"transform 'mine' changes the image from {SHAPE} to a Tensor\n"),
        ("mask = mask * 7", "transform 'mine' gives masks the values 7, which are no classes\n"),
        (
            "return image",
            "mine.py:4: data.augment.0: transform 'mine' returns a ndarray\n  try: return",
        ),
        (
            "image.flip()",
            "mine.py:9: data.augment.0: transform 'mine' fails: AttributeError: 'numpy",
        ),
    ],
)
def test_every_transform_is_tried_on_an_image(told_of, body, told):
    assert told in told_of(TRANSFORM.format(body=body), "data.augment=[{name: mine, p: 0.01}]")


def test_transforms_that_do_not_fit_the_images_are_told_together(tmp_path):
    augment = "data.augment=[{name: RandomRotate90, p: 0.1}, HorizontalFlip, {name: Transpose, p: 0.1}]"
    with pytest.raises(SegkitError) as caught:
        check(recipe(tmp_path, augment, "data.size=[64, 96]", "data.channels=1"))
    assert [(problem.path, problem.problem.partition(":")[0]) for problem in caught.value.problems] == [
        ("data.augment.0", "RandomRotate90 changes the shape of images from (64, 96, 1) to (96, 64, 1)"),
        ("data.augment.2", "Transpose changes the shape of images from (64, 96, 1) to (96, 64, 1)"),
    ]


def test_a_transform_that_is_switched_off_is_not_tried_on_images(tmp_path):
    check(recipe(tmp_path, "data.augment=[{name: RandomRotate90, p: 0}]", "data.size=[64, 96]"))


def test_a_transform_that_is_switched_off_is_built_as_in_a_run(tmp_path):
    augment = "data.augment=[{name: GaussNoise, std_range: [2, 3], p: 0}]"
    for attempt in (check, lambda chosen: list(run(chosen, tmp_path / "runs"))):
        with pytest.raises(SegkitError, match=r"data\.augment\.0: GaussNoise: std_range: All values in"):
            attempt(recipe(tmp_path, augment))
    assert not (tmp_path / "runs").exists()


def test_a_transform_that_refuses_its_probability_is_told(told_of):
    refusing = TRANSFORM.format(body="pass").replace("    def apply", "    assert p > 0.5, p\n    def apply")
    told = "data.augment.0: transform 'mine' cannot be built: AssertionError: 0.2"
    assert told in told_of(refusing, "data.augment=[{name: mine, p: 0.2}]")


def test_a_run_says_the_same_before_it_makes_a_directory(tmp_path):
    augment = "data.augment=[{name: RandomRotate90, p: 0.01}]"
    with pytest.raises(SegkitError, match=r"data\.augment\.0: RandomRotate90 changes the shape"):
        list(run(recipe(tmp_path, augment, "data.size=[64, 96]"), tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


GIVEN = "optimizer, epochs, steps_per_epoch"
FAILING = """class Failing(torch.optim.SGD):
        def step(self, closure=None):
            1 / 0
    return Failing([{**group, 'lr': 1.0} for group in groups])"""


@pytest.mark.parametrize(
    ("kind", "arguments", "body", "told"),
    [
        ("schedule", GIVEN, "1 / 0", "mine.py:7: schedule 'mine' cannot be built: ZeroDivisionError"),
        (
            "schedule",
            GIVEN,
            "pass",
            "mine.py:4: schedule 'mine' is built as a NoneType\n  try: return",
        ),
        (
            "optimizer",
            "groups",
            "pass",
            "mine.py:4: optimizer 'mine' is built as a NoneType\n  try: return",
        ),
        ("optimizer", "groups", FAILING, "mine.py:9: optimizer 'mine' fails: ZeroDivisionError"),
    ],
)
def test_optimizer_and_schedule_are_tried(told_of, kind, arguments, body, told):
    text = f'@{kind.upper()}S.register("mine")\ndef mine({arguments}):\n    """Mine."""\n    {body}\n'
    assert told in told_of(text, f"{kind}=mine")


def test_a_decoder_that_only_numbers_show_to_fail_is_told(told_of):
    text = '''\
from torch import nn
from segkit import DECODERS

@DECODERS.register("mine")
class Mine(nn.Conv2d):
    """Mine."""
    def __init__(self, pyramid):
        super().__init__(pyramid.channels[-1], 8, 1)
    def forward(self, features):
        return super().forward(features[-1]).sigmoid().add_(1)
'''
    told = told_of(text, "model.decoder=mine")
    assert told.startswith(
        "mine.py:7: mine on test_resnet fails in a training step: RuntimeError: one of the"
    )


def test_maps_that_are_larger_than_the_image_are_told(tmp_path):
    chosen = recipe(tmp_path, "model.decoder={name: transposed_conv, channels: [8, 8, 8, 8, 8, 8]}")
    told = "transposed_conv gives maps of 128x128 for images of 64x64. They are scaled down: with options"
    assert told in str(check(chosen).warnings)


def test_windows_that_do_not_suit_the_images_are_told(tmp_path):
    report = check(recipe(tmp_path, "data.fit=crop", "data.size=[128, 128]", "metrics=[iou, hd95]"))
    assert report.stages[-1].shape[-2:] == (128, 128)
    assert "data.size: [128, 128] is larger than most training images" in report.warnings[0]
    with pytest.raises(SegkitError, match=r"data\.scale: training image lesion_train_0000 has 6x6 pixels"):
        check(recipe(tmp_path, "data.fit=crop", "data.scale=0.1"))
