"""Contract checks of optimizers and learning-rate schedules."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segkit.core.errors import PartError
from segkit.core.types import ParameterGroups
from segkit.parts.schedules.warmup import build_schedule
from segkit.testing.check import Subject, accepted_cases, global_seed, require
from segkit.training.state_file import Unsavable, read_state, write_state

_GROUPS = ((1.0, True), (1.0, False), (0.25, True), (0.25, False))  # lr_factor, decay
_SHAPES = ((4, 3, 3, 3), (3, 5), (5,))  # of the parameters in each group


def use_optimizer(subject: Subject) -> None:
    """Compute some steps."""
    parameters = _parameters()
    _step(subject.build(_groups(parameters)), parameters, count=3)


def optimizer_holds_exactly_the_parameters(subject: Subject) -> None:
    """Frozen parameters are not in the groups; all others have to learn."""
    parameters = _parameters()
    optimizer = subject.build(_groups(parameters))
    kind = type(optimizer).__name__
    require(isinstance(optimizer, Optimizer), f"it returns a {kind}", "return a torch.optim.Optimizer")
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    problem = f"its groups hold {len(held)} parameters, not the {len(parameters)} given, each once"
    hint = 'pass a group to torch for each of groups, with its "params"'
    require(sorted(held) == sorted(map(id, parameters)), problem, hint)


def steps_reduce_a_quadratic_loss(subject: Subject) -> None:
    """An optimizer moves parameters against their gradients."""
    parameters = _parameters()
    _step(subject.build(_groups(parameters)), parameters, count=3)
    for before, after in zip(_parameters(), parameters, strict=True):
        losses = [float(parameter.detach().square().sum()) / 2 for parameter in (before, after)]
        problem = f"three steps change the loss p.square().sum() / 2 from {losses[0]:.4g} to {losses[1]:.4g}"
        require(losses[1] < losses[0], problem, "move against the gradient: p.add_(p.grad, alpha=-lr)")


def groups_keep_lr_factor_and_decay(subject: Subject) -> None:
    """Pretrained encoders train with a smaller learning rate; biases and norms are not decayed."""
    parameters = _parameters()
    optimizer = subject.build(_groups(parameters), weight_decay=0.1)
    settings = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    full, undecayed, reduced, _ = (settings[id(parameter)] for parameter in parameters[:: len(_SHAPES)])
    problem = f"groups with lr_factor 1 and 0.25 have the learning rates {full['lr']:g} and {reduced['lr']:g}"
    require(math.isclose(reduced["lr"], full["lr"] / 4), problem, 'set "lr" to lr * group["lr_factor"]')
    decay = undecayed.get("weight_decay", 0)
    problem = f"a group with decay: False has the weight_decay {decay}"
    require(decay == 0, problem, 'set "weight_decay" to 0 where group["decay"] is False')


def optimizer_resumes_exactly(subject: Subject) -> None:
    """A resumed run gives the same weights, bit for bit."""
    parameters = _parameters()
    optimizer = subject.build(_groups(parameters))
    _step(optimizer, parameters, count=4)
    copies = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    resumed = subject.build(_groups(copies))
    resumed.load_state_dict(_save_and_load(optimizer.state_dict(), "optimizer"))
    _step(optimizer, parameters, count=4)
    _step(resumed, copies, count=4)
    problem = "four steps after loading its saved state, parameters differ"
    hint = "store what steps depend on in self.state and self.param_groups"
    require(all(map(torch.equal, parameters, copies)), problem, hint)


def _parameters() -> list[nn.Parameter]:
    """Parameters of all groups; every call gives the same values."""
    values = [torch.cos(torch.arange(torch.Size(shape).numel()) * 0.7).view(shape) for shape in _SHAPES]
    return [nn.Parameter(value.clone()) for _ in _GROUPS for value in values]


def _groups(parameters: Sequence[nn.Parameter]) -> ParameterGroups:
    values = iter(parameters)
    return [
        {"params": [next(values) for _ in _SHAPES], "lr_factor": factor, "decay": decay}
        for factor, decay in _GROUPS
    ]


def _step(optimizer: Optimizer, parameters: Sequence[nn.Parameter], *, count: int) -> None:
    """Minimise the loss p.square().sum() / 2, whose gradient is p."""
    for _ in range(count):
        for parameter in parameters:
            parameter.grad = parameter.detach().clone()
        with global_seed(0):  # an optimizer may draw from the global random states, which a run seeds
            optimizer.step()


@dataclass(frozen=True)
class ScheduleCase:
    """A schedule and a length of training."""

    subject: Subject
    epochs: int
    steps_per_epoch: int
    warmup_epochs: float

    def __post_init__(self) -> None:
        self.build()

    def __str__(self) -> str:
        warmup = f" with a warm-up of {self.warmup_epochs:g} epochs" if self.warmup_epochs else ""
        return f"for {self.epochs} epochs of {self.steps_per_epoch} steps{warmup}"

    def build(self) -> tuple[Optimizer, LRScheduler]:
        """An optimizer with the learning rates 0.2 and 0.02, and its schedule."""
        optimizer = SGD([{"params": [nn.Parameter(torch.ones(2))], "lr": rate} for rate in (0.2, 0.02)])
        schedule = build_schedule(
            self.subject.entry.factory,
            optimizer,
            self.epochs,
            self.steps_per_epoch,
            warmup_epochs=self.warmup_epochs,
            options=dict(self.subject.options),
        )
        kind, hint = type(schedule).__name__, "return a torch.optim.lr_scheduler.LRScheduler of the optimizer"
        require(isinstance(schedule, LRScheduler), f"it returns a {kind}", hint)
        require(schedule.optimizer is optimizer, "it changes another optimizer", hint)
        return optimizer, schedule


def schedule_cases(subject: Subject) -> list[ScheduleCase]:
    """A case for each length of training that the schedule accepts."""
    lengths = ((1, 1, 0), (3, 7, 0), (3, 7, 1.5), (20, 50, 2))
    return accepted_cases("length of training", partial(ScheduleCase, subject), lengths)


def use_schedule(case: ScheduleCase) -> None:
    """Compute the learning rates of a training."""
    _rates(*case.build(), case.epochs * case.steps_per_epoch)


def learning_rates_are_finite(case: ScheduleCase) -> None:
    """A learning rate is never negative, and not 0 at every step."""
    hint = "compute the rate from the share of epochs * steps_per_epoch that is done"
    rates = _rates(*case.build(), case.epochs * case.steps_per_epoch)
    for step, (rate, _) in enumerate(rates, start=1):
        require(math.isfinite(rate) and rate >= 0, f"the learning rate of step {step} is {rate:g}", hint)
    require(any(rate > 0 for rate, _ in rates), "all learning rates are 0", hint)


def schedule_resumes_exactly(case: ScheduleCase) -> None:
    """Repeated and resumed runs have the same learning rates."""
    half = case.epochs * case.steps_per_epoch // 2
    optimizer, schedule = case.build()
    _rates(optimizer, schedule, half)
    with global_seed(1):
        other_optimizer, other = case.build()
        other_optimizer.load_state_dict(_save_and_load(optimizer.state_dict(), "optimizer"))
        other.load_state_dict(_save_and_load(schedule.state_dict(), "schedule"))
        resumed = _rates(other_optimizer, other, half + 1)
    problem = f"after loading the state saved at step {half}, the learning rates differ"
    hint = "compute the rate from the step only; state_dict() stores what step() depends on"
    require(_rates(optimizer, schedule, half + 1) == resumed, problem, hint)


def _rates(optimizer: Optimizer, schedule: LRScheduler, steps: int) -> list[tuple[float, ...]]:
    """Learning rates of both groups at each step."""
    rates = []
    for _ in range(steps):
        rates.append(tuple(float(group["lr"]) for group in optimizer.param_groups))
        optimizer.step()
        schedule.step()
    return rates


def _save_and_load(state: dict[str, Any], owner: str) -> Any:
    """A state after a round trip through a checkpoint file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.pt"
        try:
            write_state(file, state)
        except Unsavable as error:
            hint = "use numbers, strings, tensors, lists and dicts; a torch schedule saves its attributes"
            raise PartError(f"the state of the {owner} cannot be saved: {error}", hint=hint) from error
        return read_state(file)


OPTIMIZER_CHECKS = (
    optimizer_holds_exactly_the_parameters, steps_reduce_a_quadratic_loss, groups_keep_lr_factor_and_decay,
    optimizer_resumes_exactly,
)  # fmt: skip
SCHEDULE_CHECKS = (learning_rates_are_finite, schedule_resumes_exactly)
