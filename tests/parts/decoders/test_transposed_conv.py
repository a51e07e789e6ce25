from itertools import pairwise

import pytest
import torch

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import DECODERS
from segkit.core.types import Pyramid

LAST = Pyramid((12,), (32,))
THREE = Pyramid((4, 6, 12), (4, 8, 32))


def build(pyramid=LAST, **options):
    torch.manual_seed(0)
    return DECODERS.get("transposed_conv").factory(pyramid, **{"channels": (8, 6, 4), **options})


def maps(pyramid, height, width):
    torch.manual_seed(1)
    sides = [(-(-height // reduction), -(-width // reduction)) for reduction in pyramid.reductions]
    return [torch.randn(2, channels, *side) for channels, side in zip(pyramid.channels, sides, strict=True)]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("kernel_size", [2, 3, 4, (2, 3, 4)])
def test_each_block_doubles_the_resolution(kernel_size, residual):
    decoder = build(kernel_size=kernel_size, residual=residual)
    assert decoder(maps(LAST, 96, 64)).shape == (2, 4, 24, 16)
    assert [tuple(block.up.kernel_size) for block in decoder.blocks] == [
        (size, size) for size in ((kernel_size,) * 3 if isinstance(kernel_size, int) else kernel_size)
    ]


@pytest.mark.parametrize("size", [(96, 64), (100, 75), (33, 130)])
def test_stages_are_taken_in_where_their_resolution_is_reached(size):
    decoder = build(THREE, channels=(8, 6, 4, 4, 2))
    assert decoder.skips == [None, 1, 0, None, None]
    features = [feature.requires_grad_() for feature in maps(THREE, *size)]
    out = decoder(features)
    # Behind the last skip only doublings follow.
    assert out.shape[-2:] == tuple(4 * side for side in features[0].shape[-2:])
    out.square().mean().backward()
    assert all(feature.grad.any() for feature in features)


def test_dropout_is_active_while_training_only():
    decoder = build(dropout=0.5, feature_dropout=0.5)
    features = maps(LAST, 64, 64)
    assert not torch.equal(decoder(features), decoder(features))
    decoder.eval()
    assert torch.equal(decoder(features), decoder(features))


def test_dropout_takes_whole_channels():
    out = build(dropout=0.5).train()(maps(LAST, 64, 64))
    empty = (out == 0).flatten(2).all(-1)
    assert empty.any()
    assert not empty.all()


def test_feature_norm_makes_the_scale_of_features_immaterial():
    features = maps(LAST, 64, 64)
    scaled = [5 * feature + 3 for feature in features]
    normed, plain = build(feature_norm=True, dropout=0), build(dropout=0)
    torch.testing.assert_close(normed(features), normed(scaled), atol=1e-4, rtol=1e-3)
    assert not torch.allclose(plain.eval()(features), plain(scaled), atol=1e-2)


def test_without_residual_a_block_is_convolution_norm_and_relu():
    decoder = build(channels=(8,), residual=False).eval()
    (feature,) = maps(LAST, 64, 64)
    block = decoder.blocks[0]
    expected = torch.relu(
        block.norm(torch.nn.functional.conv_transpose2d(feature, block.up.weight, stride=2))
    )
    torch.testing.assert_close(decoder([feature]), expected)


def test_residual_adds_what_came_in_upsampled():
    decoder = build(channels=(8,)).eval()
    (feature,) = maps(LAST, 64, 64)
    block = decoder.blocks[0]
    upsampled = torch.nn.functional.interpolate(
        feature, scale_factor=2, mode="bilinear"
    )  # before it is narrowed
    expected = torch.relu(block.norm(block.up(feature)) + block.shortcut_norm(block.shortcut(upsampled)))
    torch.testing.assert_close(decoder([feature]), expected)


def test_published_table_has_its_number_of_parameters():
    """Kernels of 2x2 without bias, and two numbers per channel for the norm."""
    decoder = DECODERS.get("transposed_conv").factory(Pyramid((1280,), (32,)), residual=False)
    widths = [1280, 512, 256, 128, 64, 32]
    expected = sum(4 * a * b + 2 * b for a, b in pairwise(widths))
    assert sum(parameter.numel() for parameter in decoder.parameters()) == expected == 3_319_744
    assert decoder(maps(Pyramid((1280,), (32,)), 64, 64)).shape == (2, 32, 64, 64)


@pytest.mark.parametrize(
    ("reduction", "blocks"), [(32, 5), (64, 5), (16, 4), (14, 3), (8, 3), (2, 1), (1, 1)]
)
def test_default_has_as_many_blocks_as_the_encoder_halves(reduction, blocks):
    decoder = DECODERS.get("transposed_conv").factory(Pyramid((8,), (reduction,)))
    assert [block.up.out_channels for block in decoder.blocks] == [512, 256, 128, 64, 32][:blocks]


@pytest.mark.parametrize("kernels", [(2, 3), (2, 3, 4, 2)])
def test_kernel_sizes_that_do_not_match_the_blocks_are_refused(kernels):
    with pytest.raises(
        PartError,
        match=f"transposed_conv has 3 channels but {len(kernels)} kernel sizes\n  try: one kernel_size",
    ):
        build(kernel_size=kernels)


@pytest.mark.parametrize(
    ("pyramid", "reduction"),
    [(Pyramid((4, 12), (2, 32)), 2), (Pyramid((4, 4), (16, 16)), 16), (Pyramid((4, 4, 12), (8, 8, 32)), 8)],
)
def test_stage_that_no_block_reaches_is_refused(pyramid, reduction):
    reached = "8, 4, 2" if pyramid.reductions[-1] == 16 else "16, 8, 4"
    with pytest.raises(
        ShapeError,
        match=f"transposed_conv with 3 blocks cannot use the map of reduction {reduction}\n"
        f"  try: its blocks reach the reductions {reached}, each once; choose model.encoder.features",
    ):
        build(pyramid)


@pytest.mark.parametrize(
    "options", [{"channels": ()}, {"channels": (0,)}, {"kernel_size": 5}, {"dropout": 1.0}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="validation error"):
        DECODERS.get("transposed_conv").schema(**options)
