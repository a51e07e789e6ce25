"""lovasz: segmentation-models-pytorch, and the Jaccard index itself, as judges."""

import pytest
import torch
from segmentation_models_pytorch import losses as smp

from segkit.parts.losses.lovasz import lovasz
from tests.parts.losses.cases import TASKS, VOID, batch


@pytest.mark.parametrize("over", ["image", "batch"])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_lovasz_agrees_with_smp(kind, over):
    logits, target = batch(kind)
    target[0, :3] = VOID
    target[1] = 0
    judge = smp.LovaszLoss(kind, per_image=over == "image", ignore_index=VOID)
    torch.testing.assert_close(lovasz(TASKS[kind], over=over)(logits, target), judge(logits, target))


def test_lovasz_of_a_multilabel_task_is_the_mean_over_its_classes():
    logits, target = batch("multilabel")
    binary = lovasz(TASKS["binary"])
    each = [binary(logits[:, k : k + 1], target[:, k]) for k in range(3)]
    torch.testing.assert_close(lovasz(TASKS["multilabel"])(logits, target), torch.stack(each).mean())


def test_lovasz_of_certain_probabilities_is_one_minus_iou():
    target = torch.tensor([[[0, 1], [1, 1]]])
    predicted = torch.tensor([[[1, 1], [1, 0]]])  # skin: 0 of 2; lesion: 2 of 4
    logits = torch.nn.functional.one_hot(predicted, 3).permute(0, 3, 1, 2) * 100.0
    assert float(lovasz(TASKS["multiclass"])(logits, target)) == pytest.approx((1 + 0.5) / 2)
