"""The contract of a loss: (logits (B, K, H, W), target) -> scalar, for every task that it accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from segkit.testing.check import ContractError, Point, on_every, require
from segkit.testing.tasks import (
    IGNORED,
    IN_PLACE,
    INTEGERS,
    KNOWN,
    PURE,
    Case,
    as_logits,
    batch,
    cases,
    it_fits_some_task,
    logits_of,
    one_valued,
    opposite,
    with_ignored,
    word_for,
)

if TYPE_CHECKING:
    from segkit.core.types import Loss

_MASK = f"multiply what each pixel adds by known, where {KNOWN}"
_FINITE = (
    "look for a division by zero: total.clamp_min(1); for log(0): logsigmoid, log_softmax or "
    "binary_cross_entropy_with_logits; for half precision: begin with logits = logits.float()"
)
_DETACHED = (
    "return what torch computes of the logits, without .detach(), .item(), float(), .numpy(), "
    "torch.no_grad(), argmax or a threshold; where there is nothing to learn, logits.sum() * 0"
)


@on_every(cases)
def it_gives_one_finite_number(case: Case) -> None:
    """Training makes one number small; evaluation computes it for each image alone, without gradients."""
    loss = case.build()
    _finite("random logits", _scalar(loss(*batch(case.task))))
    with torch.inference_mode():
        value = _scalar(loss(*batch(case.task, images=1, size=(17, 30), seed=1)))
    _finite("a single image", value)


@on_every(cases)
def the_truth_has_a_smaller_loss_than_its_opposite(case: Case) -> None:
    """Training goes where the loss is small: that must be the truth."""
    loss, (_, target) = case.build(), batch(case.task)
    best, worst = (
        float(_scalar(loss(logits_of(case.task, truth, strength=10), target)))
        for truth in (target, opposite(case.task, target))
    )
    require(
        best < worst,
        f"the loss is {best:.4g} for a perfect prediction, and {worst:.4g} for one that is wrong everywhere",
        "look for a wrong sign, and for logits and target that have changed places",
    )


@on_every(cases)
def a_wrong_prediction_has_a_gradient(case: Case) -> None:
    """An optimizer sees nothing of a loss but its gradient."""
    loss, (noise, target) = case.build(), batch(case.task)
    logits = logits_of(case.task, opposite(case.task, target), strength=2) + noise / 2
    gradient = _finite_gradient("a wrong prediction", loss, logits, target)
    require(bool(gradient.any()), "the gradient of a wrong prediction is zero everywhere", _DETACHED)


@on_every(cases)
def empty_and_full_targets_stay_finite(case: Case) -> None:
    """Images without a lesion, or full of it, are in most data sets; one NaN ends the training."""
    loss, (logits, target) = case.build(), batch(case.task)
    for word, same in one_valued(case.task, target).items():
        for given in (logits, logits_of(case.task, same)):
            _finite_gradient(f"targets that are {word}", loss, given, same)


@on_every(cases)
def very_sure_logits_stay_finite(case: Case) -> None:
    """Logits grow without bound while a model learns."""
    loss, (_, target) = case.build(), batch(case.task)
    for word, truth in (("right", target), ("wrong", opposite(case.task, target))):
        logits = logits_of(case.task, truth, strength=1e4)
        _finite_gradient(f"logits of +-10000 that are {word}", loss, logits, target)


@on_every(cases)
def half_precision_logits_stay_finite(case: Case) -> None:
    """Logits may come in half precision, where small numbers become 0 and large ones infinite."""
    loss, (noise, target) = case.build(), batch(case.task)
    for dtype in (torch.bfloat16, torch.float16):
        for logits in (noise, logits_of(case.task, target), -logits_of(case.task, target)):
            _finite_gradient(f"{word_for(dtype)} logits", loss, logits.to(dtype), target)


@on_every(cases)
def any_integer_target_gives_the_same_loss(case: Case) -> None:
    """Masks are read as uint8, and other sources give int32 or int64."""
    loss, (logits, target) = case.build(), batch(case.task)
    expected = _scalar(loss(logits, target))
    for dtype in (torch.uint8, torch.int32):
        value = _scalar(loss(logits, target.to(dtype)))
        _same(expected, value, f"when the target is {word_for(dtype)}, not int64", INTEGERS)


@on_every(cases)
def ignored_pixels_count_for_nothing(case: Case) -> None:
    """Nobody knows what is true there: they change no loss, and get no gradient."""
    loss, (logits, target) = case.build(), batch(case.task)
    target, ignored = with_ignored(target)
    there = as_logits(case.task, ignored)
    expected = _scalar(loss(logits, target))
    _finite("a target with ignored pixels", expected)
    value = _scalar(loss(logits.where(~there, 5 - 3 * logits), target))
    _same(expected, value, "when the logits of ignored pixels change", _MASK)
    value = _scalar(case.build(ignore_index=7)(logits, with_ignored(target, 7)[0]))
    _same(expected, value, f"when task.ignore_index is 7, not {IGNORED}, as are the ignored pixels", _MASK)
    gradient = _finite_gradient("a target with ignored pixels", loss, logits, target)
    most = float(gradient.masked_fill(~there, 0).abs().max())
    require(most == 0, f"a gradient of {most:.4g} reaches ignored pixels", _MASK)


@on_every(cases)
def a_wholly_ignored_batch_teaches_nothing(case: Case) -> None:
    """A crop can fall where nothing is known."""
    logits, target = batch(case.task)
    gradient = _finite_gradient(
        "a batch of ignored pixels alone", case.build(), logits, torch.full_like(target, IGNORED)
    )
    require(not gradient.any(), "a batch of ignored pixels alone has a gradient", _MASK)


@on_every(cases)
def it_works_where_nothing_is_ignored(case: Case) -> None:
    """Most recipes name no `ignore_index`."""
    logits, target = batch(case.task)
    expected = _scalar(case.build()(logits, target))
    value = _scalar(case.build(ignore_index=None)(logits, target))
    _same(expected, value, "when task.ignore_index is None and no pixel was ignored before", _MASK)


@on_every(cases)
def the_same_batch_gives_the_same_loss(case: Case) -> None:
    """Runs are repeated and resumed exactly, so a loss draws nothing and remembers nothing."""
    loss, given = case.build(), batch(case.task)
    value = _scalar(loss(*given))
    loss(*batch(case.task, seed=1))
    for again in (loss, case.build()):
        later = _scalar(again(*given))
        told = f"the loss of a batch is {_text(value)}, and later {_text(later)}"
        require(torch.equal(value, later), told, PURE)


@on_every(cases)
def inputs_stay_unchanged(case: Case) -> None:
    """The next loss of a sum, and every metric, get the same tensors."""
    logits, target = batch(case.task)
    target, _ = with_ignored(target)
    logits_2, target_2 = logits.clone(), target.clone()
    case.build()(logits_2, target_2)
    for word, before, after in (("logits", logits, logits_2), ("target", target, target_2)):
        require(torch.equal(before, after), f"it changes the {word} that it is given", IN_PLACE)


def _finite_gradient(of_what: str, loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    logits = logits.detach().clone().requires_grad_()
    value = _scalar(loss(logits * 1, target))  # a model's output: no leaf, so that in-place work is allowed
    _finite(of_what, value)
    require(value.requires_grad, f"the loss of {of_what} has no gradient", _DETACHED)
    (found,) = torch.autograd.grad(value, logits, allow_unused=True)
    gradient = torch.zeros_like(logits) if found is None else found
    bad = int((~gradient.isfinite()).sum())
    require(
        not bad, f"the gradient of {of_what} is not finite for {bad} of {gradient.numel()} logits", _FINITE
    )
    return gradient


def _scalar(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        told = f"it returns a {type(value).__name__}, not a tensor of one number with a gradient"
        raise ContractError(told, hint=_DETACHED)
    shape, dtype = tuple(value.shape), value.dtype
    require(shape == (), f"the loss has the shape {shape}, which is not one number", "take the .mean() of it")
    require(dtype.is_floating_point, f"the loss is of type {word_for(dtype)}", _DETACHED)
    return value


def _finite(of_what: str, value: Tensor) -> None:
    require(bool(value.isfinite()), f"the loss of {of_what} is {_text(value)}", _FINITE)


def _same(expected: Tensor, value: Tensor, when: str, hint: str) -> None:
    same = torch.allclose(value.double(), expected.double(), rtol=1e-4, atol=1e-6)
    require(same, f"the loss changes from {_text(expected)} to {_text(value)} {when}", hint)


def _text(value: Tensor) -> str:
    return f"{float(value.detach()):.6g}"


CHECKS: tuple[Point, ...] = (
    it_fits_some_task,
    it_gives_one_finite_number,
    the_truth_has_a_smaller_loss_than_its_opposite,
    a_wrong_prediction_has_a_gradient,
    empty_and_full_targets_stay_finite,
    very_sure_logits_stay_finite,
    half_precision_logits_stay_finite,
    any_integer_target_gives_the_same_loss,
    ignored_pixels_count_for_nothing,
    a_wholly_ignored_batch_teaches_nothing,
    it_works_where_nothing_is_ignored,
    the_same_batch_gives_the_same_loss,
    inputs_stay_unchanged,
)
