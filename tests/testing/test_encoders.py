"""Every check of encoders catches a broken encoder; test_decoders has the shared checks."""

import math

import pytest
from torch import nn

from segkit.core.errors import PartError, ShapeError
from segkit.core.types import Pyramid
from segkit.testing.modules import MODULE_CHECKS
from tests.testing.contract import assert_caught, assert_complete, assert_passes


class Good(nn.Module):
    """Two convolutions of stride 2."""

    def __init__(self, in_channels):
        super().__init__()
        self.pyramid = Pyramid(channels=(8, 16), reductions=(2, 4))
        self.mean, self.std = (0.5,) * in_channels, (0.25,) * in_channels
        self.stem = nn.Conv2d(in_channels, 8, 3, stride=2, padding=1)
        self.stage = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1))

    def forward(self, image):
        finest = self.stem(image)
        return [finest, self.stage(finest)]


def three_channels_only(in_channels):
    if in_channels != 3:
        raise PartError(f"takes images of 3 channels, not {in_channels}")
    return Good(in_channels)


class OneSizeOnly(Good):
    def forward(self, image):
        if image.shape[-2:] != (192, 192):
            raise ShapeError("takes images of 192x192")
        return super().forward(image)


def without_padding(in_channels):
    """Its maps are rounded down."""
    encoder = Good(in_channels)
    encoder.stem = nn.Conv2d(in_channels, 8, 2, stride=2)
    encoder.stage[-1] = nn.Conv2d(8, 16, 2, stride=2)
    return encoder


def pretrained(in_channels, *, weights: str = "imagenet"):
    if weights != "none":
        raise OSError("there is no network")
    return Good(in_channels)


def frozen(in_channels):
    return Good(in_channels).requires_grad_(False)


@pytest.mark.parametrize(
    "factory", [Good, three_channels_only, OneSizeOnly, without_padding, pretrained, frozen]
)
def test_correct_encoder_passes(factory):
    assert_passes("encoder", factory)


def with_attributes(**attributes):
    def encoder(in_channels):
        module = Good(in_channels)
        for name, value in attributes.items():
            setattr(module, name, value)
        return module

    return encoder


def changed_output(change):
    class Changed(Good):
        def forward(self, image):
            return change(super().forward(image))

    return lambda in_channels: Changed(in_channels)


def refuses_all(in_channels):
    raise PartError(f"takes images of 5 channels, not {in_channels}")


MAPS = "images of 3 channels: for an image of 64x64 its maps are 8 x 32x32, 16 x 16x16, but its pyramid is "
BROKEN = [
    *(
        ("maps_match_the_pyramid", factory, message)
        for factory, message in [
            (refuses_all, "it refuses every number of channels: takes images of 5 channels, not 3; takes"),
            (lambda in_channels: Good, "it builds a type, not a torch.nn.Module\n"),
            (
                changed_output(lambda maps: maps[0].view(2, 3)),
                "on inputs of shape (1, 3, 512, 512): it fails: RuntimeError: shape '[2, 3]' is invalid",
            ),
            (
                changed_output(lambda maps: maps[-1]),
                "it returns a Tensor\n  try: return a list of maps, finest first, each (B, C, H, W)",
            ),
            (
                changed_output(lambda maps: [x.mean((2, 3)) for x in maps]),
                "it returns [(1, 8), (1, 16)]\n",
            ),
            (changed_output(lambda maps: []), "it returns []\n"),
            (with_attributes(pyramid=None), f"{MAPS}None\n  try: self.pyramid = Pyramid(channels=(...),"),
            (with_attributes(pyramid=Pyramid((), ())), f"{MAPS}Pyramid(channels=(), reductions=())\n"),
            (with_attributes(pyramid=Pyramid((8, 16), (2,))), "reductions=(2,))\n"),
            (with_attributes(pyramid=Pyramid((8, 16), (2.0, 4.0))), "reductions=(2.0, 4.0))\n"),
            (with_attributes(pyramid=Pyramid((8, 16), (2, 8))), "reductions=(2, 8))\n"),
            (changed_output(lambda maps: maps[1:]), "its maps are 16 x 16x16, but its pyramid is"),
            (
                changed_output(lambda maps: maps[::-1]),
                "its maps are 16 x 16x16, 8 x 32x32, but its pyramid is Pyramid(channels=(8, 16), red",
            ),
            (
                changed_output(lambda maps: [nn.functional.pad(maps[0], (0, 1)), maps[1]]),
                "its maps are 8 x 32x33, 16 x 16x16, but",
            ),
        ]
    ),
    *(
        ("mean_and_std_have_a_value_per_channel", with_attributes(**attributes), message)
        for attributes, message in [
            ({"mean": None}, "for 3 channels its mean is None and its std is (0.25, 0.25, 0.25)\n  try: set"),
            ({"mean": (0.5,) * 3, "std": (0.25,) * 3}, "for 1 channels its mean is (0.5, 0.5, 0.5)"),
            ({"mean": (123.7,) * 3}, "for 3 channels its mean is (123.7, 123.7, 123.7)"),
            ({"std": (0.25, 0.25, 0.0)}, "its std is (0.25, 0.25, 0.0)\n"),
            ({"std": (0.25, 0.25, math.nan)}, "its std is (0.25, 0.25, nan)\n"),
        ]
    ),
]


@pytest.mark.parametrize(("name", "factory", "message"), BROKEN)
def test_check_catches_a_broken_encoder(name, factory, message):
    assert_caught("encoder", name, factory, message)


def test_coarsest_map_first_is_caught():
    factory = changed_output(lambda maps: maps[::-1])

    def encoder(in_channels):
        module = factory(in_channels)
        module.pyramid = Pyramid((16, 8), (4, 2))
        return module

    assert_caught("encoder", "maps_match_the_pyramid", encoder, "reductions=(4, 2))\n  try: ...finest first")


def test_every_check_catches_something():
    assert_complete("encoder", [*BROKEN, *((function.__name__,) for function in MODULE_CHECKS)])
