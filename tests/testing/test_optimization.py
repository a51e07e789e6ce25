"""Every check of optimizers and schedules catches a broken one."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace

import pytest
import torch
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from segkit.core.errors import PartError
from tests.testing.contract import assert_caught, assert_complete, assert_passes


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
    """Sign descent with momentum and random step lengths."""

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
    """AdamW of torch."""
    return AdamW(scaled(groups, lr, weight_decay), lr)


def without_decay(groups, *, rate: float = 1e-3):
    """Its options have other names than those of the built-in optimizers."""
    return Noisy(scaled(groups, rate), rate)


def with_required_rate(groups, *, lr: float, momentum: float = 0.9):
    """Its learning rate is required."""
    return SGD(scaled(groups, lr), lr, momentum)


def stepping(step, **state):
    """An optimizer from a function of (optimizer, group, parameter) that changes the parameter."""

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


@pytest.mark.parametrize("factory", [good, without_decay])
def test_correct_optimizer_passes(factory):
    assert_passes("optimizer", factory)


def test_optimizer_with_a_required_option_passes():
    assert_passes("optimizer", with_required_rate, lr=0.01)


def stepped_twice(groups):
    optimizer = SGD(scaled(groups, 0.1))
    optimizer.param_groups[0]["params"] *= 2
    return optimizer


def with_factor(factor):
    return lambda groups: SGD([{**g, "lr": 0.1 if g["lr_factor"] == 1 else 0.1 * factor} for g in groups])


def decays_all(groups, *, weight_decay: float = 0.0):
    return AdamW([{**group, "weight_decay": weight_decay} for group in scaled(groups, 0.1)])


def count_step(optimizer, group, parameter):
    optimizer.count += 1
    parameter -= group["lr"] / optimizer.count * parameter.grad


def keeping(value):
    def step(optimizer, group, parameter):
        optimizer.state[parameter]["word"] = value

    return stepping(step)


HOLDS = "optimizer_holds_exactly_the_parameters"
REDUCES = "steps_reduce_a_quadratic_loss"
GROUPS = "groups_keep_lr_factor_and_decay"
RESUMES = "optimizer_resumes_exactly"
BROKEN_OPTIMIZERS = [
    (HOLDS, lambda groups: groups, "it returns a list\n  try: return a torch.optim.Optimizer"),
    (
        HOLDS,
        lambda groups: AdamW(scaled(groups[:2], 1)),
        "its groups hold 6 parameters, not the 12 given, each once\n  try: pass",
    ),
    (
        HOLDS,
        lambda groups: AdamW([*scaled(groups, 1), {"params": [torch.zeros(1, requires_grad=True)]}]),
        "its groups hold 13 parameters, not the 12 given",
    ),
    (HOLDS, stepped_twice, "its groups hold 15 parameters, not the 12 given, each once"),
    (
        REDUCES,
        lambda groups: SGD(scaled(groups, 0.1), maximize=True),  # uphill
        "three steps change the loss p.square().sum() / 2 from 27.07 to 47.95\n  try: move against the gradi",
    ),
    (
        REDUCES,
        lambda groups: AdamW(scaled(groups, 0.01, 0.1), maximize=True),
        "three steps change the loss p.square().sum() / 2 from ",
    ),
    (REDUCES, lambda groups: SGD(scaled(groups, 0.0)), "/ 2 from 27.07 to 27.07\n"),
    (REDUCES, lambda groups: SGD(scaled(groups, 1e30)), "/ 2 from 27.07 to nan\n"),
    (
        GROUPS,
        with_factor(1.0),
        'with lr_factor 1 and 0.25 have the learning rates 0.1 and 0.1\n  try: set "lr" to lr * group[',
    ),
    (GROUPS, with_factor(0.0), "have the learning rates 0.1 and 0\n"),
    (
        GROUPS,
        decays_all,
        'a group with decay: False has the weight_decay 0.1\n  try: set "weight_decay" to 0',
    ),
    (
        RESUMES,
        stepping(count_step, count=0),
        "four steps after loading its saved state, parameters differ\n  try: store what",
    ),
    (
        RESUMES,
        keeping(re.compile("word")),
        "the state of the optimizer cannot be saved: it holds re._compile\n  try: use numb",
    ),
    (RESUMES, keeping(lambda: 1), "the state of the optimizer cannot be saved: Can't pickle <function"),
]


@pytest.mark.parametrize(("name", "factory", "message"), BROKEN_OPTIMIZERS)
def test_check_catches_a_broken_optimizer(name, factory, message):
    assert_caught("optimizer", name, factory, message)


def triangle(optimizer, epochs, steps_per_epoch, *, floor: float = 0.1):
    """Up to twice the rate and down to a floor."""
    steps = max(epochs * steps_per_epoch, 1)
    return LambdaLR(optimizer, lambda done: max(2 - abs(4 * done / steps - 2), floor))


def long_only(optimizer, epochs, steps_per_epoch):
    """Refuses short trainings."""
    if epochs < 10:
        raise PartError("ten epochs at least")
    return CosineAnnealingLR(optimizer, round(epochs * steps_per_epoch))


class Halving(LRScheduler):
    """A schedule class."""

    def __init__(self, optimizer, every):
        self.every = every
        super().__init__(optimizer)

    def get_lr(self):
        """Learning rate of each group."""
        return [rate * 0.5 ** (self.last_epoch // self.every) for rate in self.base_lrs]


def halving(optimizer, epochs, steps_per_epoch, *, every_epochs: int = 2):
    """Halves the rates."""
    return Halving(optimizer, every_epochs * steps_per_epoch)


def multiplying(factor):
    """A schedule from a function of the step."""
    return lambda optimizer, epochs, steps_per_epoch: LambdaLR(optimizer, factor)


@pytest.mark.parametrize("factory", [triangle, long_only, halving])
def test_correct_schedule_passes(factory):
    assert_passes("schedule", factory)


def refuses_all(optimizer, epochs, steps_per_epoch):
    raise PartError(f"{epochs * steps_per_epoch:g} steps are not prime")


def whole_epochs_only(optimizer, epochs, steps_per_epoch):
    rates = [1 / epoch for epoch in range(1, epochs + 1)]
    return LambdaLR(optimizer, lambda done: rates[min(done // steps_per_epoch, len(rates) - 1)])


def not_a_schedule(optimizer, epochs, steps_per_epoch):
    return SimpleNamespace(step=lambda: None, state_dict=dict, load_state_dict=lambda state: None)


def of_another_optimizer(optimizer, epochs, steps_per_epoch):
    return LambdaLR(SGD([torch.zeros(1)], lr=1.0), lambda done: 1.0)


def counting_calls(optimizer, epochs, steps_per_epoch):
    calls = []
    return LambdaLR(optimizer, lambda done: 0.9 ** len(calls.append(done) or calls))


def schedule_keeping(value):
    def factory(optimizer, epochs, steps_per_epoch):
        schedule = triangle(optimizer, epochs, steps_per_epoch)
        schedule.kept = value
        return schedule

    return factory


FINITE = "learning_rates_are_finite"
SCHEDULE_RESUMES = "schedule_resumes_exactly"
BROKEN_SCHEDULES = [
    (
        FINITE,
        refuses_all,
        "it refuses every length of training: 1 steps are not prime; 21 steps ...\n  try: ref",
    ),
    (FINITE, whole_epochs_only, "it fails: TypeError: 'float' object cannot be interpreted as an integer"),
    (
        FINITE,
        not_a_schedule,
        "it returns a SimpleNamespace\n  try: return a torch.optim.lr_scheduler.LRSched",
    ),
    (FINITE, of_another_optimizer, "it changes another optimizer"),
    (
        FINITE,
        multiplying(lambda done: 1 - done / 20),
        "for 20 epochs of 50 steps with a warm-up of 2 epochs: the learning rate of step ... is -",
    ),
    (
        FINITE,
        multiplying(lambda done: float("nan") if done == 20 else 1.0),
        "for 3 epochs of 7 steps: the learning rate of step 21 is nan\n",
    ),
    (
        FINITE,
        multiplying(lambda done: float("inf") if done == 309 else 1.0),
        "with a warm-up of 2 epochs: the learning rate of step ... is inf",
    ),
    (FINITE, multiplying(lambda done: 0.0), "for 1 epochs of 1 steps: all learning rates are 0\n"),
    (
        SCHEDULE_RESUMES,
        counting_calls,
        "for 3 epochs of 7 steps: after loading the state saved at step 10, the learning rates differ\n  try",
    ),
    (SCHEDULE_RESUMES, multiplying(lambda done: 1 + random.random()), "the learning rates differ\n"),
    (
        SCHEDULE_RESUMES,
        schedule_keeping(re.compile("word")),
        "the state of the schedule cannot be saved: it holds re._compile\n  try: use numbers",
    ),
    (SCHEDULE_RESUMES, schedule_keeping(lambda: None), "Can't pickle <function"),
]


@pytest.mark.parametrize(("name", "factory", "message"), BROKEN_SCHEDULES)
def test_check_catches_a_broken_schedule(name, factory, message):
    assert_caught("schedule", name, factory, message)


def test_every_check_catches_something():
    assert_complete("optimizer", BROKEN_OPTIMIZERS)
    assert_complete("schedule", BROKEN_SCHEDULES)
