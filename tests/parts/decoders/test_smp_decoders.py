"""smp's decoders behind segkit's door: smp's own models as judges, with the same weights."""

from typing import get_args

import pytest
import segmentation_models_pytorch as smp
import torch

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import DECODERS
from segkit.core.types import Pyramid
from tests.parts.decoders.cases import encoder_for, options_for, settings

RESNET = Pyramid((64, 64, 128, 256, 512), (2, 4, 8, 16, 32))
VIT = Pyramid((8,) * 6, (16,) * 6)
JUDGES = {
    "unet": smp.Unet,
    "unetplusplus": smp.UnetPlusPlus,
    "manet": smp.MAnet,
    "linknet": smp.Linknet,
    "fpn": smp.FPN,
    "pspnet": smp.PSPNet,
    "upernet": smp.UPerNet,
    "pan": lambda name, **given: smp.PAN(name, encoder_output_stride=32, **given),
}


def build(name, pyramid=RESNET, **options):
    torch.manual_seed(0)
    return DECODERS.get(name).factory(pyramid, **options)


@pytest.mark.parametrize("name", JUDGES)
def test_decoder_gives_what_smps_own_model_gives(name):
    judge = JUDGES[name]("resnet18", encoder_weights=None).eval()
    ours = build(name).eval()
    ours.decoder.load_state_dict(
        {
            key: judge.decoder.state_dict()[key.replace("fpa.module.", "fpa.")]
            for key in ours.decoder.state_dict()
        }
    )
    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs = judge.encoder(image)
        stages = theirs[-len(RESNET) :] if name != "pspnet" else [None, None, theirs[-1], None, None]
        torch.testing.assert_close(ours(list(stages)), judge.decoder(theirs))


def test_every_decoder_of_smp_is_a_part():
    models = {name.lower() for name, model in vars(smp).items() if isinstance(model, type)}
    assert models
    assert models <= {*DECODERS.names()}


def test_options_reach_smps_decoder():
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    torch.manual_seed(0)
    judge = UnetDecoder(
        [3, *RESNET.channels], (64, 32, 32, 16, 16), 5, "instancenorm", "scse", True, "bilinear"
    ).eval()
    ours = build(
        "unet",
        channels=(64, 32, 32, 16, 16),
        norm="instancenorm",
        attention="scse",
        interpolation="bilinear",
        center=True,
    ).eval()
    ours.decoder.load_state_dict(judge.state_dict())
    features = [
        torch.randn(1, c, 64 // r, 64 // r) for c, r in zip(RESNET.channels, RESNET.reductions, strict=True)
    ]
    with torch.inference_mode():
        torch.testing.assert_close(ours(features), judge([torch.empty(1, 3, 64, 64), *features]))


def test_deeplabv3plus_gives_what_smps_gives_at_its_strides():
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder

    pyramid = Pyramid((8, 12, 16, 20), (2, 4, 8, 16))
    ours = build("deeplabv3plus", pyramid, channels=16).eval()
    judge = DeepLabV3PlusDecoder([3, *pyramid.channels], 4, 16, (12, 24, 36), 16, True, 0.5).eval()
    judge.load_state_dict(ours.decoder.state_dict())
    features = [
        torch.randn(1, c, 64 // r, 64 // r) for c, r in zip(pyramid.channels, pyramid.reductions, strict=True)
    ]
    with torch.inference_mode():
        torch.testing.assert_close(ours(features), judge([torch.empty(1, 3, 64, 64), *features]))


def test_dpt_takes_four_maps_spread_over_an_encoder_of_one_scale():
    decoder = build("dpt", VIT, fusion_channels=8, widths=(8, 8, 16, 16))
    assert decoder.stages == (0, 2, 3, 5)
    assert decoder([torch.randn(2, 8, 4, 4) for _ in VIT.channels]).shape == (2, 8, 32, 32)
    assert build("dpt", fusion_channels=8, widths=(8, 8, 16, 16)).stages == (1, 2, 3, 4)


def test_vit_and_dpt_go_together():
    from segkit.models.dry_run import dry_run

    table = dry_run(*settings("vit_tiny_patch16_224", "dpt", (96, 128))).stages
    assert [row.shape for row in table[:4]] == [(192, 6, 8)] * 4


def test_pan_enlarges_a_map_that_is_too_small_to_halve_three_times():
    decoder = build("pan").eval()
    seen = []
    decoder.decoder.fpa.module.register_forward_pre_hook(
        lambda module, given: seen.append(given[0].shape[-2:])
    )
    for size in (64, 320):
        with torch.inference_mode():
            decoder(
                [
                    torch.randn(1, c, size // r, size // r)
                    for c, r in zip(RESNET.channels, RESNET.reductions, strict=True)
                ]
            )
    assert seen == [(8, 8), (10, 10)]


def test_batch_norm_of_a_single_value_takes_its_running_statistics():
    from segkit.parts.decoders._smp_adapters import allow_single_images

    norm = allow_single_images(torch.nn.Sequential(torch.nn.BatchNorm2d(3)))[0]
    norm.running_mean.fill_(2.0)
    x = torch.randn(1, 3, 1, 1)
    torch.testing.assert_close(norm.train()(x), norm.eval()(x))
    assert norm.num_batches_tracked == 0
    x, judge = torch.randn(2, 3, 4, 4), torch.nn.BatchNorm2d(3)
    torch.testing.assert_close(norm.train()(x), judge(x))
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("name", ["unet", "unetplusplus", "manet"])
def test_widths_that_do_not_match_the_halvings_are_refused(name):
    with pytest.raises(
        PartError,
        match=rf"{name}\.channels names 4 widths, but the encoder halves 5 times\n  try: name 5, coarsest",
    ):
        build(name, channels=(64, 32, 16, 8))


NORMED = [entry for entry in DECODERS.own() if "norm" in entry.options]


@pytest.mark.parametrize(
    ("name", "norm"),
    [(entry.name, norm) for entry in NORMED for norm in get_args(entry.options["norm"].annotation)],
)
def test_every_norm_can_be_trained(name, norm):
    decoder = build(name, norm=norm, **options_for(name)).train()
    sides = [64 // reduction for reduction in RESNET.reductions]
    features = [
        torch.randn(2, channels, side, side) for channels, side in zip(RESNET.channels, sides, strict=True)
    ]
    decoder(features).sum().backward()
    kinds = {type(module).__name__ for module in decoder.modules()}
    assert {"batchnorm": "Batch", "instancenorm": "Instance", "identity": ""}[norm] in str(kinds)


@pytest.mark.parametrize("name", ["unet", "unetplusplus"])
def test_attention_of_too_narrow_a_level_is_refused(name):
    with pytest.raises(
        PartError,
        match=rf"{name}\.attention: scse divides widths by 16, and channels has 8\n  try: widths of 16",
    ):
        build(name, channels=(64, 32, 16, 16, 8), attention="scse")


@pytest.mark.parametrize(
    "name", ["unet", "unetplusplus", "manet", "linknet", "fpn", "pan", "upernet", "segformer"]
)
def test_maps_that_do_not_halve_are_refused(name):
    for pyramid in (VIT, Pyramid((8, 8), (7, 14)), Pyramid((8,), (1,))):
        with pytest.raises(
            ShapeError, match=rf"{name} needs maps that halve from one to the next; the encoder's"
        ):
            build(name, pyramid)


@pytest.mark.parametrize("name", ["fpn", "pan", "upernet", "segformer", "unetplusplus"])
def test_map_that_is_needed_and_missing_is_named(name):
    with pytest.raises(
        ShapeError,
        match=rf"{name} needs maps of reduction 4, 8; the encoder.s maps have 16, 32\n  try: model\.",
    ):
        build(name, Pyramid((8, 8), (16, 32)))


def test_dpt_of_too_few_maps_is_refused():
    with pytest.raises(
        ShapeError, match=r"dpt needs four feature maps and gets 1\n  try: model\.encoder\.features: all"
    ):
        build("dpt", Pyramid((8,), (16,)))


@pytest.mark.parametrize("name", ["unet", "manet", "linknet"])
def test_decoder_of_the_last_map_alone_sees_it(name):
    decoder = build(name, Pyramid((16,), (32,)))
    feature = torch.randn(2, 16, 2, 2, requires_grad=True)
    out = decoder([feature])
    assert out.shape[-2:] == (64, 64)
    out.square().mean().backward()
    assert feature.grad.any()


def test_fpn_refuses_a_width_that_its_norm_cannot_group():
    with pytest.raises(ValueError, match="multiple of 32"):
        DECODERS.get("fpn").schema(segmentation_channels=40)


def test_encoder_without_a_map_of_half_the_size_is_completed_with_an_empty_one():
    encoder = encoder_for("convnext_atto").eval()
    with torch.inference_mode():
        features = encoder(torch.randn(1, 3, 64, 96))
        out = build("unet", encoder.pyramid, channels=(8, 8, 8, 8, 8)).eval()(features)
    assert out.shape == (1, 8, 64, 96)
