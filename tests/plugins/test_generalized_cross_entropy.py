"""generalized_cross_entropy: the formula of the paper, and its limit."""

from pathlib import Path

import pytest
import torch

from segkit.core.plugins import load_plugin
from segkit.core.registry import LOSSES
from segkit.core.types import Task


@pytest.fixture(autouse=True)
def plugin():
    load_plugin(Path(__file__).parents[2] / "plugins" / "generalized_cross_entropy")


@pytest.mark.parametrize("truth", [0, 1])
def test_one_pixel_has_the_loss_of_the_paper(truth):
    loss = LOSSES.get("generalized_cross_entropy").factory(Task("binary", ("lesion",)), q=0.5)
    logit = torch.tensor(0.8)
    p = logit.sigmoid() if truth else 1 - logit.sigmoid()
    value = loss(logit.view(1, 1, 1, 1), torch.full((1, 1, 1), truth))
    torch.testing.assert_close(value, (1 - p**0.5) / 0.5)


def test_q_near_0_is_cross_entropy():
    task = Task("multiclass", ("skin", "lesion", "hair"))
    loss = LOSSES.get("generalized_cross_entropy").factory(task, q=1e-4)
    logits, target = torch.randn(2, 3, 8, 8), torch.randint(3, (2, 8, 8))
    expected = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(loss(logits, target), expected, rtol=1e-3, atol=0)
