"""Weights made for RGB on images of other channels."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from segkit.core.errors import PartError, WeightsError
from segkit.core.registry import ENCODERS
from segkit.models.dry_run import dry_run
from segkit.parts.encoders._timm_encoders import inspect_model
from tests.parts.decoders.cases import settings
from tests.parts.encoders.cases import build, image, save

SMALL = "test_resnet"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("weights") / "own.safetensors"
    return save(timm.create_model(SMALL).state_dict(), file)


def first_weight(encoder: Any) -> Tensor:
    (layer,) = encoder.spec.image_layers
    weight: Tensor = encoder.model.get_submodule(layer).weight.detach()
    return weight


def rgb_weight(weights: str) -> Tensor:
    return first_weight(build(SMALL, weights=weights))  # O 3 k k


@pytest.mark.parametrize("channels", [1, 2, 4, 12])
def test_timms_rule(weights: str, channels: int) -> None:
    encoder, rgb = build(SMALL, channels, weights=weights), rgb_weight(weights)
    turns = (
        rgb.sum(1, keepdim=True) if channels == 1 else rgb[:, [i % 3 for i in range(channels)]] * 3 / channels
    )
    torch.testing.assert_close(first_weight(encoder), turns)
    assert len({*encoder.mean}) == 1
    assert len(encoder.mean) == len(encoder.std) == channels


def test_chosen_channels_get_their_colours_and_the_others_the_mean(weights: str) -> None:
    encoder, rgb = build(SMALL, 12, weights=weights, rgb=(3, 2, 1)), rgb_weight(weights)
    expected = rgb.mean(1, keepdim=True).repeat(1, 12, 1, 1) * 3 / 12
    for channel, colour in ((3, 0), (2, 1), (1, 2)):
        expected[:, channel] = rgb[:, colour] * 3 / 12
    torch.testing.assert_close(first_weight(encoder), expected)
    plain = build(SMALL, weights=weights)
    assert [encoder.mean[channel] for channel in (3, 2, 1)] == [*plain.mean]
    assert [encoder.std[channel] for channel in (3, 2, 1)] == [*plain.std]
    assert encoder.mean[0] == pytest.approx(sum(plain.mean) / 3)
    grey = image(64, 64, 1)
    for one, other in zip(encoder(grey.repeat(1, 12, 1, 1)), plain(grey.repeat(1, 3, 1, 1)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_bgr_is_rgb_in_another_order(weights: str) -> None:
    bgr = build(SMALL, weights=weights, rgb=(2, 1, 0))
    torch.testing.assert_close(first_weight(bgr), rgb_weight(weights).flip(1))
    assert bgr.mean == build(SMALL, weights=weights).mean[::-1]


@pytest.mark.parametrize(
    ("name", "layers"),
    [("mobilenetv2_100", ["conv_stem"]), ("vit_tiny_patch16_224", ["model.patch_embed.proj"])],
)
def test_layers_that_get_the_image_are_found(name: str, layers: list[str]) -> None:
    assert [*inspect_model(name).image_layers] == layers


def test_encoder_whose_first_layer_cannot_be_adapted_is_refused(
    weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("timm.models._builder.adapt_input_conv", fail)
    message = (
        "timm cannot adapt the first layer of test_resnet, made for RGB, to 5 channels\n  try: data.bands"
    )
    with pytest.raises(WeightsError, match=message):
        build(SMALL, 5, weights=weights)


def test_encoder_that_changes_the_image_first_has_no_rgb(
    weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = inspect_model(SMALL)
    monkeypatch.setattr(
        "segkit.parts.encoders._timm_encoders.inspect_model",
        lambda name: type(spec)(**{**vars(spec), "image_layers": ()}),
    )
    message = (
        "rgb: the first layer of test_resnet does not get the image itself: its channels cannot be chosen"
    )
    with pytest.raises(PartError, match=message):
        build(SMALL, 5, weights=weights, rgb=(2, 1, 0))


@pytest.mark.parametrize(
    ("channels", "options", "words"),
    [
        (12, {"weights": "imagenet"}, "RGB weights: in turn, times 3/12"),
        (1, {"weights": "imagenet"}, "RGB weights: their sum"),
        (3, {"weights": "imagenet", "rgb": [2, 1, 0]}, "RGB weights: channels 2, 1, 0"),
        (
            4,
            {"weights": "imagenet", "rgb": [3, 2, 1]},
            "RGB weights: channels 3, 2, 1; others: their mean; times 3/4",
        ),
    ],
)
def test_model_table_says_how_weights_are_used(channels: int, options: dict[str, Any], words: str) -> None:
    model, data = settings({"name": SMALL, **options}, {"name": "transposed_conv", "channels": (4,)})
    row = dry_run(model, data.model_copy(update={"channels": channels})).stages[0]
    assert (row.part, row.name, row.shape) == ("image", words, (channels, *data.size))


@pytest.mark.parametrize(("channels", "options"), [(3, {"weights": "imagenet"}), (5, {"weights": "none"})])
def test_model_table_says_nothing_of_weights_as_they_are(channels: int, options: dict[str, Any]) -> None:
    assert ENCODERS.get(SMALL).traits["first_layer"](options, channels) == ""


@pytest.mark.parametrize(
    ("channels", "weights", "rgb", "problem"),
    [
        (5, "none", (2, 1, 0), "it needs pretrained weights, and weights is none"),
        (5, "imagenet", (2, 1, 5), r"\[2, 1, 5\] are not three of the channels 0 to 4"),
        (5, "imagenet", (2, 1, 1), r"\[2, 1, 1\] are not three of the channels 0 to 4"),
        (1, "imagenet", (0, 1, 2), r"\[0, 1, 2\] are not three of the channels 0 to 0"),
        (3, "imagenet", (0, 1, 2), "it changes nothing for three channels in this order"),
    ],
)
def test_unusable_choice_is_refused(channels: int, weights: str, rgb: tuple[int, ...], problem: str) -> None:
    with pytest.raises(PartError, match=f"model.encoder.rgb: {problem}\n  try: leave out rgb"):
        ENCODERS.get(SMALL).traits["first_layer"]({"weights": weights, "rgb": rgb}, channels)
