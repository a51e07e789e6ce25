"""timm's models as encoders: what they deliver is what their pyramid says."""

import subprocess
import sys

import pytest
import timm
import torch

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import ENCODERS
from segkit.parts.encoders.timm_encoders import TimmFamily
from tests.parts.encoders.cases import build, image

PYRAMIDS = {
    "mobilenetv2_050": ((8, 16, 16, 48, 1280), (2, 4, 8, 16, 32)),
    "mobilenetv2_100": ((16, 24, 32, 96, 1280), (2, 4, 8, 16, 32)),
    "mobilenetv3_small_050": ((16, 8, 16, 24, 288), (2, 4, 8, 16, 32)),
    "efficientnet_b0": ((16, 24, 40, 112, 1280), (2, 4, 8, 16, 32)),
    "resnet18": ((64, 64, 128, 256, 512), (2, 4, 8, 16, 32)),
    "convnext_atto": ((40, 80, 160, 320), (4, 8, 16, 32)),
    "swin_tiny_patch4_window7_224": ((96, 192, 384, 768), (4, 8, 16, 32)),
    "vit_tiny_patch16_224": ((192,) * 4, (16,) * 4),
    "vgg11": ((64, 128, 256, 512, 512, 512), (1, 2, 4, 8, 16, 32)),
}
OF_PATCHES = {"vit_tiny_patch16_224": (48, 80), "swin_tiny_patch4_window7_224": (52, 76)}


@pytest.mark.slow
@pytest.mark.parametrize("name", PYRAMIDS)
def test_encoder_delivers_its_pyramid_at_sizes_that_are_no_multiple_of_32(name):
    size = OF_PATCHES.get(name, (50, 74))
    encoder = build(name)
    assert (encoder.pyramid.channels, encoder.pyramid.reductions) == PYRAMIDS[name]
    with torch.inference_mode():
        maps = encoder(image(*size))
    assert len(maps) == len(encoder.pyramid)
    for feature, channels, reduction in zip(maps, *PYRAMIDS[name], strict=True):
        assert feature.shape[:2] == (2, channels)
        for side, map_side in zip(size, feature.shape[-2:], strict=True):
            assert side // reduction <= map_side <= -(-side // reduction)  # convolutions round down or up


@pytest.mark.parametrize("name", ["mobilenetv2_050", "swin_tiny_patch4_window7_224", "vit_tiny_patch16_224"])
def test_encoder_delivers_every_stage_of_timm(name):
    """The same numbers as timm's own intermediate maps, by the same random weights."""
    torch.manual_seed(0)
    encoder = build(name)
    any_size = {} if encoder.spec.whole else {"dynamic_img_size": True}
    judge = timm.create_model(name, num_classes=0, **any_size).eval()
    named = [(key.removeprefix("model."), value) for key, value in encoder.model.state_dict().items()]
    found = judge.load_state_dict(
        {key.replace("layers_", "layers."): value for key, value in named}, strict=False
    )
    assert not found.unexpected_keys
    stages = [2, 5, 8, 11] if name.startswith("vit") else None
    with torch.inference_mode():
        maps = encoder(image(64, 96))
        theirs = judge.forward_intermediates(image(64, 96), indices=stages, intermediates_only=True)
    if encoder.spec.whole:  # the last one is behind the head convolution
        theirs[-1] = judge.forward_features(image(64, 96))
    for ours, his in zip(maps, theirs, strict=True):
        torch.testing.assert_close(ours, his)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_numbers_of_channels_have_the_mean_of_all_colours(channels):
    encoder = build("resnet18", channels)
    assert encoder.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,) * channels)
    assert encoder.std == pytest.approx(((0.229 + 0.224 + 0.225) / 3,) * channels)


def test_encoder_tells_what_timm_subtracts():
    encoder = build("mobilenetv2_100")
    assert encoder.mean == pytest.approx((0.485, 0.456, 0.406))
    assert encoder.std == pytest.approx((0.229, 0.224, 0.225))


def test_drop_path_reaches_the_blocks():
    drops = [m.drop_prob for m in build("convnext_atto", drop_path=0.4).modules() if hasattr(m, "drop_prob")]
    assert max(drops) == pytest.approx(0.4)
    assert not [m for m in build("convnext_atto").modules() if getattr(m, "drop_prob", 0)]


def test_drop_path_of_a_model_without_it_is_refused():
    with pytest.raises(
        PartError, match=r"timm's vgg11 does not support drop_path \(.*drop_path_rate[^\n]*\n  try: leave"
    ):
        build("vgg11", drop_path=0.1)


def test_model_without_feature_maps_is_refused(monkeypatch):
    from segkit.parts.encoders import _timm_encoders

    _timm_encoders.inspect_model.cache_clear()

    def flat(model, image, whole):
        raise AttributeError("no maps")

    monkeypatch.setattr(_timm_encoders, "_maps", flat)
    with pytest.raises(
        PartError,
        match=r"timm's resnet10t gives no feature maps \(AttributeError: no maps\)\n  try: choose another",
    ):
        build("resnet10t")


def test_size_that_a_model_cannot_take_is_refused_with_its_own():
    with pytest.raises(
        ShapeError,
        match=r"vit_tiny_patch16_224 does not accept images of 50x50: [^\n]+\n  try: data.size: \[224, 224\]",
    ):
        build("vit_tiny_patch16_224")(image(50, 50))


def test_names_are_those_of_timm():
    assert sorted(TimmFamily().names()) == sorted(timm.list_models())
    assert ENCODERS.get("no_such_model") is None
    assert "mobilenetv2_100" in ENCODERS.near("MobileNet_v2_100")


def test_every_option_is_described():
    entry = ENCODERS.get("resnet18")
    assert list(entry.options) == ["weights", "drop_path", "rgb"]
    assert all(option.meaning for option in entry.options.values())
    assert entry.summary
    assert "resnet.py:" in entry.where


def test_names_and_options_are_read_without_timm_and_torch():
    code = """
import sys, segkit.parts.encoders.timm_encoders
from segkit.core.registry import ENCODERS
assert len(ENCODERS.names()) > 1000
ENCODERS.get("mobilenetv2_100").schema(weights="none", drop_path=0.1)
sys.exit(bool({"torch", "timm", "torchvision"} & {*sys.modules}))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
