"""torchvision's names of MobileNetV2 as timm's."""

from __future__ import annotations

import re
from typing import TypeVar

Value = TypeVar("Value")

_REPEATS = (1, 2, 3, 4, 3, 3, 1)  # blocks of each stage (Sandler et al. 2018, table 2)
_BLOCKS = [(stage, index) for stage, repeats in enumerate(_REPEATS) for index in range(repeats)]
_OUTSIDE = {
    "features.0.0": "conv_stem", "features.0.1": "bn1",
    "features.18.0": "conv_head", "features.18.1": "bn2", "classifier.1": "classifier",
}  # fmt: skip
_WITHOUT_EXPANSION = {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"}
_BLOCK = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"}


def to_timm(state: dict[str, Value]) -> dict[str, Value]:
    """Rename the tensors of torchvision's `mobilenet_v2` to timm's names; other models are unchanged."""
    if "features.18.0.weight" not in state or "features.1.conv.0.0.weight" not in state:
        return state
    return {_timm_name(name): value for name, value in state.items()}


def _timm_name(name: str) -> str:
    module, _, leaf = name.rpartition(".")
    if module in _OUTSIDE:
        return f"{_OUTSIDE[module]}.{leaf}"
    match = re.fullmatch(r"features\.(\d+)\.conv\.(.+)", module)
    if match is None:
        return name
    block = int(match[1]) - 1
    stage, index = _BLOCKS[block]
    layer = (_BLOCK if block else _WITHOUT_EXPANSION)[match[2]]
    return f"blocks.{stage}.{index}.{layer}.{leaf}"
