"""Matrix products say what torch's convolutions say, forwards and backwards."""

import pytest
import torch

from segkit.parts.decoders import _matmul_conv as _small_maps
from segkit.parts.decoders._matmul_conv import SameConv2d, UpConv2d

CASES = [
    *((UpConv2d, size, (2, 48, *shape)) for size in (2, 3, 4) for shape in ((3, 2), (1, 1), (4, 4))),
    *((SameConv2d, 7, (2, 48, *shape)) for shape in ((4, 4), (2, 6), (1, 3))),
    (SameConv2d, 5, (3, 48, 2, 4)),
]


def ways(convolution, x):
    """Output and gradients as computed in training, and as torch computes them."""
    torch.manual_seed(0)
    answers = []
    for way in (type(convolution), type(convolution).__base__):
        x = x.detach().requires_grad_()
        convolution.zero_grad()
        output = way.forward(convolution, x)
        (output * torch.arange(output.numel()).view(output.shape).sin()).sum().backward()
        answers.append((output.detach(), x.grad, convolution.weight.grad.clone()))
    return answers


@pytest.mark.parametrize(("kind", "kernel_size", "shape"), CASES)
def test_a_product_is_the_convolution(kind, kernel_size, shape, monkeypatch):
    used = []
    function = "_UpConv" if kind is UpConv2d else "_SameConv"
    plain = getattr(_small_maps, function)

    class Watched:
        @staticmethod
        def apply(*given):
            used.append(given)
            return plain.apply(*given)

    monkeypatch.setattr(_small_maps, function, Watched)
    torch.manual_seed(0)
    convolution = kind(shape[1], 24, kernel_size).to(memory_format=torch.channels_last)
    x = torch.randn(shape).to(memory_format=torch.channels_last)
    ours, torchs = ways(convolution, x)
    assert len(used) == 1
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert ours[0].is_contiguous(memory_format=torch.channels_last)
    assert ours[2].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", [UpConv2d, SameConv2d])
def test_gradients_are_those_of_finite_differences(kind, monkeypatch):
    monkeypatch.setattr(_small_maps, "_as_product", lambda x, weight: True)
    size = 4 if kind is UpConv2d else 5
    convolution = kind(6, 2, size).double().to(memory_format=torch.channels_last)
    x = torch.randn(1, 6, 2, 2, dtype=torch.double).to(memory_format=torch.channels_last).requires_grad_()

    def forward(x, weight):
        return torch.func.functional_call(convolution, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(forward, (x, convolution.weight))


@pytest.mark.parametrize("kind", [UpConv2d, SameConv2d])
def test_no_product_where_it_would_not_be_faster_or_not_the_same(kind, monkeypatch):
    def refuse(*given):
        raise AssertionError("a product")

    for function in ("_UpConv", "_SameConv"):
        monkeypatch.setattr(getattr(_small_maps, function), "apply", refuse)
    convolution = kind(32, 16, 4 if kind is UpConv2d else 7).to(memory_format=torch.channels_last)
    small, large = torch.randn(1, 32, 2, 2), torch.randn(1, 32, 16, 16)
    with pytest.raises(AssertionError, match="a product"):
        convolution(small)
    convolution(large)
    with torch.no_grad():
        convolution(small)
    with torch.autocast("cpu"):
        convolution(small)
    convolution.to(memory_format=torch.contiguous_format)
    convolution(small)
    convolution.double()(small.double())
    convolution.to("meta")(small.to("meta"))
