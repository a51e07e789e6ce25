"""What holds for the losses of any batch: finite, not negative, blind to ignored pixels and to order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from segkit.core.registry import LOSSES
from segkit.core.types import Loss
from tests.properties.cases import LARGE, ORDINARY, Batch, batches, known

KINDS = {"bce": ("binary", "multilabel"), "cross_entropy": ("multiclass",)}
ALL = ("binary", "multiclass", "multilabel")
VARIANTS: dict[str, dict[str, list[Any]]] = {
    "over": {"over": ["image", "batch"]},
    "absent": {"absent": ["suppress", "skip"]},
    "smooth": {"smooth": [0.0, 1.0]},
}
every_loss = pytest.mark.parametrize("name", [entry.name for entry in LOSSES.own()])


@st.composite
def cases(draw: Any, name: str, logits: Any) -> tuple[Loss, Batch]:
    """A loss with some of its options, and a batch that it fits."""
    batch = draw(batches(KINDS.get(name, ALL), logits))
    entry = LOSSES.get(name)
    assert entry is not None
    options = {
        key: draw(st.sampled_from(values))
        for option, choices in VARIANTS.items()
        if option in entry.options
        for key, values in choices.items()
    }
    return entry.factory(batch.task, **options), batch


def value_and_gradient(loss: Loss, batch: Batch) -> tuple[Tensor, Tensor]:
    logits = batch.logits.clone().requires_grad_()
    value = loss(logits, batch.target)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


@every_loss
@given(data=st.data())
def test_a_loss_of_finite_logits_is_finite_and_not_negative(name: str, data: st.DataObject) -> None:
    loss, batch = data.draw(cases(name, LARGE + ORDINARY))
    value, gradient = value_and_gradient(loss, batch)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert value >= -1e-6


@every_loss
@given(data=st.data())
def test_no_gradient_reaches_ignored_pixels(name: str, data: st.DataObject) -> None:
    loss, batch = data.draw(cases(name, ORDINARY))
    pixels = known(batch)
    pixels = pixels if batch.task.kind == "multilabel" else pixels[:, None].expand_as(batch.logits)
    value, gradient = value_and_gradient(loss, batch)
    assert (gradient[~pixels] == 0).all()
    changed = batch._replace(logits=batch.logits.where(pixels, 9.0))
    assert torch.equal(value_and_gradient(loss, changed)[0], value)


@every_loss
@given(data=st.data(), chance=st.randoms())
def test_the_order_of_images_changes_nothing_but_rounding(
    name: str, data: st.DataObject, chance: Any
) -> None:
    loss, batch = data.draw(cases(name, ORDINARY))
    order = chance.sample(range(len(batch.target)), len(batch.target))
    value, gradient = value_and_gradient(loss, batch)
    moved = value_and_gradient(loss, batch._replace(logits=batch.logits[order], target=batch.target[order]))
    torch.testing.assert_close(moved[0], value, rtol=1e-5, atol=1e-6)
    if name != "lovasz":  # whose equal errors may be ranked either way, with other gradients of one value
        torch.testing.assert_close(moved[1], gradient[order], rtol=1e-4, atol=1e-6)
