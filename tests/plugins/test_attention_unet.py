"""attention_unet: its gates by hand, and what it is with all of them open or shut."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from segkit.core.errors import PartError, ShapeError
from segkit.core.plugins import load_plugin
from segkit.core.registry import DECODERS
from segkit.core.types import Pyramid

PLUGIN = Path(__file__).parents[2] / "plugins" / "attention_unet"
THREE = Pyramid((4, 6, 12), (4, 8, 32))


@pytest.fixture(autouse=True)
def plugin():
    load_plugin(PLUGIN)


def build(pyramid=THREE, **options):
    torch.manual_seed(0)
    return DECODERS.get("attention_unet").factory(pyramid, **{"channels": (8, 6, 4, 2), **options})


def maps(pyramid=THREE, height=64, width=64):
    torch.manual_seed(1)
    sides = [(-(-height // reduction), -(-width // reduction)) for reduction in pyramid.reductions]
    return [torch.randn(2, channels, *side) for channels, side in zip(pyramid.channels, sides, strict=True)]


def set_gates(decoder, *, weight):
    """Make every weight of every gate 0 or 1."""
    for gate in decoder.gates[:2]:
        torch.nn.init.zeros_(gate.psi.weight)
        torch.nn.init.constant_(gate.psi.bias, 200.0 * weight - 100)


@pytest.mark.parametrize("size", [(64, 64), (100, 75), (33, 130)])
def test_map_is_of_the_finest_size_doubled_by_each_step_without_a_skip(size):
    features = maps(THREE, *size)
    finest = features[0].shape[-2:]
    for doublings, widths in enumerate([(8, 6), (8, 6, 4), (8, 6, 4, 2)]):
        out = build(channels=widths)(features)
        assert out.shape == (2, widths[-1], *(side * 2**doublings for side in finest))


def test_gate_weighs_by_additive_attention_at_the_coarser_resolution():
    decoder = build()
    gate = decoder.gates[0]
    skip, below = torch.randn(2, 6, 8, 8), torch.randn(2, 12, 4, 4)
    seen = F.relu(
        torch.einsum("oi,bihw->bohw", gate.of_skip.weight[..., 0, 0], F.avg_pool2d(skip, 2))
        + torch.einsum("oi,bihw->bohw", gate.of_below.weight[..., 0, 0], below)
        + gate.of_below.bias.view(1, -1, 1, 1)
    )
    weights = torch.sigmoid((seen * gate.psi.weight).sum(1, keepdim=True) + gate.psi.bias)
    torch.testing.assert_close(gate.attention(skip, below), weights)
    enlarged = F.interpolate(weights, size=(8, 8), mode="bilinear")
    torch.testing.assert_close(gate(skip, below), skip * enlarged)


def test_gates_are_nearly_open_at_first():
    skip, below = torch.zeros(1, 6, 8, 8), torch.zeros(1, 12, 4, 4)
    gate = build().gates[0]
    torch.nn.init.zeros_(gate.psi.weight)
    torch.testing.assert_close(
        gate.attention(skip, below), torch.full((1, 1, 4, 4), 0.8808), atol=1e-4, rtol=0
    )


def test_open_gates_make_it_the_decoder_without_gates():
    gated, plain = build(), build(gated=False)
    assert not any("gates" in name for name, _ in plain.named_parameters())
    plain.load_state_dict({k: v for k, v in gated.state_dict().items() if "gates" not in k})
    assert not torch.allclose(gated(maps()), plain(maps()), atol=1e-3)
    set_gates(gated, weight=1)
    torch.testing.assert_close(gated(maps()), plain(maps()))


def test_shut_gates_let_nothing_of_the_skips_through():
    decoder = build()
    finest, middle, coarsest = maps()
    before = decoder([finest, middle, coarsest])
    assert not torch.allclose(before, decoder([-finest, -middle, coarsest]))
    set_gates(decoder, weight=0)
    shut = decoder([finest, middle, coarsest])
    torch.testing.assert_close(shut, decoder([-finest, -middle, coarsest]))
    assert not torch.allclose(shut, decoder([finest, middle, -coarsest]))


def test_width_inside_a_gate_is_half_the_skip_unless_it_is_given():
    assert [gate.psi.in_channels for gate in build().gates[:2]] == [3, 2]
    assert [gate.psi.in_channels for gate in build(gate_channels=5).gates[:2]] == [5, 5]
    one = build(Pyramid((1, 4), (2, 4)), channels=(4,))
    assert one.gates[0].psi.in_channels == 1


def test_dropout_is_active_while_training_only():
    features = maps()
    decoder, without = build(dropout=0.5), build()
    assert not torch.equal(decoder(features), decoder(features))
    assert torch.equal(without(features), without(features))
    decoder.eval()
    assert torch.equal(decoder(features), decoder(features))


@pytest.mark.parametrize("widths", [(8,), (8, 6, 4, 2, 2)])
def test_widths_that_do_not_fit_the_maps_are_refused(widths):
    with pytest.raises(
        PartError,
        match=f"attention_unet.channels names {len(widths)} widths, but there are 2 finer maps and "
        "2 doublings from the finest to the image\n  try: name 2 to 4, coarsest first",
    ):
        build(channels=widths)
    with pytest.raises(
        PartError, match="0 doublings from the finest to the image\n  try: name 1, coarsest first"
    ):
        build(Pyramid((4, 6), (1, 2)))


def test_single_map_is_refused():
    with pytest.raises(
        ShapeError,
        match="attention_unet gates the skips from finer maps, and only one map comes in\n"
        r"  try: model\.encoder\.features: all",
    ):
        build(Pyramid((12,), (32,)))


@pytest.mark.parametrize(
    "options", [{"channels": ()}, {"channels": (0,)}, {"gate_channels": 0}, {"dropout": 1.0}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="validation error"):
        DECODERS.get("attention_unet").schema(**options)
