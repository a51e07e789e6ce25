"""Every point of the contract of optimisers catches one that breaks it, and says what to change."""

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
            "3 of the 6 parameters given are in none of its groups\n  try: give",
        ),
        (
            lambda groups: AdamW([*scaled(groups, 1), {"params": [torch.zeros(1, requires_grad=True)]}]),
            "1 parameters in its groups were not given",
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

    message = "a parameter is in its groups more than once"
    refused(points.it_steps_the_parameters_given_and_no_others, factory, message)


@pytest.mark.parametrize(
    "factory",
    [
        lambda groups: SGD(scaled(groups, 0.1), maximize=True),
        lambda groups: SGD(scaled(groups, 5.0)),
        lambda groups: SGD(scaled(groups, 0.0)),
    ],
)
def test_loss_that_does_not_fall_is_caught(factory):
    message = r"the sum of squares is 384\.836 at first and \S+ after 50 steps\n  try: look for a wrong sign"
    refused(points.it_lowers_a_convex_loss, factory, message)


@pytest.mark.parametrize("factor", [1.0, 0.0, 0.05])
def test_factor_that_is_not_kept_is_caught(factor):
    def factory(groups):
        return SGD([{**group, "lr": 0.1 if group["lr_factor"] == 1 else 0.1 * factor} for group in groups])

    message = (
        r"with an lr_factor of 0\.25 .* by \S+, and with one of 1\.0 by .*\n  try: .* lr \* group\[\"lr_fac"
    )
    refused(points.lr_factor_scales_the_steps_of_its_group, factory, message)


def test_decay_of_groups_that_have_none_is_caught():
    def factory(groups, *, weight_decay: float = 0.0):
        return AdamW([{**group, "weight_decay": weight_decay} for group in groups])

    message = r"without any gradient, parameters of decay: False move by 0\.\d+\n  try: the group's \"weight"
    refused(points.groups_without_decay_are_not_decayed, factory, message)


def test_decay_that_does_nothing_is_caught():
    def factory(groups, *, weight_decay: float = 0.0):
        return AdamW(scaled(groups, 0.1, 0.0))

    message = (
        "weight_decay of 0.1 and no gradient leave parameters of decay: True as they are\n  try: the group's"
    )
    refused(points.groups_with_decay_are_decayed, factory, message)


def test_rate_that_schedules_cannot_steer_is_caught():
    def own_rate(optimizer, group, parameter):
        parameter -= 0.01 * parameter.grad

    message = (
        r"parameters move by 0\.\d+ although the learning rate of all groups is 0\n  try: a step multiplies"
    )
    refused(points.a_learning_rate_of_zero_moves_nothing, stepping(own_rate), message)

    def factory(groups):
        optimizer = SGD(scaled(groups, 0.01))
        for group in optimizer.param_groups:
            del group["lr"]
        return optimizer

    message = "a group has no key 'lr'\n  try: schedules multiply it"
    refused(points.a_learning_rate_of_zero_moves_nothing, factory, message)


def test_steps_without_a_gradient_are_caught():
    def decays(optimizer, group, parameter):
        parameter *= 1 - group["lr"]

    message = (
        r"parameters whose grad is None move by 0\.\d+\n  try: leave them out: if parameter.grad is None"
    )
    refused(points.parameters_without_a_gradient_stay, stepping(decays), message)

    def expects_one(optimizer, group, parameter):
        parameter -= group["lr"] * parameter.grad

    refused(
        points.parameters_without_a_gradient_stay,
        stepping(expects_one),
        "it fails: TypeError: unsupported op",
    )


def test_state_beside_the_state_is_caught():
    def step(optimizer, group, parameter):
        optimizer.count += 1
        parameter -= group["lr"] / optimizer.count * parameter.grad

    message = r"four steps after its state was saved and loaded, parameters are off by 0\.\d+\n  try: keep"
    refused(points.a_saved_state_goes_on_exactly, stepping(step, count=0), message)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (
            re.compile,
            r"the state of the optimiser cannot be saved: state\['state'\]\[0\]\['word'\] is re\.Pat",
        ),
        (lambda word: lambda: word, r"the state of the optimiser cannot be saved: .* is builtins\.function"),
    ],
)
def test_state_of_objects_is_caught(kept, message):
    def step(optimizer, group, parameter):
        optimizer.state[parameter]["word"] = kept("word")

    refused(
        points.a_saved_state_goes_on_exactly, stepping(step), f"{message}.*\n  try: keep numbers, words, tens"
    )


def test_caller_keeps_its_random_states():
    def state():
        return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()

    before = state()
    for point in points.CHECKS:
        tried(point, without_decay)
    assert state() == before
