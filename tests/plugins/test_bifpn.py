"""bifpn: the exchange between maps, by hand."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.core.plugins import load_plugin
from segkit.core.registry import DECODERS
from segkit.core.types import Pyramid

PLUGIN = Path(__file__).parents[2] / "plugins" / "bifpn"
THREE = Pyramid((4, 6, 12), (4, 8, 32))
MOBILENET = Pyramid((16, 24, 32, 96, 1280), (2, 4, 8, 16, 32))


@pytest.fixture(autouse=True)
def plugin():
    load_plugin(PLUGIN)


def build(pyramid=THREE, **options):
    torch.manual_seed(0)
    return DECODERS.get("bifpn").factory(pyramid, **{"channels": 8, "layers": 1, **options})


def maps(pyramid=THREE, height=64, width=64):
    torch.manual_seed(1)
    sides = [(-(-height // reduction), -(-width // reduction)) for reduction in pyramid.reductions]
    return [torch.randn(2, channels, *side) for channels, side in zip(pyramid.channels, sides, strict=True)]


class Sum(nn.Module):
    """In place of a fusion: the plain sum, at the size of the first map."""

    def forward(self, *given):
        return sum(F.interpolate(one, size=given[0].shape[-2:]) for one in given)


@pytest.mark.parametrize("size", [(64, 64), (100, 75), (33, 130)])
def test_map_is_of_the_finest_size(size):
    features = maps(THREE, *size)
    assert build(layers=2)(features).shape == (2, 8, *features[0].shape[-2:])


def test_layer_passes_from_coarse_to_fine_and_back():
    layer = build().layers[0]
    layer.down = nn.ModuleList(Sum() for _ in layer.down)
    layer.up = nn.ModuleList(Sum() for _ in layer.up)
    a, b, c = 1.0, 10.0, 100.0
    result = layer([torch.full((1, 1, side, side), value) for side, value in ((8, a), (4, b), (1, c))])
    finest = a + b + c  # what came down; the middle map had b + c on the way
    middle = b + (b + c) + finest
    assert [one.shape[-1] for one in result] == [8, 4, 1]
    assert [one.unique().tolist() for one in result] == [[finest], [middle], [c + middle]]


def test_two_maps_have_none_between_them():
    layer = build(Pyramid((4, 6), (4, 8))).layers[0]
    assert (len(layer.down), len(layer.up)) == (1, 1)
    layer.down, layer.up = nn.ModuleList([Sum()]), nn.ModuleList([Sum()])
    fine, coarse = layer([torch.ones(1, 1, 4, 4), torch.full((1, 1, 2, 2), 10.0)])
    assert (fine.unique().tolist(), coarse.unique().tolist()) == ([11.0], [21.0])


def test_fusion_is_the_mean_by_weights_that_are_not_negative():
    fusion = build().last
    fusion.conv = nn.Identity()
    fusion.weights.data = torch.tensor([3.0, 1.0, -5.0])
    fine, coarse, other = torch.randn(1, 8, 4, 4), torch.randn(1, 8, 2, 2), torch.randn(1, 8, 4, 4)
    expected = F.silu((3 * fine + F.interpolate(coarse, size=(4, 4), mode="bilinear")) / 4)
    torch.testing.assert_close(fusion(fine, coarse, other), expected, atol=1e-3, rtol=1e-3)


def test_decoder_has_a_tenth_of_the_parameters_of_transposed_conv():
    ours = DECODERS.get("bifpn").factory(MOBILENET)
    theirs = DECODERS.get("transposed_conv").factory(MOBILENET, channels=(256, 128, 64, 32, 16))
    count, others = (sum(p.numel() for p in decoder.parameters()) for decoder in (ours, theirs))
    # Laterals and their norms, then 3 layers of 8 fusions and a last one; a fusion has a weight for each map.
    fusion = 64 * 9 + 64 * 64 + 2 * 64
    assert count == 64 * (1448 + 2 * 5) + 25 * fusion + 3 * (4 * 2 + 3 * 3 + 2) + 5
    assert 10 * count < others


def test_more_layers_are_more_exchanges():
    assert [len(build(layers=layers).layers) for layers in (1, 3)] == [1, 3]
    seen = []
    decoder = build(layers=3)
    for layer in decoder.layers:
        layer.register_forward_hook(lambda *_: seen.append(1))
    decoder(maps())
    assert len(seen) == 3


def test_dropout_is_active_while_training_only():
    features = maps()
    decoder, without = build(dropout=0.5), build(dropout=0.0)
    assert not torch.equal(decoder(features), decoder(features))
    assert torch.equal(without(features), without(features))
    decoder.eval()
    assert torch.equal(decoder(features), decoder(features))


def test_single_map_is_refused():
    with pytest.raises(
        ShapeError,
        match="bifpn exchanges information between maps, and only one comes in\n"
        r"  try: model\.encoder\.features: all",
    ):
        build(Pyramid((12,), (32,)))


@pytest.mark.parametrize("options", [{"channels": 0}, {"layers": 0}, {"dropout": 1.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="validation error"):
        DECODERS.get("bifpn").schema(**options)
