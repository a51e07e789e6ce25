"""The contract of optimizers: they step the parameters given, as the groups say; a checkpoint keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from segkit.core.types import ParameterGroups
from segkit.testing.check import Point, Subject, require
from segkit.testing.states import global_seed, saved_and_loaded

_GROUPS = ((1.0, True), (1.0, False), (0.25, True), (0.25, False))  # lr_factor, decay
_SHAPES = ((4, 3, 3, 3), (3, 5), (5,))  # of the parameters of each group


def it_steps_the_parameters_given_and_no_others(subject: Subject) -> None:
    """Frozen parameters are left out of the groups, and all others have to learn."""
    given = _parameters()
    optimizer = subject.build(_groups(given))
    kind = type(optimizer).__name__
    require(isinstance(optimizer, Optimizer), f"it gives a {kind}", "return a torch.optim.Optimizer")
    held = sorted(id(parameter) for group in optimizer.param_groups for parameter in group["params"])
    require(
        held == sorted(map(id, given)),
        f"its groups hold {len(held)} parameters, which are not the {len(given)} given, each once",
        'give torch a group for each of groups, with its "params"',
    )


def steps_change_every_parameter(subject: Subject) -> None:
    """What does not change does not learn, and what is not finite ends the run."""
    parameters, start = _parameters(), _parameters()
    optimizer = subject.build(_groups(parameters))
    for _ in range(2):  # some only look at the gradient in the first
        _step(optimizer, parameters)
    for now, then in zip(parameters, start, strict=True):
        hint = "p.add_(direction, alpha=-lr) under torch.no_grad()"
        require(not torch.equal(now, then), "steps leave a parameter with a gradient as it is", hint)
        require(bool(now.isfinite().all()), "a parameter is not finite after two steps", hint)


def lr_factor_scales_the_steps_of_its_group(subject: Subject) -> None:
    """`encoder.lr_factor` of a recipe lets a pretrained encoder learn more slowly than the decoder."""
    parameters = _parameters()
    optimizer = subject.build(_groups(parameters))
    for _ in range(3):
        _step(optimizer, parameters)
    moved = _moved(parameters)
    half = len(moved) // 2
    fast, slow = sum(moved[:half]), sum(moved[half:])
    require(
        0.1 * fast < slow < 0.5 * fast,
        f"with an lr_factor of 0.25 parameters move by {slow:.4g}, and with one of 1 by {fast:.4g}",
        'the learning rate of a group is lr * group["lr_factor"]',
    )


def groups_without_decay_are_not_decayed(subject: Subject) -> None:
    """Biases and the weights of normalisation layers are in such groups, and decay harms them."""
    parameters = _parameters()
    optimizer = subject.build(_groups(parameters), weight_decay=0.1)
    for group in optimizer.param_groups:
        group["lr"] = 0.01  # whatever its option says: a tiny one would be lost in rounding
    for _ in range(5):
        _step(optimizer, parameters, slope=0.0)
    decays = [decay for _, decay in _GROUPS for _ in _SHAPES]
    most = max(moved for moved, decay in zip(_moved(parameters), decays, strict=True) if not decay)
    require(
        most == 0,
        f"without any gradient, parameters of decay: False move by {most:.4g}",
        'the group\'s "weight_decay" is 0 where group["decay"] is False',
    )


def a_loaded_state_dict_goes_on_exactly(subject: Subject) -> None:
    """A run that was interrupted ends with the weights it would have had, to the bit."""
    parameters, others = _parameters(), _parameters()
    optimizer = subject.build(_groups(parameters))
    for _ in range(4):
        _step(optimizer, parameters)
    with torch.no_grad():
        for copy, parameter in zip(others, parameters, strict=True):
            copy.copy_(parameter)
    resumed = subject.build(_groups(others))
    resumed.load_state_dict(saved_and_loaded(optimizer.state_dict(), "optimizer"))
    for _ in range(4):
        _step(optimizer, parameters)
        _step(resumed, others)
    require(
        all(map(torch.equal, parameters, others)),
        "four steps after its state was saved and loaded, parameters are others",
        "keep what steps depend on in self.state and self.param_groups, which state_dict() holds",
    )


def _parameters() -> list[nn.Parameter]:
    """The same at every call, and for every group."""
    return [
        nn.Parameter(torch.cos(torch.arange(torch.Size(shape).numel()) * 0.7).view(shape))
        for _ in _GROUPS
        for shape in _SHAPES
    ]


def _groups(parameters: Sequence[nn.Parameter]) -> ParameterGroups:
    """As a model gives them."""
    left = iter(parameters)
    return [
        {"params": [next(left) for _ in _SHAPES], "lr_factor": factor, "decay": decay}
        for factor, decay in _GROUPS
    ]


def _step(optimizer: Optimizer, parameters: Sequence[nn.Parameter], *, slope: float = 1.0) -> None:
    """Down the sum of squares; an optimizer may draw from the global random state, which a run seeds."""
    for parameter in parameters:
        parameter.grad = slope * parameter.detach().clone()
    with global_seed(0):
        optimizer.step()


def _moved(parameters: Sequence[Tensor]) -> list[float]:
    pairs = zip(parameters, _parameters(), strict=True)
    return [float((now.detach() - then.detach()).norm()) for now, then in pairs]


CHECKS: tuple[Point, ...] = (
    it_steps_the_parameters_given_and_no_others,
    steps_change_every_parameter,
    lr_factor_scales_the_steps_of_its_group,
    groups_without_decay_are_not_decayed,
    a_loaded_state_dict_goes_on_exactly,
)
