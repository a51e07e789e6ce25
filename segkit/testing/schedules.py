"""The contract of schedules: sensible learning rates at every step, which a checkpoint keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from segkit.parts.schedules.warmup import build_schedule
from segkit.testing.check import Point, Subject, accepted, on_every, require
from segkit.testing.states import global_seed, saved_and_loaded

_RATES = (0.2, 0.02)  # of the decoder and of a pretrained encoder
_LENGTHS = ((1, 1, 0.0), (3, 7, 0.0), (3, 7, 1.5), (20, 50, 2.0))  # epochs, steps in each, epochs of warm-up


@dataclass
class _Case:
    """A schedule over an optimizer of two groups, new for every check."""

    subject: Subject
    length: tuple[int, int, float]

    def __post_init__(self) -> None:
        epochs, steps_per_epoch, warmup_epochs = self.length
        self.steps = epochs * steps_per_epoch
        self.optimizer = SGD([{"params": [nn.Parameter(torch.ones(2))], "lr": rate} for rate in _RATES])
        self.schedule = build_schedule(
            self.subject.entry.factory,
            self.optimizer,
            epochs,
            steps_per_epoch,
            warmup_epochs=warmup_epochs,
            options=dict(self.subject.options),
        )
        hint = (
            "return a torch.optim.lr_scheduler.LRScheduler, such as LambdaLR(optimizer, function_of_the_step)"
        )
        right = isinstance(self.schedule, LRScheduler)
        require(right, f"it gives a {type(self.schedule).__name__}", hint)
        same = self.schedule.optimizer is self.optimizer
        require(same, "it moves another optimizer than the one given", hint)

    def __str__(self) -> str:
        epochs, steps_per_epoch, warmup_epochs = self.length
        warmup = f" with a warm-up of {warmup_epochs:g} epochs" if warmup_epochs else ""
        return f"for {epochs} epochs of {steps_per_epoch} steps{warmup}"

    def rates(self, steps: int) -> list[tuple[float, ...]]:
        """The learning rates of both groups in each of so many steps."""
        seen = []
        for _ in range(steps):
            seen.append(tuple(float(group["lr"]) for group in self.optimizer.param_groups))
            self.optimizer.step()
            self.schedule.step()
        return seen


def _cases(subject: Subject) -> list[_Case]:
    return accepted("length of training", _LENGTHS, lambda length: _Case(subject, length))


def it_fits_some_length(subject: Subject) -> None:
    """A schedule may refuse lengths of training, by a PartError, but not all of them."""
    _cases(subject)


@on_every(_cases)
def learning_rates_are_finite_and_not_negative(case: _Case) -> None:
    """At every step of any training, however short; and some of them let the model learn."""
    hint = "a function of the share of epochs * steps_per_epoch that is done, which ends where that is 1"
    rates = case.rates(case.steps)
    for step, (rate, _) in enumerate(rates, start=1):
        kept = math.isfinite(rate) and rate >= 0
        require(kept, f"the learning rate is {rate:g} in step {step}", hint)
    require(any(rate > 0 for rate, _ in rates), "all learning rates are 0", hint)


@on_every(_cases)
def learning_rates_are_the_same_every_time(case: _Case) -> None:
    """A run that is repeated has the same learning rates."""
    once = case.rates(case.steps)
    with global_seed(1):
        again = _Case(case.subject, case.length).rates(case.steps)
    require(
        once == again,
        "two schedules of the same options give other learning rates",
        "a function of the step alone",
    )


@on_every(_cases)
def a_loaded_state_dict_goes_on_exactly(case: _Case) -> None:
    """A run that was interrupted goes on with the learning rates it would have had."""
    done = case.steps // 2
    case.rates(done)
    resumed = _Case(case.subject, case.length)
    resumed.optimizer.load_state_dict(saved_and_loaded(case.optimizer.state_dict(), "optimizer"))
    resumed.schedule.load_state_dict(saved_and_loaded(case.schedule.state_dict(), "schedule"))
    require(
        case.rates(case.steps - done) == resumed.rates(case.steps - done),
        f"after its state was saved and loaded in step {done}, it goes on with other learning rates",
        "state_dict() holds what step() depends on, load_state_dict() takes it from there",
    )


CHECKS: tuple[Point, ...] = (
    it_fits_some_length,
    learning_rates_are_finite_and_not_negative,
    learning_rates_are_the_same_every_time,
    a_loaded_state_dict_goes_on_exactly,
)
