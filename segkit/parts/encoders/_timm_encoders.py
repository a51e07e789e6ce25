"""timm behind one door: build a model, keep what makes features, find out what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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
from segkit.parts.encoders._pretrained import fetch_weights, read_weights, tag_of

# How timm's models are asked to take images of any size; they refuse the words that they do not know.
_ANY_SIZE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


@dataclass(frozen=True)
class Plan:
    """What is known of a timm model before it is built for real.

    Args:
        name: in timm.
        options: for `timm.create_model`.
        whole: whether its last map is that of the whole model, behind a head convolution.
        pyramid: measured, as timm's own notes are wrong for some models.
        channels_last: for each map, whether the model delivers it as (B, H, W, C).
        size: the image size (height, width) it was made for.
    """

    name: str
    options: dict[str, Any]
    whole: bool
    pyramid: Pyramid
    channels_last: tuple[bool, ...]
    size: tuple[int, int]


class TimmEncoder(nn.Module):
    """A timm model that delivers all its stages, finest first; see `segkit.core.types.Encoder`.

    The last stage of MobileNetV2, EfficientNet and their kin is the map behind the head convolution (1280
    channels for `mobilenetv2_100`): what `forward_features` gives, and `features_only` leaves out.
    MobileNetV3's `conv_head` comes after the pooling and makes no map; it is left out.

    Shape:
        image: (B, in_channels, H, W).
        output: for each stage (B, channels[i], h, w), h and w as `Pyramid` says.
    """

    def __init__(self, model: nn.Module, plan: Plan, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        self.plan = plan
        self.pyramid = plan.pyramid
        self.mean = mean
        self.std = std

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> one map per stage.

        Raises:
            ShapeError: if the model takes no images of this size.
        """
        try:
            maps = _maps(self.model, image, whole=self.plan.whole)
        except AssertionError as error:  # how timm's models refuse a size
            (height, width), (own_height, own_width) = image.shape[-2:], self.plan.size
            reason = str(error) or "their size does not divide"
            raise ShapeError(
                f"{self.plan.name} takes no images of {height}x{width}: {reason}",
                hint=f"data.size: [{own_height}, {own_width}]",
            ) from error
        return [
            m.permute(0, 3, 1, 2).contiguous() if last else m
            for m, last in zip(maps, self.plan.channels_last, strict=True)
        ]


def build_encoder(name: str, in_channels: int, *, weights: str, drop_path: float) -> TimmEncoder:
    """A timm model with its weights.

    Raises:
        WeightsError: if they are not to be had, or do not fit.
        PartError: if the model gives no feature maps, or has no drop-path.
    """
    plan = plan_for(name)
    options = {"in_chans": in_channels, **({"drop_path_rate": drop_path} if drop_path else {})}
    tagged = _tagged(name, weights)
    try:
        if weights == "none":
            model = _create(tagged, plan, **options)
        else:
            model = _pretrained(tagged, plan, fetch_weights(name, weights), **options)
    except TypeError as error:
        if not drop_path:
            raise
        raise PartError(f"timm's {name} has no drop-path ({error})", hint="leave out drop_path") from error
    cfg: Any = timm.get_pretrained_cfg(tagged)
    return TimmEncoder(model, plan, _per_channel(cfg.mean, in_channels), _per_channel(cfg.std, in_channels))


@cache
def plan_for(name: str) -> Plan:
    """Build and run a timm model without numbers (on the meta device) to see what it gives.

    Raises:
        PartError: if that is no list of feature maps.
    """
    try:
        with torch.device("meta"), torch.inference_mode():
            whole: Any = timm.create_model(name, num_classes=0).eval()
            channels, height, width = whole.pretrained_cfg["input_size"]
            image = torch.empty(1, channels, height, width)
            maps = _maps(whole, image, whole=True) if _may_have_head_convolution(whole) else []
            if is_whole := bool(maps) and maps[-1].shape[1] == whole.conv_head.out_channels:
                options: dict[str, Any] = {"num_classes": 0}
                info = [*(stage["num_chs"] for stage in whole.feature_info[:-1]), whole.num_features]
                reductions = [stage["reduction"] for stage in whole.feature_info]
            else:
                options, model = _feature_extractor(name, whole.feature_info)
                info, reductions = model.feature_info.channels(), model.feature_info.reduction()
                maps = _maps(model, image, whole=False)
    except Exception as error:  # timm's models fail in many ways; each means the same here
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
    return Plan(name, options, is_whole, pyramid, last, (height, width))


def _feature_extractor(name: str, stages: Any) -> tuple[dict[str, Any], Any]:
    chosen = _quarters(stages)
    for any_size in _ANY_SIZE:
        options = {"features_only": True, **any_size, **chosen}
        try:
            return options, timm.create_model(name, **options).eval()
        except TypeError:
            if not any_size:
                raise
    raise AssertionError("the last form has no words to refuse")


def _quarters(stages: Any) -> dict[str, Any]:
    """Where all blocks keep one scale, as in ViT: the maps after each quarter (Ranftl et al., 2021)."""
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


def _reduction(side: int, map_side: int, noted: int) -> int:
    """Timm's note where the map agrees; networks without padding lose some pixels at the borders."""
    measured = side / map_side
    return noted if abs(measured / noted - 1) < 0.2 else round(measured)


def _tagged(name: str, weights: str) -> str:
    """Timm's name with the tag, which also tells the mean and std of the weights."""
    try:
        full = f"{name}.{tag_of(name, weights)}"
        timm.get_pretrained_cfg(full)
    except (WeightsError, RuntimeError):  # a file, none, or torchvision's: timm's default notes hold
        return name
    return full


def _create(name: str, plan: Plan, **options: Any) -> nn.Module:
    model: nn.Module = timm.create_model(name, **plan.options, **options)
    return model


def _pretrained(name: str, plan: Plan, path: Path, **options: Any) -> nn.Module:
    state = read_weights(path)
    check_fit(plan.name, state, path)
    with TemporaryDirectory() as folder:
        overlay = {"file": str(_with_names_of(state, path, Path(folder))), "custom_load": False}
        return _create(name, plan, pretrained=True, pretrained_cfg_overlay=overlay, **options)


def _with_names_of(state: dict[str, Tensor], path: Path, folder: Path) -> Path:
    """The file, or another in `folder` if not every tensor in it has the name it was read by."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            if set(file.keys()) == set(state):
                return path
    path = folder / "weights.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return path


def _per_channel(values: Sequence[float], channels: int) -> tuple[float, ...]:
    same = len(values) == channels
    return tuple(values) if same else (sum(values) / len(values),) * channels
