"""The contract of optimisers: they step the parameters given, as the groups say; a checkpoint keeps them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from segkit.core.types import ParameterGroups
from segkit.testing.check import Point, Subject, require
from segkit.testing.states import global_seed, saved_and_loaded

_Shapes = tuple[tuple[int, ...], ...]
_GROUPS: tuple[tuple[_Shapes, bool], ...] = ((((4, 3, 3, 3), (3, 5)), True), (((5,),), False))  # decay or not
_FACTORS = (1.0, 0.25)
_DECAY = 0.1
_STEPS = 50


def it_steps_the_parameters_given_and_no_others(subject: Subject) -> None:
    """Frozen parameters are left out of the groups, and all others have to learn."""
    given = _parameters()
    optimizer = subject.build(_groups(given))
    require(
        isinstance(optimizer, Optimizer),
        f"it gives a {type(optimizer).__name__}",
        "return a torch.optim.Optimizer",
    )
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    wanted = {id(parameter) for parameter in given}
    hint = 'give torch a group for each of groups, with its "params"'
    missing, foreign = len(wanted - {*held}), len({*held} - wanted)
    require(not missing, f"{missing} of the {len(wanted)} parameters given are in none of its groups", hint)
    require(not foreign, f"{foreign} parameters in its groups were not given", hint)
    require(len(held) == len(wanted), "a parameter is in its groups more than once", hint)


def it_lowers_a_convex_loss(subject: Subject) -> None:
    """What cannot find the bottom of a bowl in fifty steps does not train a model."""
    parameters = _parameters()
    optimizer = subject.build(_groups(parameters))
    losses = []
    for _ in range(_STEPS + 1):
        losses.append(sum(float((parameter.detach() - 1).square().sum()) for parameter in parameters))
        _step(optimizer, parameters, [parameter.detach() - 1 for parameter in parameters])
    later = min(losses[-10:])
    require(
        later < losses[0],
        f"the sum of squares is {losses[0]:.6g} at first and {later:.6g} after {_STEPS} steps",
        "look for a wrong sign, a learning rate far too large, or parameters that are never changed",
    )


def lr_factor_scales_the_steps_of_its_group(subject: Subject) -> None:
    """`encoder.lr_factor` of a recipe lets a pretrained encoder learn more slowly than the decoder."""
    parameters = _parameters()
    start = _copies(parameters)
    optimizer = subject.build(_groups(parameters))
    slopes = [torch.sin(torch.arange(parameter.numel()) + 1.0).view_as(parameter) for parameter in parameters]
    for _ in range(3):
        _step(optimizer, parameters, slopes)
    moved = _moved(parameters, start)
    half = len(moved) // 2
    fast, slow = sum(moved[:half]), sum(moved[half:])
    require(
        0.4 * _FACTORS[1] * fast < slow < 2 * _FACTORS[1] * fast,
        f"with an lr_factor of {_FACTORS[1]} parameters move by {slow:.4g}, "
        f"and with one of {_FACTORS[0]} by {fast:.4g}",
        'the learning rate of a group is lr * group["lr_factor"]',
    )


def groups_without_decay_are_not_decayed(subject: Subject) -> None:
    """Biases and the weights of normalisation layers are in such groups, and decay harms them."""
    moved = _moved_by_decay(subject)
    free = [moved[index] for index, decayed in enumerate(_decayed()) if not decayed]
    require(
        not any(free),
        f"without any gradient, parameters of decay: False move by {max(free):.4g}",
        'the group\'s "weight_decay" is 0 where group["decay"] is False',
    )


def groups_with_decay_are_decayed(subject: Subject) -> None:
    """An option `weight_decay` does what it says; an optimiser that has none decays nothing."""
    if "weight_decay" not in subject.entry.options:
        return
    moved = _moved_by_decay(subject)
    decayed = [moved[index] for index, decayed in enumerate(_decayed()) if decayed]
    require(
        all(decayed),
        f"weight_decay of {_DECAY} and no gradient leave parameters of decay: True as they are",
        'the group\'s "weight_decay" is weight_decay where group["decay"] is True',
    )


def a_learning_rate_of_zero_moves_nothing(subject: Subject) -> None:
    """Schedules steer training by the key `lr` of the optimiser's groups; it has to be what steps go by."""
    parameters = _parameters()
    start = _copies(parameters)
    optimizer = subject.build(_groups(parameters))
    for group in optimizer.param_groups:
        require("lr" in group, "a group has no key 'lr'", "schedules multiply it: keep the rate there")
        group["lr"] = 0.0
    _train(optimizer, parameters, range(3))
    moved = _moved(parameters, start)
    require(
        not any(moved),
        f"parameters move by {max(moved):.4g} although the learning rate of all groups is 0",
        'a step multiplies by group["lr"], read anew in every step',
    )


def parameters_without_a_gradient_stay(subject: Subject) -> None:
    """A part of the model that a batch does not reach has no gradient then, and is not to drift."""
    parameters = _parameters()
    start = _copies(parameters)
    optimizer = subject.build(_groups(parameters), weight_decay=_DECAY)
    gradients = [torch.ones_like(now) if index % 2 else None for index, now in enumerate(parameters)]
    for _ in range(3):
        _step(optimizer, parameters, gradients)
    moved = _moved(parameters, start)[::2]
    require(
        not any(moved),
        f"parameters whose grad is None move by {max(moved):.4g}",
        "leave them out: if parameter.grad is None: continue",
    )


def a_saved_state_goes_on_exactly(subject: Subject) -> None:
    """A run that was interrupted ends with the weights it would have had: to the bit, from plain data."""
    parameters = _parameters()
    optimizer = subject.build(_groups(parameters))
    _train(optimizer, parameters, range(4))
    saved = saved_and_loaded(optimizer.state_dict(), "optimiser")
    others = [nn.Parameter(copy) for copy in _copies(parameters)]
    resumed = subject.build(_groups(others))
    resumed.load_state_dict(saved)
    for which, values in ((optimizer, parameters), (resumed, others)):
        _train(which, values, range(4, 8))
    off = max(_moved(parameters, _copies(others)))
    require(
        off == 0,
        f"four steps after its state was saved and loaded, parameters are off by {off:.4g}",
        "keep what steps depend on in self.state and self.param_groups, which state_dict() holds",
    )


def _moved_by_decay(subject: Subject) -> list[float]:
    """How far each parameter moves in some steps of no gradient, which only decay explains."""
    parameters = _parameters()
    start = _copies(parameters)
    optimizer = subject.build(_groups(parameters), weight_decay=_DECAY)
    for group in optimizer.param_groups:
        group["lr"] = 0.01  # whatever its option says: a tiny one would be lost in rounding
    for _ in range(5):
        _step(optimizer, parameters, [torch.zeros_like(parameter) for parameter in parameters])
    return _moved(parameters, start)


def _moved(parameters: Sequence[nn.Parameter], start: Sequence[Tensor]) -> list[float]:
    return [float((now.detach() - then).norm()) for now, then in zip(parameters, start, strict=True)]


def _parameters() -> list[nn.Parameter]:
    """For each factor the same: those to decay, then the others."""
    return [
        nn.Parameter(torch.cos(torch.arange(math.prod(shape)) * 0.7).view(shape))
        for _ in _FACTORS
        for shapes, _ in _GROUPS
        for shape in shapes
    ]


def _groups(parameters: Sequence[nn.Parameter]) -> ParameterGroups:
    """As a model gives them: for each factor a group to decay and one that is not."""
    left = iter(parameters)
    return [
        {"params": [next(left) for _ in shapes], "lr_factor": factor, "decay": decay}
        for factor in _FACTORS
        for shapes, decay in _GROUPS
    ]


def _decayed() -> list[bool]:
    """For each parameter, whether its group is to be decayed."""
    return [decay for _ in _FACTORS for shapes, decay in _GROUPS for _ in shapes]


def _copies(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _train(optimizer: Optimizer, parameters: Sequence[nn.Parameter], steps: range) -> None:
    """Steps under a schedule, with a gradient that depends on the parameters and on the step's number."""
    for step in steps:
        _step(optimizer, parameters, [now.detach() - math.cos(step) for now in parameters], seed=step)
        for group in optimizer.param_groups:
            group["lr"] *= 0.9


def _step(
    optimizer: Optimizer,
    parameters: Sequence[nn.Parameter],
    gradients: Sequence[Tensor | None],
    *,
    seed: int = 0,
) -> None:
    """An optimiser may draw from the global random state, which a run seeds in every epoch."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else gradient.clone()
    with global_seed(seed):
        optimizer.step()


CHECKS: tuple[Point, ...] = (
    it_steps_the_parameters_given_and_no_others,
    it_lowers_a_convex_loss,
    lr_factor_scales_the_steps_of_its_group,
    groups_without_decay_are_not_decayed,
    groups_with_decay_are_decayed,
    a_learning_rate_of_zero_moves_nothing,
    parameters_without_a_gradient_stay,
    a_saved_state_goes_on_exactly,
)
