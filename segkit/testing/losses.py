"""The contract of a loss: (logits (B, K, H, W), target) -> scalar, for every task that it accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from segkit.testing.check import ContractError, Point, require
from segkit.testing.tasks import (
    ASK,
    IGNORED,
    IN_PLACE,
    INTEGERS,
    KNOWN,
    NO_INDEX,
    PURE,
    REPLACE,
    SHAPES,
    Case,
    as_logits,
    batch,
    half_right,
    it_fits_some_task,
    logits_of,
    on_every_task,
    one_valued,
    opposite,
    with_ignored,
    word_for,
)

if TYPE_CHECKING:
    from segkit.core.types import Loss

_MASK = f"multiply what each pixel adds by known, where {KNOWN}"
_DIVIDE = "there is a division by zero: divide by total.clamp_min(1), or add a small number to the total"
_ONE_VALUE = (
    "an image may hold no pixel of a class, or no other pixel: take no maximum and no index of nothing"
)
_FLOAT32 = "begin with logits = logits.float(): sums and logarithms need float32"
_LOGARITHM = (
    "log(0) is infinite: use logsigmoid, log_softmax or binary_cross_entropy_with_logits on the logits"
)
_DETACHED = (
    "return what torch computes of the logits, without .detach(), .item(), float(), .numpy(), "
    "torch.no_grad(), argmax or a threshold"
)


@on_every_task(SHAPES)
def it_gives_one_finite_number(case: Case) -> None:
    """Training makes one number small."""
    _finite("random logits", _scalar(case.build()(*batch(case.task))))


@on_every_task(SHAPES)
def a_better_prediction_has_a_smaller_loss(case: Case) -> None:
    """Training goes where the loss is small: that must be the truth."""
    loss, (_, target) = case.build(), batch(case.task)
    wrong = opposite(case.task, target)
    perfect, half, worst = (
        float(_scalar(loss(logits, target)))
        for logits in (
            logits_of(case.task, target, strength=10),
            half_right(case.task, target, strength=10),
            logits_of(case.task, wrong, strength=10),
        )
    )
    require(
        perfect < half < worst,
        f"the loss is {perfect:.4g} for a perfect prediction, {half:.4g} for one that is right in one half "
        f"of the image and undecided in the other, and {worst:.4g} for one that is wrong everywhere",
        "these three must rise: look for a wrong sign, and for logits and target that have changed places",
    )


@on_every_task()
def its_gradient_leads_downhill(case: Case) -> None:
    """An optimiser sees nothing of a loss but its gradient."""
    loss, (noise, target) = case.build(), batch(case.task)
    logits = logits_of(case.task, opposite(case.task, target), strength=2) + noise / 2
    value, gradient = _value_and_gradient(loss, logits, target)
    _finite_both("a wrong prediction", value, gradient)
    require(bool(gradient.any()), "the gradient of a wrong prediction is zero everywhere", _DETACHED)
    before, direction = float(value), gradient / gradient.norm()
    # One size of step does not suit every loss: some are steep, some have kinks.
    after = min(float(_scalar(loss(logits - step * direction, target))) for step in (1, 0.1, 0.01))
    require(
        after < before,
        f"steps against the gradient lead from a loss of {before:.6g} to {after:.6g}, not down",
        "leave the gradient to autograd; a backward of your own must be the slope of the forward",
    )


@on_every_task("the last batch of an epoch can be one image; evaluation takes images one by one")
def a_single_image_is_enough(case: Case) -> None:
    """Evaluation computes the loss of each image alone, of its own size and without gradients."""
    logits, target = batch(case.task, images=1, size=(17, 30), seed=1)
    loss = case.build()
    with torch.inference_mode():
        value = _scalar(loss(logits, target))
    _finite("a single image", value)


@on_every_task(_ONE_VALUE)
def empty_and_full_targets_stay_finite(case: Case) -> None:
    """Images without a lesion, or full of it, are in most data sets; one NaN ends the training."""
    loss, (logits, target) = case.build(), batch(case.task)
    sure = logits_of(case.task, target)
    for word, same in one_valued(case.task, target).items():
        one_of_three = target.clone()
        one_of_three[0] = same[0]
        for truth in (same, one_of_three):
            for given in (logits, sure, logits_of(case.task, truth)):
                _finite_both(f"targets that are {word}", *_value_and_gradient(loss, given, truth), _DIVIDE)


@on_every_task()
def very_sure_logits_stay_finite(case: Case) -> None:
    """Logits grow without bound while a model learns."""
    loss, (noise, target) = case.build(), batch(case.task)
    right = logits_of(case.task, target, strength=1e4)
    wrong = logits_of(case.task, opposite(case.task, target), strength=1e4)
    for word, logits in (("right", right), ("wrong", wrong), ("mixed", noise.sign() * 1e4)):
        _finite_both(
            f"logits of +-10000 that are {word}", *_value_and_gradient(loss, logits, target), _LOGARITHM
        )


@on_every_task(_FLOAT32)
def half_precision_logits_stay_finite(case: Case) -> None:
    """Logits may come in half precision, where small numbers become 0 and large ones infinite."""
    loss, (noise, target) = case.build(), batch(case.task)
    empty, full = list(one_valued(case.task, target).values())[:2]
    for dtype in (torch.bfloat16, torch.float16):
        for truth in (target, empty, full):
            for logits in (noise, logits_of(case.task, truth), -logits_of(case.task, truth)):
                found = _value_and_gradient(loss, logits.to(dtype), truth)
                _finite_both(f"{word_for(dtype)} logits", *found, _FLOAT32)


@on_every_task(INTEGERS)
def any_integer_target_gives_the_same_loss(case: Case) -> None:
    """Masks are read as uint8, and other sources give int32 or int64."""
    loss, (logits, target) = case.build(), batch(case.task)
    expected = _scalar(loss(logits, target))
    for dtype in (torch.uint8, torch.int32):
        value = _scalar(loss(logits, target.to(dtype)))
        require(
            _same(value, expected),
            f"the loss is {_text(expected)} for an int64 target and {_text(value)} for the same as "
            f"{word_for(dtype)}",
            INTEGERS,
        )


@on_every_task(NO_INDEX)
def it_works_where_nothing_is_ignored(case: Case) -> None:
    """Most recipes name no `ignore_index`."""
    logits, target = batch(case.task)
    expected = _scalar(case.build()(logits, target))
    value, _ = _value_and_gradient(case.build(ignore_index=None), logits, target)
    require(
        _same(value, expected),
        f"the loss of a target without ignored pixels is {_text(expected)} where ignore_index is {IGNORED}, "
        f"and {_text(value)} where it is None",
        NO_INDEX,
    )


@on_every_task(REPLACE)
def ignored_pixels_do_not_matter(case: Case) -> None:
    """Nobody knows what is true there."""
    loss, (logits, target) = case.build(), batch(case.task)
    target, ignored = with_ignored(target)
    expected = _scalar(loss(logits, target))
    _finite("a target with ignored pixels", expected, REPLACE)
    changed = logits.where(~as_logits(case.task, ignored), 5 - 3 * logits)
    value = _scalar(loss(changed, target))
    require(
        _same(value, expected),
        f"the loss changes from {_text(expected)} to {_text(value)} when the logits of ignored pixels change",
        _MASK,
    )
    value = _scalar(loss(logits, target.to(torch.uint8)))
    require(
        _same(value, expected),
        f"the loss of a target with ignored pixels is {_text(expected)} for int64 "
        f"and {_text(value)} for uint8",
        INTEGERS,
    )
    other, _ = with_ignored(target, 7)
    value = _scalar(case.build(ignore_index=7)(logits, other))
    require(
        _same(value, expected),
        f"the loss changes from {_text(expected)} to {_text(value)} when ignored pixels are 7 "
        f"and task.ignore_index is 7, not {IGNORED}",
        ASK,
    )


@on_every_task(REPLACE)
def ignored_pixels_get_no_gradient(case: Case) -> None:
    """What is not known must teach nothing; all else must."""
    loss, (logits, target) = case.build(), batch(case.task)
    target, ignored = with_ignored(target)
    value, gradient = _value_and_gradient(loss, logits, target)
    _finite_both("a target with ignored pixels", value, gradient, REPLACE)
    there = as_logits(case.task, ignored)
    most = float(gradient.masked_fill(~there, 0).abs().max())
    require(most == 0, f"a gradient of {most:.4g} reaches ignored pixels", _MASK)
    require(
        bool(gradient.masked_fill(there, 0).any()),
        "no gradient reaches the pixels beside ignored ones",
        "leave out the ignored pixels alone, not their image",
    )


@on_every_task(REPLACE)
def wholly_ignored_images_teach_nothing(case: Case) -> None:
    """A crop can fall where nothing is known."""
    loss, (logits, target) = case.build(), batch(case.task)
    one, all_of_them = target.clone(), torch.full_like(target, IGNORED)
    one[0] = IGNORED
    _finite_both("a batch with a wholly ignored image", *_value_and_gradient(loss, logits, one), _DIVIDE)
    value, gradient = _value_and_gradient(loss, logits, all_of_them)
    _finite_both("a batch of nothing but ignored pixels", value, gradient, _DIVIDE)
    require(not gradient.any(), "a batch of nothing but ignored pixels has a gradient", _MASK)


@on_every_task()
def the_same_batch_gives_the_same_loss(case: Case) -> None:
    """Runs are repeated and resumed exactly, so nothing may be drawn or remembered by a loss."""
    loss, given = case.build(), batch(case.task)
    value, gradient = _value_and_gradient(loss, *given)
    _value_and_gradient(loss, *batch(case.task, seed=1))
    for again in (loss, case.build()):
        value_2, gradient_2 = _value_and_gradient(again, *given)
        require(
            torch.equal(value, value_2),
            f"two calls on the same batch differ: the loss is {_text(value)}, and later {_text(value_2)}",
            PURE,
        )
        same = torch.equal(gradient, gradient_2)
        require(same, "two calls on the same batch differ: the loss is the same, its gradient is not", PURE)


@on_every_task(REPLACE)
def its_arguments_stay_as_they_are(case: Case) -> None:
    """The next loss of a sum, and every metric, get the same tensors."""
    logits, target = batch(case.task)
    target, _ = with_ignored(target)
    logits_2, target_2 = logits.clone(), target.clone()
    case.build()(logits_2, target_2)
    for word, before, after in (("logits", logits, logits_2), ("target", target, target_2)):
        require(torch.equal(before, after), f"it changes the {word} that it is given", IN_PLACE)


def _value_and_gradient(loss: Loss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.detach().clone().requires_grad_()
    value = _scalar(loss(logits * 1, target))  # a model's output: no leaf, so that in-place work is allowed
    require(
        value.requires_grad,
        "it returns a tensor without gradient: nothing leads from it back to the logits",
        f"{_DETACHED}; where there is nothing to learn, logits.sum() * 0",
    )
    (gradient,) = torch.autograd.grad(value, logits, allow_unused=True)
    return value.detach(), torch.zeros_like(logits) if gradient is None else gradient


def _scalar(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        told = f"it returns a {type(value).__name__}, not a tensor of one number with a gradient"
        raise ContractError(told, hint=_DETACHED)
    shape, dtype = tuple(value.shape), value.dtype
    require(shape == (), f"the loss has the shape {shape}, which is not one number", "take the .mean() of it")
    require(dtype.is_floating_point, f"the loss is of type {word_for(dtype)}", _DETACHED)
    return value


def _finite(of_what: str, value: Tensor, hint: str = _DIVIDE) -> None:
    require(bool(value.isfinite()), f"the loss of {of_what} is {_text(value)}", hint)


def _finite_both(of_what: str, value: Tensor, gradient: Tensor, hint: str = _DIVIDE) -> None:
    _finite(of_what, value, hint)
    bad = int((~gradient.isfinite()).sum())
    problem = f"the gradient of {of_what} is not finite for {bad} of {gradient.numel()} logits"
    require(not bad, problem, f"{hint}; torch.where passes on the NaN of the branch that it does not take")


def _same(value: Tensor, other: Tensor) -> bool:
    return torch.allclose(value.double(), other.double(), rtol=1e-4, atol=1e-6, equal_nan=True)


def _text(value: Tensor) -> str:
    return f"{float(value):.6g}"


CHECKS: tuple[Point, ...] = (
    it_fits_some_task,
    it_gives_one_finite_number,
    a_better_prediction_has_a_smaller_loss,
    its_gradient_leads_downhill,
    a_single_image_is_enough,
    empty_and_full_targets_stay_finite,
    very_sure_logits_stay_finite,
    half_precision_logits_stay_finite,
    any_integer_target_gives_the_same_loss,
    it_works_where_nothing_is_ignored,
    ignored_pixels_do_not_matter,
    ignored_pixels_get_no_gradient,
    wholly_ignored_images_teach_nothing,
    the_same_batch_gives_the_same_loss,
    its_arguments_stay_as_they_are,
)
