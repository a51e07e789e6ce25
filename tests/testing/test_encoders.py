"""Every point of the contract of encoders catches an encoder that breaks it, and says what to change.

The points that encoders share with decoders are tried on decoders, in `test_module_points`.
"""

import math

import pytest
from torch import nn

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import ENCODERS, entry_of
from segkit.core.types import Pyramid
from segkit.testing import Check, ContractError, Subject
from segkit.testing import encoders as points
from segkit.testing import module_points as shared


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


def good(in_channels):
    return Good(in_channels)


def of_three_channels(in_channels):
    if in_channels != 3:
        raise PartError(f"takes images of 3 channels, not {in_channels}")
    return Good(in_channels)


def of_one_size(in_channels):
    class Fixed(Good):
        def forward(self, image):
            if image.shape[-2:] != (192, 192):
                raise ShapeError("takes images of 192x192")
            return super().forward(image)

    return Fixed(in_channels)


def without_padding(in_channels):
    """Its maps are rounded down."""
    encoder = Good(in_channels)
    encoder.stem = nn.Conv2d(in_channels, 8, 2, stride=2)
    encoder.stage[-1] = nn.Conv2d(8, 16, 2, stride=2)
    return encoder


def with_weights(in_channels, *, weights: str = "imagenet"):
    if weights != "none":
        raise OSError("there is no network")
    return Good(in_channels)


def frozen_filters(in_channels):
    return Good(in_channels).requires_grad_(False)


KEPT = [good, of_three_channels, of_one_size, without_padding, with_weights, frozen_filters]


def subject_of(factory, **options):
    return Subject(entry_of(ENCODERS, "encoder", factory), options)


@pytest.mark.parametrize("factory", KEPT, ids=lambda factory: factory.__name__)
def test_good_encoders_keep_every_point(factory):
    options = {"weights": "imagenet"} if factory is with_weights else {}
    subject = subject_of(factory, **options)
    for point in points.CHECKS:
        Check(subject, point)()


def test_encoders_are_asked_what_modules_are_asked():
    names = [point.__name__ for point in points.CHECKS]
    assert names[-len(shared.MODULE_POINTS) :] == [point.__name__ for point in shared.MODULE_POINTS]


def saying(**attributes):
    """A good encoder that says something else of itself."""

    def encoder(in_channels):
        built = Good(in_channels)
        for name, value in attributes.items():
            setattr(built, name, value)
        return built

    return encoder


def then(change):
    class Changed(Good):
        def forward(self, image):
            return change(super().forward(image))

    def encoder(in_channels):
        return Changed(in_channels)

    return encoder


def refuses_all(in_channels):
    raise PartError(f"takes images of 5 channels, not {in_channels}")


def normalises_by_255(in_channels):
    return saying(mean=(123.7,) * in_channels)(in_channels)


def without_pyramid(in_channels):
    encoder = Good(in_channels)
    del encoder.pyramid
    return encoder


OF_3 = "images of 3 channels"
BROKEN = {
    "no images": (
        points.it_takes_some_images,
        refuses_all,
        r"it cannot be tried: it refuses every number of channels: takes images of 5 channels, not 3; takes",
    ),
    "no module": (
        points.it_takes_some_images,
        lambda in_channels: Good,
        r"it builds a type, not a torch\.nn\.Module\n  try: return the module itself",
    ),
    "no size": (
        points.it_takes_some_images,
        then(lambda maps: maps[0].view(2, 3)),
        r"test_encoders\.py:\d+: it cannot be tried: on images of shape \(1, 3, 512, 512\): "
        r"it fails: RuntimeError: shape '\[2, 3\]' is invalid for input of size",
    ),
    "one map": (
        points.it_takes_some_images,
        then(lambda maps: maps[-1]),
        r"from 1 images it makes a Tensor\n  try: a list of maps, finest first, each \(B, channels",
    ),
    "vectors": (
        points.it_takes_some_images,
        then(lambda maps: [found.mean((2, 3)) for found in maps]),
        r"from 1 images it makes \[\(1, 8\), \(1, 16\)\]\n  try: a list of maps",
    ),
    "no maps": (points.it_takes_some_images, then(lambda maps: []), r"from 1 images it makes \[\]\n"),
    "no pyramid": (
        points.it_says_what_its_maps_are,
        without_pyramid,
        rf"{OF_3}: its pyramid is None\n  try: self\.pyramid = Pyramid\(channels=\(\.\.\.\), reduc",
    ),
    "a list for a pyramid": (
        points.it_says_what_its_maps_are,
        saying(pyramid=[8, 16]),
        rf"{OF_3}: its pyramid is \[8, 16\]\n",
    ),
    "an empty pyramid": (
        points.it_says_what_its_maps_are,
        saying(pyramid=Pyramid((), ())),
        rf"{OF_3}: its pyramid is Pyramid\(channels=\(\), reductions=\(\)\)\n",
    ),
    "a reduction too few": (
        points.it_says_what_its_maps_are,
        saying(pyramid=Pyramid((8, 16), (2,))),
        rf"{OF_3}: its pyramid is Pyramid\(channels=\(8, 16\), reductions=\(2,\)\)\n",
    ),
    "half reductions": (
        points.it_says_what_its_maps_are,
        saying(pyramid=Pyramid((8, 16), (2.0, 4.0))),
        rf"{OF_3}: its pyramid is Pyramid\(channels=\(8, 16\), reductions=\(2\.0, 4\.0\)\)\n",
    ),
    "coarsest first": (
        points.it_says_what_its_maps_are,
        saying(pyramid=Pyramid((16, 8), (4, 2))),
        rf"{OF_3}: its pyramid is .*reductions=\(4, 2\)\)\n  try: .*, a number for each map, finest first",
    ),
    "no mean": (
        points.it_says_how_its_input_is_normalised,
        saying(mean=None),
        rf"{OF_3}: its mean is None and its std is \(0\.25, 0\.25, 0\.25\)\n  try: self\.mean and self",
    ),
    "mean of three": (
        points.it_says_how_its_input_is_normalised,
        saying(mean=(0.5,) * 3, std=(0.25,) * 3),
        r"images of 1 channel: its mean is \(0\.5, 0\.5, 0\.5\) and its std is \(0\.25, 0\.25, 0\.25\)\n",
    ),
    "mean of 0..255": (
        points.it_says_how_its_input_is_normalised,
        normalises_by_255,
        rf"{OF_3}: its mean is \(123\.7, 123\.7, 123\.7\) and .*\n  try: .* of pixels in 0\.\.1",
    ),
    "no spread": (
        points.it_says_how_its_input_is_normalised,
        saying(std=(0.25, 0.25, 0.0)),
        rf"{OF_3}: its mean is \(0\.5, 0\.5, 0\.5\) and its std is \(0\.25, 0\.25, 0\.0\)\n",
    ),
    "no numbers": (
        points.it_says_how_its_input_is_normalised,
        saying(std=(0.25, 0.25, math.nan)),
        rf"{OF_3}: .* its std is \(0\.25, 0\.25, nan\)\n",
    ),
    "a map too few": (
        points.its_maps_are_those_of_its_pyramid,
        then(lambda maps: maps[1:]),
        rf"{OF_3}: for an image of 64x64 its maps are 16 x 16x16; its pyramid says",
    ),
    "maps coarsest first": (
        points.its_maps_are_those_of_its_pyramid,
        then(lambda maps: maps[::-1]),
        rf"{OF_3}: for an image of 64x64 its maps are 16 x 16x16, 8 x 32x32; its pyramid says channels "
        r"\(8, 16\) and reductions \(2, 4\)\n  try: the pyramid as the maps are, finest first",
    ),
    "another reduction": (
        points.its_maps_are_those_of_its_pyramid,
        saying(pyramid=Pyramid((8, 16), (2, 8))),
        rf"{OF_3}: for .* are 8 x 32x32, 16 x 16x16; its pyramid says channels .* reductions \(2, 8\)",
    ),
    "a column too many": (
        points.its_maps_are_those_of_its_pyramid,
        then(lambda maps: [nn.functional.pad(maps[0], (0, 1)), maps[1]]),
        rf"{OF_3}: for an image of 64x64 its maps are 8 x 32x33, 16 x 16x16; its pyramid says",
    ),
}
POINTS = {point.__name__: point for point in points.CHECKS}


@pytest.mark.parametrize("name", BROKEN)
def test_point_catches_a_broken_encoder(name):
    point, factory, message = BROKEN[name]

    def encoder(in_channels):
        return factory(in_channels)

    with pytest.raises(ContractError, match=message):
        Check(subject_of(encoder), POINTS[point.__name__])()
