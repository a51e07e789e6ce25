"""boundary_loss: distances and values by hand, and brute force as judge."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segkit.core.errors import ShapeError
from segkit.core.plugins import load_plugin
from segkit.core.registry import LOSSES
from segkit.core.types import Task

PLUGIN = Path(__file__).parents[2] / "plugins" / "boundary_loss"
VOID = 255
BINARY = Task("binary", ("lesion",), VOID)
MULTICLASS = Task("multiclass", ("skin", "lesion"), VOID)
MULTILABEL = Task("multilabel", ("lesion", "hair"), VOID)
ROW = torch.tensor([[[0, 1, 1, 0, 0]]])  # one image of 1x5 pixels, and the distances of its pixels:
DISTANCES = torch.tensor([0.5, -0.5, -0.5, 0.5, 1.5])
DIAGONAL = 26**0.5


@pytest.fixture(autouse=True)
def plugin():
    load_plugin(PLUGIN)


def build(task=BINARY):
    return LOSSES.get("boundary_loss").factory(task)


def certain(target):
    """Logits that are sure of a binary target."""
    return (target[:, None] * 2.0 - 1) * 50


def value_and_gradient(loss, logits, target):
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


def blobs(side=16):
    generator = torch.Generator().manual_seed(0)
    noise = torch.nn.functional.avg_pool2d(torch.randn(2, 1, side, side, generator=generator), 5, 1, 2)
    return (noise[:, 0] > 0).long()


def test_loss_is_probability_times_distance_in_diagonals():
    logits = torch.tensor([0.0, 1.0, -2.0, 3.0, -1.0]).view(1, 1, 1, 5)
    expected = (logits.sigmoid().flatten() * DISTANCES).mean() / DIAGONAL
    torch.testing.assert_close(build()(logits, ROW), expected)


def test_distances_are_those_to_the_nearest_pixel_beyond_the_contour_less_a_half():
    target = blobs()
    # The gradient with respect to p of the mean of p * d is d / N; that of the sigmoid at 0 is 1/4.
    _, gradient = value_and_gradient(build(), torch.zeros(2, 1, 16, 16), target)
    found = gradient[:, 0].numpy() * 4 * target.numel() * (2 * 16**2) ** 0.5
    for mask, distances in zip(target.numpy(), found, strict=True):
        places = {side: np.argwhere(mask == side) for side in (0, 1)}
        for place in np.ndindex(mask.shape):
            nearest = np.linalg.norm(places[1 - mask[place]] - place, axis=1).min() - 0.5
            assert distances[place] == pytest.approx(-nearest if mask[place] else nearest, abs=1e-4)


def test_truth_is_the_smallest_loss_there_is_and_its_opposite_the_largest():
    target = blobs()
    loss = build()
    smallest, largest = loss(certain(target), target), loss(certain(1 - target), target)
    generator = torch.Generator().manual_seed(1)
    others = [loss(10 * torch.randn(2, 1, 16, 16, generator=generator), target) for _ in range(20)]
    assert smallest < 0 < largest
    assert smallest < min(others)
    assert max(others) < largest


def test_false_alarm_costs_more_the_farther_it_is():
    target = torch.zeros(1, 1, 9, dtype=torch.long)
    target[..., 0] = 1
    found = []
    for place in range(1, 9):
        logits = certain(target)
        logits[..., place] = 50
        found.append(float(build()(logits, target)))
    assert found == sorted(set(found))


@pytest.mark.parametrize("side", [0, 1])
def test_image_without_a_contour_adds_nothing(side):
    logits = torch.randn(1, 1, 1, 5, generator=torch.Generator().manual_seed(0))
    one_valued = torch.full_like(ROW, side)
    value, gradient = value_and_gradient(build(), logits, one_valued)
    assert (float(value), bool(gradient.any())) == (0.0, False)
    both, gradient = value_and_gradient(build(), logits.repeat(2, 1, 1, 1), torch.cat([ROW, one_valued]))
    torch.testing.assert_close(both, build()(logits, ROW) / 2)
    assert (gradient[0] != 0).all()
    assert not gradient[1].any()


def test_ignored_pixels_have_no_loss_and_no_distance_is_measured_to_them():
    logits = torch.tensor([0.0, 1.0, -2.0, 3.0, -1.0]).view(1, 1, 1, 5)
    target = torch.tensor([[[0, 1, VOID, VOID, 0]]])
    logits[..., 2] = torch.nan
    value, gradient = value_and_gradient(build(), logits, target)
    distances = torch.tensor([0.5, -0.5, 2.5])
    expected = (logits.sigmoid().flatten()[[0, 1, 4]] * distances).mean() / DIAGONAL
    torch.testing.assert_close(value, expected)
    assert (gradient.flatten() != 0).tolist() == [True, True, False, False, True]


def test_only_ignored_pixels_beside_one_side_are_no_contour():
    target = torch.tensor([[[1, 1, VOID, VOID, 1]]])
    value, gradient = value_and_gradient(build(), torch.randn(1, 1, 1, 5), target)
    assert (float(value), bool(gradient.any())) == (0.0, False)


def test_weight_means_the_same_at_every_image_size():
    target = blobs()
    logits = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for times in (2, 4):
        larger = [one.repeat_interleave(times, -1).repeat_interleave(times, -2) for one in (logits, target)]
        torch.testing.assert_close(build()(*larger), build()(logits, target), rtol=0.05, atol=0)


def test_classes_of_a_multilabel_task_weigh_the_same():
    logits = torch.randn(1, 2, 1, 5, generator=torch.Generator().manual_seed(0))
    target = torch.stack([ROW, 1 - ROW], dim=1)
    each = [build()(logits[:, k : k + 1], target[:, k]) for k in range(2)]
    torch.testing.assert_close(build(MULTILABEL)(logits, target), torch.stack(each).mean())


def test_two_classes_have_opposite_distances():
    logits = torch.randn(1, 2, 1, 5, generator=torch.Generator().manual_seed(0))
    skin, lesion = logits.softmax(1)[0, :, 0]
    expected = ((lesion - skin) * DISTANCES).mean() / 2 / DIAGONAL
    torch.testing.assert_close(build(MULTICLASS)(logits, ROW), expected)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ShapeError, match=r"logits \(1, 1, 1, 5\) and target .* do not fit a binary task"):
        build()(torch.zeros(1, 1, 1, 5), ROW[:, None])
