"""EfficientNet-Lite-PyTorch's names of EfficientNet-Lite as timm's."""

from __future__ import annotations

import re
from typing import TypeVar

Value = TypeVar("Value")

# Blocks of each stage: EfficientNet-B0's (Tan and Le 2019, table 1); first and last stage are not deepened.
_REPEATS = ((1, 2, 2, 3, 3, 4, 1), (1, 3, 3, 4, 4, 5, 1))  # lite0; lite1 and lite2
_OUTSIDE = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier",
}  # fmt: skip
_WITHOUT_EXPANSION = {
    "_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2",
}  # fmt: skip
_BLOCK = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


def to_timm(state: dict[str, Value]) -> dict[str, Value]:
    """Rename the tensors of EfficientNet-Lite0 to 2 to timm's names; other models are unchanged."""
    layers = {name: match for name in state if (match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name))}
    count = len({match[1] for match in layers.values()})
    repeats = next((stages for stages in _REPEATS if sum(stages) == count), None)
    if repeats is None or any(match[2] not in _BLOCK for match in layers.values()):
        return state
    places = [f"{stage}.{index}" for stage, number in enumerate(repeats) for index in range(number)]

    def timm_name(name: str) -> str:
        if match := layers.get(name):
            block, layer, leaf = int(match[1]), match[2], match[3]
            return f"blocks.{places[block]}.{(_BLOCK if block else _WITHOUT_EXPANSION)[layer]}.{leaf}"
        module, _, leaf = name.rpartition(".")
        return f"{_OUTSIDE.get(module, module)}.{leaf}"

    return {timm_name(name): value for name, value in state.items()}
