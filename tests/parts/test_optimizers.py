import inspect
import subprocess
import sys
from functools import partial

import pytest
import timm.optim
from torch import nn

from segkit.core.errors import PartError
from segkit.core.registry import OPTIMIZERS
from tests.points import check_points

(FAMILY,) = OPTIMIZERS.families


def groups(model):
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    return [
        {"params": weights, "lr_factor": 1.0, "decay": True},
        {"params": biases, "lr_factor": 0.5, "decay": False},
    ]


def test_every_optimizer_has_the_rate_and_decay_of_the_recipe():
    check_points([has_rate_and_decay], [(name,) for name in OPTIMIZERS.names()])


def has_rate_and_decay(name):
    first, second = (
        OPTIMIZERS.get(name).factory(groups(nn.Linear(3, 2)), lr=0.02, weight_decay=0.3).param_groups
    )
    assert (first["lr"], first["weight_decay"]) == (0.02, 0.3)
    assert (second["lr"], second["weight_decay"]) == (0.01, 0.0)


def test_sgd_refuses_nesterov_without_momentum():
    with pytest.raises(PartError, match="sgd: nesterov needs a momentum above 0"):
        OPTIMIZERS.get("sgd").factory(groups(nn.Linear(3, 2)), momentum=0.0, nesterov=True)


def test_options_that_exclude_each_other_are_told():
    problem = "sgdw: Nesterov momentum requires a momentum and zero dampening"
    with pytest.raises(PartError, match=problem) as caught:
        OPTIMIZERS.get("sgdw").factory(
            groups(nn.Linear(3, 2)), lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=True
        )
    assert caught.value.problems[0].hint == "segkit show optimizer sgdw lists the options"


def test_options_of_timms_optimizers_are_those_of_the_installed_classes():
    check_points([has_the_options_of_its_class], [(name,) for name in FAMILY.names()])


def has_the_options_of_its_class(name):
    made = timm.optim.get_optimizer_class(name, bind_defaults=True)
    kind, defaults = (made.func, made.keywords) if isinstance(made, partial) else (made, {})
    parameters = inspect.signature(kind).parameters
    for option in FAMILY.entry(name).options.values():
        default = defaults.get(option.name, parameters[option.name].default)
        if option.name == "momentum":
            default = default or 0.9  # of timm's factory
        assert option.required or option.default == default
        assert option.meaning or option.name not in ("lr", "weight_decay", "momentum", "betas", "eps")


def test_timms_optimizers_are_all_that_need_no_further_library():
    left = {*timm.optim.list_optimizers()} - {*OPTIMIZERS.names()}
    alone = {name for name in left if not name.startswith(("bnb", "fused"))}
    assert alone <= {
        "adahessian", "adamwlegacy", "kron", "kronc", "kronw", "momentum", "nadamlegacy", "nesterov",
        "nesterovw", "radamlegacy",
    }  # fmt: skip


def test_listing_imports_neither_torch_nor_timm():
    code = (
        "import sys; from segkit.core.registry import OPTIMIZERS\n"
        "assert OPTIMIZERS.get('adan').schema\n"
        "assert not {'torch', 'timm'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
