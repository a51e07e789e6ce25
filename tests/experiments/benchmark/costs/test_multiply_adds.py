"""Multiply-adds are those that one counts by hand, and those that were published."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.experiments.benchmark.costs.measure import multiply_adds


class Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x)


def small_things() -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Upsample(scale_factor=2))


@pytest.mark.parametrize(
    ("layer", "shape", "by_hand"),
    [
        (lambda: nn.Conv2d(3, 8, 3, stride=2, padding=1), (1, 3, 32, 32), 16 * 16 * 8 * 3 * 9),
        (lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 32, 32), 2 * 32 * 32 * 8 * 9),
        # Every pixel that comes in is multiplied with the whole kernel, whatever comes out.
        (lambda: nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1), (1, 6, 16, 16), 16 * 16 * 6 * 4 * 9),
        (lambda: nn.ConvTranspose2d(6, 4, 4, stride=2, groups=2), (1, 6, 16, 16), 16 * 16 * 6 * 2 * 16),
        (lambda: nn.Linear(6, 4), (1, 5, 6), 5 * 6 * 4),
        (Attention, (1, 3, 10, 16), 2 * 3 * 10 * 10 * 16),
        (small_things, (1, 6, 8, 8), 0),
    ],
    ids=["conv", "grouped", "transposed", "transposed grouped", "linear", "attention", "small things"],
)
def test_layers(layer: Callable[[], nn.Module], shape: tuple[int, ...], by_hand: int) -> None:
    with torch.device("meta"):
        assert multiply_adds(layer(), shape) == by_hand


@pytest.mark.parametrize(("name", "published"), [("mobilenetv2_100", 300e6), ("resnet18", 1.8e9)])
def test_networks(name: str, published: float) -> None:
    """At 224 x 224: Sandler et al. (2018), table 4; He et al. (2016), table 1."""
    with torch.device("meta"):
        model = timm.create_model(name)
    assert multiply_adds(model, (1, 3, 224, 224)) == pytest.approx(published, rel=0.01)
