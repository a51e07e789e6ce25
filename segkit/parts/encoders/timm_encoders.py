"""Every timm model as an encoder. Names are read from timm's source files, as importing timm is slow."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.paths import Weights
from segkit.core.registry import ENCODERS, Entry, entry_of

if TYPE_CHECKING:
    from torch import nn

DropPath = Annotated[float, Field(ge=0, lt=1)]

_REGISTERED = re.compile(r"^@register_model\s*\ndef (\w+)\(", re.MULTILINE)


def timm_encoder(
    model: str, in_channels: int, *, weights: Weights = "imagenet", drop_path: DropPath = 0.0
) -> nn.Module:
    """A model of timm (PyTorch Image Models), up to its last feature map.

    Args:
        model: timm name.
        in_channels: channels of the image; timm adapts pretrained first layers to it.
        weights: pretrained weights: "none"; "imagenet", timm's default; "imagenet1k_v1", torchvision's first
            ImageNet weights; a timm tag such as "ra_in1k"; or a file with timm's or torchvision's names.
        drop_path: rate of stochastic depth in training, for models that support it.

    Raises:
        WeightsError: if the weights cannot be match or downloaded, or do not fit.
        PartError: if the model gives no feature maps, or does not support drop-path.
    """
    from segkit.parts.encoders._timm_encoders import build_encoder

    return build_encoder(model, in_channels, weights=weights, drop_path=drop_path)


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
        return replace(entry, factory=partial(timm_encoder, name))


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
