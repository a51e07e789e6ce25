"""Every point of the contract of decoders catches a decoder that breaks it, and says what to change."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segkit.core.errors import PartError, ShapeError
from segkit.testing import Check, ContractError
from segkit.testing import decoders as points
from tests.testing.modules import Good, before, decoder_subject, decoder_tried, good, then


def last_alone(pyramid):
    """The ten lines of the documentation."""

    class OneConv(nn.Conv2d):
        def forward(self, features):
            return super().forward(features[-1])

    return OneConv(pyramid.channels[-1], 16, 3, padding=1)


def without_parameters(pyramid):
    return nn.Upsample(scale_factor=2) if len(pyramid) == 1 else first_of(nn.Identity())


def first_of(layer):
    class First(nn.Module):
        def forward(self, features):
            return layer(features[0])

    return First()


def starts_at_zero(pyramid):
    """As the branches of many residual networks do."""
    branch = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
    nn.init.zeros_(branch[-1].weight)
    nn.init.zeros_(branch[-1].bias)

    class Residual(Good):
        def __init__(self, pyramid):
            super().__init__(pyramid)
            self.branch = branch

        def forward(self, features):
            x = super().forward(features)
            return x + self.branch(x)

    return Residual(pyramid)


def of_halving_maps(pyramid):
    if len(set(pyramid.reductions)) < len(pyramid):
        raise ShapeError("needs maps that halve")
    return Good(pyramid)


def of_multiples_of_128(pyramid):
    def whole(features):
        if features[-1].shape[-1] % 4:
            raise ValueError("sizes are multiples of 128")
        return features

    return before(whole)(pyramid)


KEPT = [good, last_alone, without_parameters, starts_at_zero, of_halving_maps, of_multiples_of_128]


@pytest.mark.parametrize("factory", KEPT, ids=lambda factory: factory.__name__)
def test_good_decoders_keep_every_point(factory):
    subject = decoder_subject(factory)
    for point in points.CHECKS:
        Check(subject, point)()


@pytest.mark.parametrize("features", ["last", "all", [1, -1]])
def test_good_decoder_may_ask_for_any_stages(features):
    for point in points.CHECKS[:4]:
        decoder_tried(point, good, features=features)


def refuses_all(pyramid):
    raise PartError(f"needs a map of reduction 3 among {len(pyramid)}")


def test_decoder_that_refuses_everything_is_caught():
    with pytest.raises(
        ContractError,
        match=r"it cannot be tried: it refuses every encoder: needs a map of reduction 3 among 5; "
        r"needs a map of reduction 3 among 4\n",
    ):
        decoder_tried(points.it_fits_some_encoder, refuses_all)
    with pytest.raises(
        ContractError, match=r"it refuses every encoder: model\.encoder\.features: \[7\] does not"
    ):
        decoder_tried(points.it_fits_some_encoder, good, features=[7])


def test_decoder_that_fails_when_it_is_built_is_told_for_what():
    def careless(pyramid):
        raise KeyError(pyramid.channels[7])

    with pytest.raises(
        ContractError,
        match=r"it cannot be tried: when it is built for maps of test_resnet, of reductions 2, 4, 8, 16, 32: "
        r"it fails: IndexError: tuple index out of range$",
    ):
        decoder_tried(points.it_fits_some_encoder, careless)


def test_decoder_that_fails_at_every_size_is_the_same_problem_for_every_check():
    subject = decoder_subject(before(lambda features: [features[0] + features[1]]))
    [problem] = {Check(subject, point).outcome().problem for point in points.CHECKS}
    assert problem.problem.startswith("it cannot be tried: on the maps of test_resnet, (1, ")
    assert ": it fails: RuntimeError: The size of tensor a (" in problem.problem
    assert "tests/testing/modules.py:" in problem.where


def grows(x):
    return x.repeat(1, x.shape[-2], 1, 1)


def blind(pyramid):
    return before(lambda features: [torch.ones_like(feature) for feature in features])(pyramid)


def detached_skip(pyramid):
    return before(lambda features: [features[0].detach(), *features[1:]])(pyramid)


BROKEN = {
    "no module": (
        points.it_fits_some_encoder,
        lambda pyramid: Good,
        r"it builds a type, not a torch\.nn\.Module\n  try: return the module itself",
    ),
    "two maps": (
        points.it_gives_as_many_channels_at_every_size,
        then(lambda x: [x, x]),
        r"from maps of 1 images it makes a list\n  try: one map: \(B, channels, height, width\)",
    ),
    "no map": (
        points.it_gives_as_many_channels_at_every_size,
        then(lambda x: x.mean((2, 3))),
        r"from maps of 1 images it makes \(1, 8\)\n  try: one map",
    ),
    "channels grow": (
        points.it_gives_as_many_channels_at_every_size,
        then(grows),
        r"32: its channels are 256 at 64x64, 256 at 64x128, 400 at 100x75\n  try: channels",
    ),
    "turned": (
        points.its_map_has_the_form_of_the_image,
        then(lambda x: x.mT),
        r"32: for an image of 64x128 its map is 64x32\n  try: a map in which a cell is a square of the image",
    ),
    "of one size": (
        points.its_map_has_the_form_of_the_image,
        then(lambda x: F.interpolate(x, size=(512, 512))),
        r"32: for an image of 64x64 its map is 512x512\n  try: .* of at most the image's size",
    ),
    "blind": (
        points.gradients_reach_every_map_that_it_uses,
        blind,
        r"32: its output is the same whatever comes in\n  try: use the maps",
    ),
    "detached": (
        points.gradients_reach_every_map_that_it_uses,
        detached_skip,
        r"32: map 0 \(counted from 0\) changes its output and gets no gradient\n  try: no detach\(\)",
    ),
    "all detached": (
        points.gradients_reach_every_map_that_it_uses,
        then(lambda x: x.detach()),
        r"32: map 0 \(counted from 0\) changes its output and gets no grad",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_point_catches_a_broken_decoder(name):
    point, factory, message = BROKEN[name]
    with pytest.raises(ContractError, match=message):
        decoder_tried(point, factory)


def test_checks_of_two_decoders_do_not_mix():
    one, other = decoder_subject(good), decoder_subject(then(lambda x: x.mT))
    for _ in range(2):
        Check(one, points.its_map_has_the_form_of_the_image)()
        with pytest.raises(ContractError, match="its map is 64x32"):
            Check(other, points.its_map_has_the_form_of_the_image)()
