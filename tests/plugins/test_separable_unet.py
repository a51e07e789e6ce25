"""The light U-Net decoder: where it saves parameters, and what it refuses."""

from pathlib import Path

import pytest
import torch

from segkit.core.errors import PartError
from segkit.core.plugins import load_plugin
from segkit.core.registry import DECODERS
from segkit.core.types import Pyramid

FIVE = Pyramid((16, 24, 32, 96, 1280), (2, 4, 8, 16, 32))


@pytest.fixture(autouse=True)
def loaded():
    load_plugin(Path(__file__).parents[2] / "plugins" / "separable_unet")


def build(pyramid=FIVE, **options):
    return DECODERS.get("separable_unet").factory(pyramid, **options)


def size_of(decoder):
    return sum(parameter.numel() for parameter in decoder.parameters())


def test_it_is_a_fraction_of_transposed_conv():
    channels = (256, 128, 64, 32, 16)
    dense = DECODERS.get("transposed_conv").factory(FIVE, channels=channels, kernel_size=2)
    assert size_of(build(channels=channels)) < size_of(dense) / 4
    assert size_of(build(dense_up_to=256)) > 2 * size_of(build())


def test_kernel_size_reaches_the_wide_steps_alone():
    kernels = {
        tuple(module.kernel_size)
        for step in build(kernel_size=7).steps
        for module in step.join.modules()
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1
    }
    assert kernels == {(7, 7)}
    assert size_of(build(kernel_size=7, dense_up_to=256)) == size_of(build(dense_up_to=256))


def test_steps_without_a_finer_map_double_the_resolution():
    decoder = build(Pyramid((8, 12), (4, 8)), channels=(16, 8, 4)).eval()
    maps = [torch.rand(1, 8, 16, 12), torch.rand(1, 12, 8, 6)]
    assert decoder(maps).shape == (1, 4, 64, 48)


def test_fewer_widths_than_finer_maps_are_refused():
    message = r"separable_unet\.channels names 2 widths, and 4 finer maps come in\n  try: name 4 or more"
    with pytest.raises(PartError, match=message):
        build(channels=(16, 8))
