"""Contract checks of losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segkit.core.types import Loss
from segkit.testing import tasks
from segkit.testing.check import ContractError, Subject, require
from segkit.testing.tasks import MASK_HINT, TASK_CHECKS, TaskCase, batch, logits_of, opposite, with_ignored

_FINITE_HINT = (
    "avoid division by zero with total.clamp_min(1) and log(0) with logsigmoid, log_softmax or "
    "binary_cross_entropy_with_logits; for half precision start with logits = logits.float()"
)
_GRADIENT_HINT = (
    "compute the loss from the logits without .detach(), .item(), float(), .numpy(), torch.no_grad(), argmax "
    "or a threshold; return logits.sum() * 0 if there is nothing to learn"
)


def _compute(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    value: Any = loss(logits, target)
    if not isinstance(value, Tensor):
        raise ContractError(f"it returns a {type(value).__name__}, not a tensor", hint=_GRADIENT_HINT)
    shape = tuple(value.shape)
    require(shape == (), f"the loss has the shape {shape}, not ()", "take the .mean() of it")
    require(value.dtype.is_floating_point, f"the loss has the dtype {value.dtype}", _GRADIENT_HINT)
    return value.reshape(1, 1)


def cases(subject: Subject) -> list[TaskCase]:
    """A case for each kind of task."""
    return tasks.task_cases(subject, _compute)


def use(case: TaskCase) -> None:
    """Compute the loss and its gradient."""
    logits, target = batch(case.task)
    _compute(case.build(), logits.requires_grad_() * 1, target).sum().backward()  # type: ignore[no-untyped-call]


def gradient_descent_approaches_the_target(case: TaskCase) -> None:
    """A loss of the wrong sign, or without a gradient, trains nothing."""
    noise, target = batch(case.task)
    logits = logits_of(case.task, opposite(case.task, target), strength=2) + noise / 2
    gradient = _finite_gradient("a wrong prediction", case.build(), logits, target)
    require(bool(gradient.any()), "the gradient of a wrong prediction is zero everywhere", _GRADIENT_HINT)
    slope = float((gradient * logits_of(case.task, target)).sum())
    hint = "check the sign, and the order of logits and target"
    require(slope < 0, "gradient descent makes a wrong prediction worse", hint)


def loss_and_gradient_are_finite(case: TaskCase) -> None:
    """Empty and full masks, large logits and half precision are common; a NaN ends the run."""
    loss, (logits, target) = case.build(), batch(case.task)
    right = logits_of(case.task, target)
    wrong = logits_of(case.task, opposite(case.task, target))
    constants = tasks.constant_targets(case.task, target)
    inputs = {
        "a single image": batch(case.task, images=1, size=(17, 30)),
        **{f"a target that is {name}": (logits, constant) for name, constant in constants.items()},
        "correct logits of +-10000": (200 * right, target),
        "wrong logits of +-10000": (200 * wrong, target),
    }
    for name, constant in constants.items():
        inputs[f"a correct prediction that is {name}"] = logits_of(case.task, constant), constant
    for dtype in (torch.bfloat16, torch.float16):
        for name, values in (("random", logits), ("correct", right), ("wrong", wrong)):
            inputs[f"{name} {dtype} logits"] = values.to(dtype), target
    for name, (values, labels) in inputs.items():
        _finite_gradient(name, loss, values, labels)


def ignored_pixels_get_no_gradient(case: TaskCase) -> None:
    """A crop may even be ignored altogether."""
    loss, (logits, target) = case.build(), batch(case.task)
    masked, ignored = with_ignored(case.task, target)
    gradient = _finite_gradient("a target with ignored pixels", loss, logits, masked)
    largest = float(gradient.masked_fill(~ignored, 0).abs().max())
    require(largest == 0, f"ignored pixels get a gradient of {largest:.4g}", MASK_HINT)
    target.fill_(tasks.IGNORED)
    gradient = _finite_gradient("a batch of ignored pixels", loss, logits, target)
    require(not gradient.any(), "a batch of ignored pixels has a gradient", MASK_HINT)


def _finite_gradient(name: str, loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    logits = logits.detach().clone().requires_grad_()
    value = _compute(loss, logits * 1, target)  # not a leaf: in-place work is allowed, as on a model's output
    require(bool(value.isfinite()), f"the loss of {name} is {float(value.detach()):g}", _FINITE_HINT)
    require(value.requires_grad, f"the loss of {name} has no gradient", _GRADIENT_HINT)
    (gradient,) = torch.autograd.grad(value, logits, allow_unused=True)
    gradient = torch.zeros_like(logits) if gradient is None else gradient
    require(bool(gradient.isfinite().all()), f"the gradient of {name} is not finite", _FINITE_HINT)
    return gradient


CHECKS = (
    gradient_descent_approaches_the_target, loss_and_gradient_are_finite,
    ignored_pixels_get_no_gradient, *TASK_CHECKS,
)  # fmt: skip
