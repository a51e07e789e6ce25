"""A folded encoder says the same as the encoder it was made from, or there is none."""

import pytest
import torch
from torch import nn

from segkit.models.fuse_batchnorm import fuse_batchnorm
from tests.parts.decoders.cases import encoder_for


def stirred(encoder):
    """With BatchNorm statistics and weights that are not those of a new module."""
    torch.manual_seed(1)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return encoder.eval().requires_grad_(False)


class Encoder(nn.Module):
    """One convolution and one BatchNorm, used as a subclass says."""

    def __init__(self, conv=None):
        super().__init__()
        self.conv, self.norm = conv or nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, image):
        return [self.norm(self.conv(image))]


class UsesTheConvolutionToo(Encoder):
    def forward(self, image):
        map_ = self.conv(image)
        return [self.norm(map_) + map_]


class NormalisesTwice(Encoder):
    def forward(self, image):
        return [self.norm(self.norm(self.conv(image)))]


class ScalesItsWeights(nn.Conv2d):
    """As weight standardisation does: what is folded into the weights would be lost."""

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight / self.weight.norm(), self.bias)


def norms(encoder):
    return sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mobilenetv2_100", "mobilenetv3_small_050", "resnet10t", "efficientnet_lite0"]
)
def test_encoders_of_timm_lose_their_norms_and_say_the_same(name):
    encoder, image = stirred(encoder_for(name)), torch.randn(2, 3, 64, 64)
    lean = fuse_batchnorm(encoder, image)
    assert norms(lean) == 0 < norms(encoder)
    other = torch.randn(3, 3, 96, 64)
    for map_, lean_map in zip(encoder(other), lean(other), strict=True):
        assert (map_ - lean_map).abs().max() < 1e-4 * map_.abs().max()


@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_and_its_norm_become_one(bias):
    encoder = stirred(Encoder(nn.Conv2d(3, 4, 3, bias=bias)))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    image = torch.randn(2, 3, 8, 8)
    lean = fuse_batchnorm(encoder, image)
    assert norms(lean) == 0
    torch.testing.assert_close(lean(image)[0], encoder(image)[0])
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


@pytest.mark.parametrize(
    "encoder", [UsesTheConvolutionToo(), NormalisesTwice(), Encoder(ScalesItsWeights(3, 4, 3))]
)
def test_what_would_say_something_else_is_left_alone(encoder):
    assert fuse_batchnorm(stirred(encoder), torch.randn(2, 3, 8, 8)) is None


def test_nothing_to_fold():
    assert fuse_batchnorm(encoder_for("convnext_atto").eval(), torch.randn(2, 3, 64, 64)) is None


def test_half_precision_is_left_alone():
    """Rounding there is as large as what a wrong fold would do."""
    encoder = stirred(Encoder()).bfloat16()
    assert fuse_batchnorm(encoder, torch.randn(2, 3, 8, 8).bfloat16()) is None


class AsksItsNorm(Encoder):
    def forward(self, image):
        return [self.norm(self.conv(image)) * self.norm.eps]


class CannotBeCopied(Encoder):
    def __deepcopy__(self, memo):
        raise TypeError("it holds a lock")


@pytest.mark.parametrize("encoder", [AsksItsNorm(), CannotBeCopied()])
def test_what_cannot_be_folded_is_no_error(encoder):
    assert fuse_batchnorm(stirred(encoder), torch.randn(2, 3, 8, 8)) is None


def test_a_folded_encoder_is_in_evaluation_mode():
    lean = fuse_batchnorm(stirred(Encoder()), torch.randn(2, 3, 8, 8))
    assert not any(module.training for module in lean.modules())
