"""Building of timm models as encoders."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from segkit.core.errors import PartError, ShapeError, WeightsError
from segkit.core.types import Pyramid
from segkit.parts.encoders._check_weights import check_fit
from segkit.parts.encoders._first_layer import (
    adapted_first_layer,
    assign_rgb,
    find_image_layers,
    per_channel,
)
from segkit.parts.encoders._pretrained import fetch_weights, read_weights, tag_of
from segkit.utils.os_errors import is_out_of_memory

# Options for images of any size, tried in order; a timm model raises TypeError for unknown ones.
_ANY_SIZE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


@dataclass(frozen=True)
class EncoderSpec:
    """Properties of a timm model, measured on the meta device.

    Args:
        name: timm name.
        options: arguments of `timm.create_model`.
        whole: whether the last map is that of the whole model, after a head convolution.
        pyramid: measured channels and reductions, as timm's own numbers are wrong for some models.
        channels_last: whether the model returns the map as (B, H, W, C), for each map.
        size: default image size (height, width).
        image_layers: names of the layers that get the image itself.
    """

    name: str
    options: dict[str, Any]
    whole: bool
    pyramid: Pyramid
    channels_last: tuple[bool, ...]
    size: tuple[int, int]
    image_layers: tuple[str, ...] = ()


class TimmEncoder(nn.Module):
    """A timm model that returns the maps of all stages, finest first; see `segkit.core.types.Encoder`.

    The last stage of MobileNetV2, EfficientNet and similar models is the map after the head convolution (1280
    channels for `mobilenetv2_100`): the output of `forward_features`, which `features_only` lacks.
    MobileNetV3's `conv_head` comes after the pooling and is left out.

    Shape:
        image: (B, in_channels, H, W).
        output: (B, channels[i], h, w) for each stage, with h and w as in `Pyramid`.
    """

    def __init__(
        self, model: nn.Module, spec: EncoderSpec, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.default_size = spec.size
        self.pyramid = spec.pyramid
        self.mean = mean
        self.std = std

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> one map per stage.

        Raises:
            ShapeError: if the model does not accept images of this size.
        """
        try:
            maps = _maps(self.model, image, whole=self.spec.whole)
        except AssertionError as error:  # raised by timm's models for a size that does not fit
            (height, width), (default_height, default_width) = image.shape[-2:], self.spec.size
            reason = str(error) or "their size does not divide"
            raise ShapeError(
                f"{self.spec.name} does not accept images of {height}x{width}: {reason}",
                hint=f"data.size: [{default_height}, {default_width}]",
            ) from error
        return [
            m.permute(0, 3, 1, 2).contiguous() if last else m
            for m, last in zip(maps, self.spec.channels_last, strict=True)
        ]


def build_encoder(
    name: str, in_channels: int, *, weights: str, drop_path: float, rgb: tuple[int, int, int] | None = None
) -> TimmEncoder:
    """Build a timm model with pretrained weights; for other channels than RGB, see `_first_layer`.

    Raises:
        WeightsError: if the weights cannot be found or downloaded, or do not fit.
        PartError: if the model gives no feature maps, or does not support drop-path.
    """
    spec = inspect_model(name)
    options = {"in_chans": in_channels, **({"drop_path_rate": drop_path} if drop_path else {})}
    tagged = _tagged(name, weights)
    try:
        if weights == "none":
            model = _create(tagged, spec, **options)
        else:
            with adapted_first_layer(name, in_channels):
                model = _pretrained(tagged, spec, fetch_weights(name, weights), **options)
            if rgb:
                assign_rgb(model, spec.image_layers, rgb, name)
    except TypeError as error:
        if not drop_path:
            raise
        raise PartError(
            f"timm's {name} does not support drop_path ({error})", hint="leave out drop_path"
        ) from error
    cfg: Any = timm.get_pretrained_cfg(tagged)
    return TimmEncoder(
        model, spec, *(per_channel(values, in_channels, rgb) for values in (cfg.mean, cfg.std))
    )


@cache
def inspect_model(name: str) -> EncoderSpec:
    """Build and run a timm model on the meta device to measure its feature maps.

    Raises:
        PartError: if it does not return a list of feature maps.
    """
    try:
        with torch.device("meta"), torch.inference_mode():
            whole: Any = timm.create_model(name, num_classes=0).eval()
            channels, height, width = whole.pretrained_cfg["input_size"]
            image = torch.empty(1, channels, height, width)
            maps = _maps(whole, image, whole=True) if _may_have_head_convolution(whole) else []
            if is_whole := bool(maps) and maps[-1].shape[1] == whole.conv_head.out_channels:
                options: dict[str, Any] = {"num_classes": 0}
                model = whole
                info = [*(stage["num_chs"] for stage in whole.feature_info[:-1]), whole.num_features]
                reductions = [stage["reduction"] for stage in whole.feature_info]
            else:
                options, model = _feature_extractor(name, whole.feature_info)
                info, reductions = model.feature_info.channels(), model.feature_info.reduction()
                maps = _maps(model, image, whole=False)
            image_layers = find_image_layers(model, image, partial(_maps, model, image, whole=is_whole))
    except Exception as error:  # timm's models fail in many ways
        if is_out_of_memory(error):
            raise
        raise PartError(
            f"timm's {name} gives no feature maps ({type(error).__name__}: {error})",
            hint="choose another encoder",
        ) from error
    last = tuple(m.shape[1] != count and m.shape[-1] == count for m, count in zip(maps, info, strict=True))
    heights = [m.shape[1 if flag else 2] for m, flag in zip(maps, last, strict=True)]
    pyramid = Pyramid(
        tuple(m.shape[-1 if flag else 1] for m, flag in zip(maps, last, strict=True)),
        tuple(_reduction(height, *pair) for pair in zip(heights, reductions, strict=True)),
    )
    return EncoderSpec(name, options, is_whole, pyramid, last, (height, width), image_layers)


def _feature_extractor(name: str, stages: Any) -> tuple[dict[str, Any], Any]:
    quarters = _quarter_indices(stages)
    for any_size in _ANY_SIZE:
        options = {"features_only": True, **any_size, **quarters}
        try:
            return options, timm.create_model(name, **options).eval()
        except TypeError:
            if not any_size:
                raise
    raise AssertionError("the last entry of _ANY_SIZE is empty")


def _quarter_indices(stages: Any) -> dict[str, Any]:
    # Models of one scale, such as ViT: the maps after each quarter of the blocks (Ranftl et al., 2021).
    count = len(stages)
    if count < 4 or len({stage.get("reduction") for stage in stages}) > 1:
        return {}
    return {"out_indices": tuple(round(count * quarter / 4) - 1 for quarter in (1, 2, 3, 4))}


def _may_have_head_convolution(whole: Any) -> bool:
    return isinstance(getattr(whole, "conv_head", None), nn.Conv2d) and hasattr(
        whole, "forward_intermediates"
    )


def _maps(model: Any, image: Tensor, *, whole: bool) -> list[Tensor]:
    if not whole:
        return list(model(image))
    last, maps = model.forward_intermediates(image)
    return [*maps[:-1], last]


def _reduction(side: int, map_side: int, documented: int) -> int:
    measured = side / map_side  # inexact: networks without padding lose pixels at the borders
    return documented if abs(measured / documented - 1) < 0.2 else round(measured)


def _tagged(name: str, weights: str) -> str:
    # The tag also determines mean and std.
    try:
        full = f"{name}.{tag_of(name, weights)}"
        timm.get_pretrained_cfg(full)
    except (WeightsError, RuntimeError):  # a file, none, or torchvision's: timm's defaults hold
        return name
    return full


def _create(name: str, spec: EncoderSpec, **options: Any) -> nn.Module:
    model: nn.Module = timm.create_model(name, **spec.options, **options)
    return model


def _pretrained(name: str, spec: EncoderSpec, path: Path, **options: Any) -> nn.Module:
    state = read_weights(path)
    check_fit(spec.name, state, path)
    with TemporaryDirectory() as folder:
        # timm loads the file: its renaming and its adaption of the first convolution apply.
        overlay = {"file": str(_renamed_file(state, path, Path(folder))), "custom_load": False}
        return _create(name, spec, pretrained=True, pretrained_cfg_overlay=overlay, **options)


def _renamed_file(state: dict[str, Tensor], path: Path, folder: Path) -> Path:
    """The file itself, or a copy in `folder` if `read_weights` has renamed tensors."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            if set(file.keys()) == set(state):
                return path
    path = folder / "weights.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return path
