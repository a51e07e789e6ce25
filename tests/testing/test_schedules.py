"""Every point of the contract of schedules catches one that breaks it, and says what to change."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from segkit.core.errors import PartError
from segkit.core.registry import SCHEDULES, entry_of
from segkit.testing import Check, ContractError, Subject
from segkit.testing import schedules as points


def triangle(optimizer, epochs, steps_per_epoch, *, floor: float = 0.1):
    """Ten lines that keep every point: up to twice the rate and down to a floor."""
    steps = max(epochs * steps_per_epoch, 1)
    return LambdaLR(optimizer, lambda done: max(2 - abs(4 * done / steps - 2), floor))


def long_only(optimizer, epochs, steps_per_epoch):
    """A schedule may refuse short trainings; torch's own does without a line of ours."""
    if epochs < 10:
        raise PartError("ten epochs at least")
    return CosineAnnealingLR(optimizer, round(epochs * steps_per_epoch))


class Halving(LRScheduler):
    """One that counts for itself."""

    def __init__(self, optimizer, every):
        self.every = every
        super().__init__(optimizer)

    def get_lr(self):
        """Of each group, for the step that `last_epoch` counts."""
        return [rate * 0.5 ** (self.last_epoch // self.every) for rate in self.base_lrs]


def halving(optimizer, epochs, steps_per_epoch, *, every_epochs: int = 2):
    """The rates are halved."""
    return Halving(optimizer, every_epochs * steps_per_epoch)


def multiplying(factor):
    """A schedule of a function of the step."""
    return lambda optimizer, epochs, steps_per_epoch: LambdaLR(optimizer, factor)


def tried(point, factory) -> None:
    entry = entry_of(SCHEDULES, "broken", factory)
    Check(Subject(entry, dict(entry.schema())), point)()


def refused(point, factory, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        tried(point, factory)


@pytest.mark.parametrize("factory", [triangle, long_only, halving])
@pytest.mark.parametrize("point", points.CHECKS, ids=lambda point: point.__name__)
def test_point_is_kept_by_ten_lines(point, factory):
    tried(point, factory)


def test_schedule_that_refuses_everything_is_caught():
    def factory(optimizer, epochs, steps_per_epoch):
        raise PartError(f"{epochs * steps_per_epoch:g} steps are not prime")

    message = "it refuses every length of training: 1 steps are not prime; 21 steps .*\n  try: refuse"
    refused(points.it_fits_some_length, factory, message)


def test_schedule_that_takes_whole_epochs_alone_is_caught():
    def factory(optimizer, epochs, steps_per_epoch):
        rates = [1 / epoch for epoch in range(1, epochs + 1)]
        return LambdaLR(optimizer, lambda done: rates[min(done // steps_per_epoch, len(rates) - 1)])

    message = "it fails: TypeError: 'float' object cannot be interpreted as an integer"
    refused(points.it_fits_some_length, factory, message)


def test_schedule_of_another_kind_is_caught():
    def no_schedule(optimizer, epochs, steps_per_epoch):
        return SimpleNamespace(step=lambda: None, state_dict=dict, load_state_dict=lambda state: None)

    message = r"it gives a SimpleNamespace\n  try: return a torch\.optim\.lr_scheduler\.LRScheduler"
    refused(points.it_fits_some_length, no_schedule, message)

    def other_optimizer(optimizer, epochs, steps_per_epoch):
        return LambdaLR(torch.optim.SGD([torch.zeros(1)], lr=1.0), lambda done: 1.0)

    message = "it moves another optimizer than the one given"
    refused(points.it_fits_some_length, other_optimizer, message)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (
            lambda done: 1 - done / 20,
            r"for 20 epochs of 50 steps with a warm-up of 2 epochs: the learning rate is -",
        ),
        (
            lambda done: float("nan") if done == 20 else 1.0,
            "for 3 epochs of 7 steps: the learning rate is nan in step 21\n",
        ),
        (
            lambda done: float("inf") if done == 309 else 1.0,
            "with a warm-up of 2 epochs: the learning rate is inf in step",
        ),
        (lambda done: 0.0, "for 1 epochs of 1 steps: all learning rates are 0\n"),
    ],
)
def test_learning_rates_that_are_none_are_caught(factor, message):
    refused(points.learning_rates_are_finite_and_not_negative, multiplying(factor), message)


def test_rates_that_are_drawn_are_caught():
    message = (
        "two schedules of the same options give other learning rates\n  try: a function of the step alone"
    )
    point = points.learning_rates_are_the_same_every_time
    refused(point, multiplying(lambda done: 1 + random.random()), message)

    own = random.Random(0)
    refused(point, multiplying(lambda done: 1 + own.random()), message)


def test_count_that_is_not_saved_is_caught():
    def factory(optimizer, epochs, steps_per_epoch):
        calls = []
        return LambdaLR(optimizer, lambda done: 0.9 ** len(calls.append(done) or calls))

    message = (
        "for 3 epochs of 7 steps: after its state was saved and loaded in step 10, it goes on with other"
    )
    refused(points.a_loaded_state_dict_goes_on_exactly, factory, message)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (re.compile("word"), r"the state of the schedule cannot be saved: state\['kept'\] is re\.Pattern"),
        (lambda: None, r"the state of the schedule cannot be saved: state\['kept'\] is builtins\.function"),
    ],
)
def test_state_of_objects_is_caught(kept, message):
    def factory(optimizer, epochs, steps_per_epoch):
        schedule = triangle(optimizer, epochs, steps_per_epoch)
        schedule.kept = kept
        return schedule

    refused(
        points.a_loaded_state_dict_goes_on_exactly, factory, f"{message}.*\n  try: keep numbers, words, tens"
    )
