import pytest
import torch
from torch import nn

import segkit.optim.optimizers  # noqa: F401  (registers)
from segkit.errors import PartError
from segkit.registry import OPTIMIZERS

every_optimizer = pytest.mark.parametrize("entry", OPTIMIZERS.own(), ids=lambda entry: entry.name)


def groups(model):
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    return [
        {"params": weights, "lr_factor": 1.0, "decay": True},
        {"params": biases, "lr_factor": 0.5, "decay": False},
    ]


@every_optimizer
def test_optimizer_describes_its_options(entry):
    assert entry.summary
    assert all(option.meaning for option in entry.options.values())


@every_optimizer
def test_optimizer_scales_each_group_and_decays_only_what_is_to_decay(entry):
    optimizer = entry.factory(groups(nn.Linear(3, 2)), lr=0.02, weight_decay=0.3)
    first, second = optimizer.param_groups
    assert (first["lr"], first["weight_decay"]) == (0.02, 0.3)
    assert (second["lr"], second["weight_decay"]) == (0.01, 0.0)


@every_optimizer
def test_optimizer_makes_a_loss_smaller(entry):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = entry.factory(groups(model), lr=0.01)
    image, target = torch.randn(16, 3), torch.randn(16, 2)
    losses = []
    for _ in range(20):
        loss = (model(image) - target).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_sgd_refuses_nesterov_without_momentum():
    with pytest.raises(PartError, match="sgd: nesterov needs a momentum above 0"):
        OPTIMIZERS.get("sgd").factory(groups(nn.Linear(3, 2)), momentum=0.0, nesterov=True)
