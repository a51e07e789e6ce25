"""The contract of schedules: sensible learning rates at every step, which a checkpoint keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from segkit.core.errors import PartError
from segkit.parts.schedules.warmup import build_schedule
from segkit.testing.check import Point, Subject, require
from segkit.testing.states import global_seed, saved_and_loaded

_RATES = (0.2, 0.02)  # of the decoder and of a pretrained encoder


class _Length(NamedTuple):
    epochs: int
    steps_per_epoch: int
    warmup_epochs: float = 0.0

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def __str__(self) -> str:
        warmup = f" behind a warm-up of {self.warmup_epochs:g} epochs" if self.warmup_epochs else ""
        return f"{self.epochs} epochs of {self.steps_per_epoch} steps{warmup}"


_LENGTHS = (_Length(1, 1), _Length(3, 7), _Length(3, 7, 1.5), _Length(20, 50), _Length(20, 50, 2.0))


@dataclass
class _Run:
    """A schedule over an optimiser of two groups, whose parameters have no gradient and so never move."""

    optimizer: SGD
    schedule: LRScheduler
    parameters: list[nn.Parameter]

    def rates(self, steps: int) -> list[tuple[float, ...]]:
        """The learning rates of both groups in each of so many steps."""
        seen = []
        for _ in range(steps):
            seen.append(tuple(float(group["lr"]) for group in self.optimizer.param_groups))
            self.optimizer.step()
            self.schedule.step()
        return seen


def it_fits_some_length(subject: Subject) -> None:
    """A schedule may refuse lengths of training, but not all of them."""
    refusals: list[str] = []
    for length in _LENGTHS:
        try:
            _run(subject, length)
        except PartError as error:
            refusals.append(error.problems[0].problem)
    everything = len(refusals) == len(_LENGTHS)
    problem = f"it refuses every length of training: {'; '.join(dict.fromkeys(refusals))}"
    require(not everything, problem, "accept any number of epochs, and of steps in an epoch")


def it_is_a_torch_schedule_over_the_optimizer(subject: Subject) -> None:
    """A warm-up is put before it by torch's `SequentialLR`."""
    hint = "return a torch.optim.lr_scheduler.LRScheduler, such as LambdaLR(optimizer, function_of_the_step)"
    for _, run in _runs(subject):
        right = isinstance(run.schedule, LRScheduler)
        require(right, f"it gives a {type(run.schedule).__name__}", hint)
        same = run.schedule.optimizer is run.optimizer
        require(same, "it moves another optimiser than the one given", hint)


def learning_rates_are_finite_and_not_negative(subject: Subject) -> None:
    """At every step of any training, however short; and some of them let the model learn."""
    hint = "a function of the share of epochs * steps_per_epoch that is done, which ends where that is 1"
    for length, run in _runs(subject):
        rates = run.rates(length.steps)
        for step, (rate, _) in enumerate(rates, start=1):
            kept = math.isfinite(rate) and rate >= 0
            require(kept, f"the learning rate is {rate:g} in step {step} of {length}", hint)
        require(any(rate > 0 for rate, _ in rates), f"all learning rates are 0 in {length}", hint)


def groups_keep_the_ratio_of_their_rates(subject: Subject) -> None:
    """`encoder.lr_factor` holds throughout: each group begins with its own rate, and all are multiplied."""
    ratio = _RATES[1] / _RATES[0]
    for length, run in _runs(subject):
        for step, (first, second) in enumerate(run.rates(length.steps), start=1):
            require(
                math.isclose(second, ratio * first, rel_tol=1e-6, abs_tol=1e-12),
                f"learning rates that begin as {_RATES[0]:g} and {_RATES[1]:g} are {first:g} and {second:g} "
                f"in step {step} of {length}",
                'multiply the rate of each group, group["initial_lr"], by one factor, as LambdaLR does',
            )


def learning_rates_are_the_same_every_time(subject: Subject) -> None:
    """A run that is repeated has the same learning rates."""
    hint = "a function of the step alone"
    with global_seed(1) as drawn_from:
        once = [run.rates(length.steps) for length, run in _runs(subject)]
        drawn = " and ".join(drawn_from())
    with global_seed(2):
        again = [run.rates(length.steps) for length, run in _runs(subject)]
    require(not drawn, f"it draws from the global random state of {drawn}", hint)
    require(once == again, "two schedules of the same options give other learning rates", hint)


def it_never_changes_parameters(subject: Subject) -> None:
    """Only the optimiser does, by its steps."""
    for length, run in _runs(subject):
        before = [parameter.detach().clone() for parameter in run.parameters]
        run.rates(length.steps)
        held = [parameter for group in run.optimizer.param_groups for parameter in group["params"]]
        same = [*map(id, held)] == [*map(id, run.parameters)]
        require(same, "it gives the optimiser other parameters", "change nothing but the learning rates")
        same = all(now.detach().equal(then) for now, then in zip(run.parameters, before, strict=True))
        require(same, "it changes the parameters of the model", "change nothing but the learning rates")


def a_saved_state_goes_on_exactly(subject: Subject) -> None:
    """A run that was interrupted goes on with the learning rates it would have had, from plain data."""
    hint = "state_dict() holds what step() depends on, load_state_dict() takes it from there"
    for length, run in _runs(subject):
        done = length.steps // 2
        run.rates(done)
        optimizer_state = saved_and_loaded(run.optimizer.state_dict(), "optimiser")
        state = saved_and_loaded(run.schedule.state_dict(), "schedule")
        resumed = _run(subject, length)
        resumed.optimizer.load_state_dict(optimizer_state)
        resumed.schedule.load_state_dict(state)
        wanted, found = run.rates(length.steps - done), resumed.rates(length.steps - done)
        for step, (one, other) in enumerate(zip(wanted, found, strict=True), start=done + 1):
            problem = (
                f"resumed after step {done} of {length}, the learning rate of step {step} is {other[0]:g}"
            )
            require(one == other, f"{problem} instead of {one[0]:g}", hint)


def _runs(subject: Subject) -> Iterator[tuple[_Length, _Run]]:
    """One for each length that the schedule accepts."""
    for length in _LENGTHS:
        try:
            yield length, _run(subject, length)
        except PartError:
            continue


def _run(subject: Subject, length: _Length) -> _Run:
    optimizer = _optimizer()
    schedule = build_schedule(
        subject.entry.factory,
        optimizer,
        length.epochs,
        length.steps_per_epoch,
        warmup_epochs=length.warmup_epochs,
        options=dict(subject.options),
    )
    return _Run(optimizer, schedule, [group["params"][0] for group in optimizer.param_groups])


def _optimizer() -> SGD:
    return SGD([{"params": [nn.Parameter(torch.ones(2))], "lr": rate} for rate in _RATES])


CHECKS: tuple[Point, ...] = (
    it_fits_some_length,
    it_is_a_torch_schedule_over_the_optimizer,
    learning_rates_are_finite_and_not_negative,
    groups_keep_the_ratio_of_their_rates,
    learning_rates_are_the_same_every_time,
    it_never_changes_parameters,
    a_saved_state_goes_on_exactly,
)
