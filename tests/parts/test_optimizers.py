import pytest
from torch import nn

from segkit.core.errors import PartError
from segkit.core.registry import OPTIMIZERS

every_optimizer = pytest.mark.parametrize("entry", OPTIMIZERS.own(), ids=lambda entry: entry.name)


def groups(model):
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    return [
        {"params": weights, "lr_factor": 1.0, "decay": True},
        {"params": biases, "lr_factor": 0.5, "decay": False},
    ]


@every_optimizer
def test_optimizer_has_the_rate_and_decay_of_the_recipe(entry):
    first, second = entry.factory(groups(nn.Linear(3, 2)), lr=0.02, weight_decay=0.3).param_groups
    assert (first["lr"], first["weight_decay"]) == (0.02, 0.3)
    assert (second["lr"], second["weight_decay"]) == (0.01, 0.0)


def test_sgd_refuses_nesterov_without_momentum():
    with pytest.raises(PartError, match="sgd: nesterov needs a momentum above 0"):
        OPTIMIZERS.get("sgd").factory(groups(nn.Linear(3, 2)), momentum=0.0, nesterov=True)
