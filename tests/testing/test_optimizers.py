"""Every point of the contract of optimizers catches one that breaks it, and says what to change."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch
from torch.optim import SGD, AdamW, Optimizer

from segkit.core.registry import OPTIMIZERS, entry_of
from segkit.testing import Check, ContractError, Subject
from segkit.testing import optimizers as points


def scaled(groups, lr, weight_decay=0.0):
    return [
        {
            "params": group["params"],
            "lr": lr * group["lr_factor"],
            "weight_decay": weight_decay if group["decay"] else 0.0,
        }
        for group in groups
    ]


class Noisy(Optimizer):
    """Ten lines that keep every point: sign descent with momentum, that shakes what moves a little."""

    def __init__(self, groups, lr):
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    state["mean"] = 0.9 * state.get("mean", 0.0) + parameter.grad
                    shaken = state["mean"].sign() * (1 + 0.1 * torch.rand(parameter.shape))
                    parameter -= group["lr"] * shaken


def good(groups, *, lr: float = 0.01, weight_decay: float = 0.01):
    """Torch's own, with the groups' rates and decays."""
    return AdamW(scaled(groups, lr, weight_decay), lr)


def without_decay(groups, *, rate: float = 1e-3):
    """No option is called as those of the built-ins."""
    return Noisy(scaled(groups, rate), rate)


def with_required_rate(groups, *, lr: float, momentum: float = 0.9):
    """A recipe has to say lr."""
    return SGD(scaled(groups, lr), lr, momentum)


def tried(point, factory) -> None:
    entry = entry_of(OPTIMIZERS, "broken", factory)
    required = {name: 0.01 for name, option in entry.options.items() if option.required}
    Check(Subject(entry, dict(entry.schema(**required))), point)()


def refused(point, factory, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        tried(point, factory)


def stepping(step, **state):
    """An optimiser whose step is what is given: (optimizer, group, parameter) in place."""

    class Stepping(Optimizer):
        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for parameter in group["params"]:
                    step(self, group, parameter)

    def factory(groups):
        optimizer = Stepping(scaled(groups, 0.01), {"lr": 0.01})
        vars(optimizer).update(state)
        return optimizer

    return factory


@pytest.mark.parametrize("factory", [good, without_decay, with_required_rate])
@pytest.mark.parametrize("point", points.CHECKS, ids=lambda point: point.__name__)
def test_point_is_kept_by_ten_lines(point, factory):
    tried(point, factory)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda groups: groups, "it gives a list\n  try: return a torch.optim.Optimizer"),
        (
            lambda groups: AdamW(scaled(groups[:2], 1)),
            "its groups hold 6 parameters, which are not the 12 given, each once\n  try: give",
        ),
        (
            lambda groups: AdamW([*scaled(groups, 1), {"params": [torch.zeros(1, requires_grad=True)]}]),
            "its groups hold 13 parameters, which are not the 12 given",
        ),
    ],
)
def test_other_parameters_are_caught(factory, message):
    refused(points.it_steps_the_parameters_given_and_no_others, factory, message)


def test_parameter_that_is_stepped_twice_is_caught():
    def factory(groups):
        optimizer = SGD(scaled(groups, 0.1))
        optimizer.param_groups[0]["params"] *= 2
        return optimizer

    message = "its groups hold 15 parameters, which are not the 12 given, each once"
    refused(points.it_steps_the_parameters_given_and_no_others, factory, message)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            lambda groups: SGD(scaled(groups, 0.0)),
            "steps leave a parameter with a gradient as it is\n  try: p.add_",
        ),
        (lambda groups: SGD(scaled(groups, 1e30)), "a parameter is not finite after two steps"),
    ],
)
def test_steps_that_change_nothing_or_too_much_are_caught(factory, message):
    refused(points.steps_change_every_parameter, factory, message)


@pytest.mark.parametrize("factor", [1.0, 0.0, 0.05])
def test_factor_that_is_not_kept_is_caught(factor):
    def factory(groups):
        return SGD([{**group, "lr": 0.1 if group["lr_factor"] == 1 else 0.1 * factor} for group in groups])

    message = (
        r"with an lr_factor of 0\.25 .* by \S+, and with one of 1 by .*\n  try: .* lr \* group\[\"lr_fac"
    )
    refused(points.lr_factor_scales_the_steps_of_its_group, factory, message)


def test_decay_of_groups_that_have_none_is_caught():
    def factory(groups, *, weight_decay: float = 0.0):
        return AdamW([{**group, "weight_decay": weight_decay} for group in groups])

    message = r"without any gradient, parameters of decay: False move by 0\.\d+\n  try: the group's \"weight"
    refused(points.groups_without_decay_are_not_decayed, factory, message)


def test_state_beside_the_state_is_caught():
    def step(optimizer, group, parameter):
        optimizer.count += 1
        parameter -= group["lr"] / optimizer.count * parameter.grad

    message = "four steps after its state was saved and loaded, parameters are others\n  try: keep"
    refused(points.a_loaded_state_dict_goes_on_exactly, stepping(step, count=0), message)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (
            re.compile,
            r"the state of the optimizer cannot be saved: state\['state'\]\[0\]\['word'\] is re\.Pat",
        ),
        (lambda word: lambda: word, r"the state of the optimizer cannot be saved: .* is builtins\.function"),
    ],
)
def test_state_of_objects_is_caught(kept, message):
    def step(optimizer, group, parameter):
        optimizer.state[parameter]["word"] = kept("word")

    refused(
        points.a_loaded_state_dict_goes_on_exactly,
        stepping(step),
        f"{message}.*\n  try: keep numbers, words, tens",
    )


def test_caller_keeps_its_random_states():
    def state():
        return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()

    before = state()
    for point in points.CHECKS:
        tried(point, without_decay)
    assert state() == before
