"""Scores do not depend on how the images are dealt."""

import math

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from segkit.core.errors import TrainingError
from segkit.core.types import Metric, Task
from segkit.data.batches import Batch, EvalBatches
from segkit.experiments.assembly import assemble
from segkit.training.count_pixels import predict_mask
from segkit.training.evaluate import evaluate, predict_logits
from tests.small_runs import recipe

BINARY = Task("binary", ("foreground",))
FABRIC = Fabric(accelerator="cpu", devices=1)
METRICS = (
    "[miou, iou, dice, iou_dataset, iou_soft, dice_soft, thresholded_iou, pixel_accuracy, sensitivity, "
    "specificity, boundary_iou, hd95]"
)


class Pixel(nn.Module):
    """Logits are the first channel, less 100."""

    def forward(self, image):
        return image[:, :1].float() - 100


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.encoder.name=mobilenetv2_050"],
        ["model.decoder={name: unet, channels: [8, 8, 8, 8, 8]}"],
        ["data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=[dice, cross_entropy]"],
    ],
    ids=["mobilenet", "unet", "multiclass"],
)
def test_scores_are_the_same_for_every_batch_size(tmp_path, overrides):
    assembly = assemble(recipe(tmp_path, "data.source.test=7", f"metrics={METRICS}", *overrides))
    test = assembly.splits["test"]

    def scores(batch_size):
        batches = EvalBatches(test.images, test.masks, batch_size)
        return evaluate(assembly.model, batches, assembly.task, assembly.metrics, assembly.loss, FABRIC)

    expected = scores(16)
    for batch_size in (1, 3, 6):  # 3 and 6 leave one image over
        found = scores(batch_size)
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        for name, values in expected.per_image.items():
            tolerance = 1e-6 if name.endswith("_soft") else 0
            assert found.per_image[name] == pytest.approx(values, rel=tolerance, abs=0, nan_ok=True), name
            assert found.metrics[name] == pytest.approx(expected.metrics[name], rel=tolerance, nan_ok=True)


def batches(*values, size=2):
    """Grey images of one value each; the true mask is set everywhere."""
    image = torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    target = torch.ones(len(values), 4, 4, dtype=torch.uint8)
    for start in range(0, len(values), size):
        part = slice(start, start + size)
        yield Batch(image[part], target[part], list(range(len(values)))[part])


def test_loss_is_the_mean_over_images_taken_alone():
    def largest(logits, target):
        return logits.max()

    assert evaluate(Pixel(), batches(110, 120, 160), BINARY, {}, largest, FABRIC).loss == 30


def test_undefined_scores_stay_out_of_the_mean():
    def per_image(logits, target):
        found = logits.mean(dim=(1, 2, 3))
        return torch.where(found > 0, found, torch.nan)[:, None]

    done = []
    scores = evaluate(
        Pixel(), batches(110, 90, 130), BINARY, {"score": Metric(per_image)},
        lambda logits, target: logits.sum(), FABRIC, done.append,
    )  # fmt: skip
    assert scores.metrics == {"score": 20}
    first, second, third = scores.per_image["score"]
    assert (first, third) == (10, 30)
    assert math.isnan(second)
    assert done == [2, 3]


def test_too_little_memory_is_said_in_the_words_of_the_recipe():
    def large(logits, target):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    message = (
        "the device has too little memory to score 2 images at once\n  try: a smaller data.eval_batch_size"
    )
    with pytest.raises(TrainingError, match=message):
        evaluate(Pixel(), batches(110, 120), BINARY, {}, large, FABRIC)


def test_model_is_scored_and_left_in_evaluation_mode():
    model = nn.Sequential(Pixel(), nn.Dropout(0.5)).train()
    assert evaluate(model, batches(101), BINARY, {}, lambda logits, target: logits.mean(), FABRIC).loss == 1
    assert not model.training


def test_single_image_goes_through_in_company_and_comes_out_alone():
    sizes = []
    model = Pixel()
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    (batch,) = batches(150)
    assert predict_logits(model, batch.image, FABRIC).shape == (1, 1, 4, 4)
    assert sizes == [2]


def test_losses_and_metrics_see_float32_in_mixed_precision():
    kinds = []

    def loss(logits, target):
        kinds.append((logits.dtype, torch.is_autocast_enabled("cpu")))
        return logits.mean()

    mixed = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    evaluate(nn.Sequential(Pixel(), nn.Conv2d(1, 1, 1)), batches(101), BINARY, {}, loss, mixed)
    assert kinds == [(torch.float32, False)]


@pytest.mark.parametrize(
    ("task", "logits", "mask"),
    [
        (Task("binary", ("lesion",)), [-1.0], 0),
        (Task("binary", ("lesion",)), [0.5], 1),
        (Task("multiclass", ("skin", "lesion", "hair")), [0.1, -1.0, 0.7], 2),
        (Task("multilabel", ("lesion", "hair")), [0.1, 0.7], [1, 1]),
        (Task("multilabel", ("lesion", "hair")), [-0.1, -0.7], [0, 0]),
    ],
)
def test_masks_are_the_integers_of_the_task(task, logits, mask):
    found = predict_mask(torch.tensor(logits).view(1, -1, 1, 1), task)
    assert found[0, ..., 0, 0].tolist() == mask
