import pytest
import torch

from segkit.core.errors import PartError
from segkit.core.types import Task
from segkit.parts.losses.overlap import dice
from segkit.parts.losses.pixelwise import bce
from segkit.parts.losses.weighted_sum import weighted_sum
from tests.parts.losses.cases import batch

BINARY = Task("binary", ("lesion",))


def test_weighted_sum_adds_weighted_losses_and_their_gradients():
    logits, target = batch("binary")
    logits.requires_grad_()
    parts = [(1.0, dice(BINARY)), (0.5, bce(BINARY))]
    total = weighted_sum(parts)(logits, target)
    torch.testing.assert_close(total, dice(BINARY)(logits, target) + 0.5 * bce(BINARY)(logits, target))
    (gradient,) = torch.autograd.grad(total, logits)
    each = [torch.autograd.grad(weight * loss(logits, target), logits)[0] for weight, loss in parts]
    torch.testing.assert_close(gradient, sum(each))


def test_weighted_sum_refuses_nothing_and_negative_weights():
    with pytest.raises(
        PartError, match="the list of losses is empty\n  try: name at least one, such as dice"
    ):
        weighted_sum([])
    with pytest.raises(PartError, match=r"a loss has the weight -1\.0"):
        weighted_sum([(1.0, dice(BINARY)), (-1.0, bce(BINARY))])
