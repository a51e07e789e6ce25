"""Metadata of exported models, and the matching pre- and postprocessing. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from segkit.core.errors import SegkitError, first_line, worded
from segkit.inference.model_info import ModelInfo, parse_model_info
from segkit.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from segkit.core.types import Pixels, Task
    from segkit.inference.network import Probabilities

Input = Literal["pixels", "normalized"]
Output = Literal["probabilities", "logits"]
INPUT_NAME = "image"
_PREFIX = "segkit."
_MAX_LENGTH = 1_000_000  # characters of one entry


@dataclass(frozen=True)
class ExportMetadata:
    """Metadata of an exported model.

    Args:
        info: model information.
        input: "pixels" is (B, C, H, W), numbers as read from a file: uint8 for models of 8-bit images, else
            float32; "normalized" is float32, ``(clip((pixels - low) / (high - low), 0, 1) - mean) / std``,
            where low and high are the model's range, or 0 and 255.
        output: "probabilities" is float32 (B, K, H, W) in 0..1; "logits" are the values before the sigmoid,
            or before the softmax of multiclass tasks.
        recipe: recipe as YAML, without the folders of the training machine.
        version: segkit version that wrote the file.
    """

    info: ModelInfo
    input: Input = "pixels"
    output: Output = "probabilities"
    recipe: str = field(default="", repr=False)
    version: str = __version__

    @property
    def takes_uint8(self) -> bool:
        """Whether the input is uint8; else it is float32."""
        return self.input == "pixels" and self.info.range is None

    def entries(self) -> dict[str, str]:
        """Entries of the file's metadata, for `parse_metadata`."""
        entries = {"facts": json.dumps(self.info.as_json()), **vars(self)}
        del entries["info"]
        return {f"{_PREFIX}{key}": text for key, text in entries.items()}

    def preprocess(self, pixels: Pixels) -> npt.NDArray[Any]:
        """(B, H, W, C) numbers as in image files -> input of the model, (B, C, H, W)."""
        if self.input == "pixels":
            image = self.info.scaled(pixels) if self.takes_uint8 else pixels
        else:
            mean, std = (255 * np.array(values, np.float32) for values in (self.info.mean, self.info.std))
            image = (self.info.scaled(pixels) - mean) / std
        dtype = np.uint8 if self.takes_uint8 else np.float32
        return np.ascontiguousarray(np.moveaxis(image, -1, 1), dtype=dtype)

    def postprocess(self, output: npt.NDArray[Any]) -> Probabilities:
        """Output of the model -> probabilities, both (B, K, H, W)."""
        if self.output == "probabilities":
            return output
        return _logits_to_probabilities(output, self.info.task)


def parse_metadata(entries: Mapping[str, str]) -> ExportMetadata:
    """Metadata of an untrusted file.

    Raises:
        KeyError: if segkit did not write it.
        ValueError: if it is damaged, with the entry at fault.
    """
    values = {key: entries[f"{_PREFIX}{key}"] for key in ("facts", "input", "output", "recipe", "version")}
    for key, text in values.items():
        if len(text) > _MAX_LENGTH:
            raise ValueError(f"{key} has more than {_MAX_LENGTH:,} characters")
    for key, allowed in (("input", get_args(Input)), ("output", get_args(Output))):
        if values[key] not in allowed:
            raise ValueError(f"{key} is {values[key][:40]!r}, expected {' or '.join(allowed)}")
    try:
        info = parse_model_info(json.loads(values.pop("facts")))
    except RecursionError:
        raise ValueError("facts are nested too deeply") from None
    if not len(info.mean) == len(info.std) == info.in_channels or 0 in info.std:
        raise ValueError("mean and std do not fit the number of channels, or std is 0")
    fields: Any = {**values, "version": values["version"][:40]}
    return ExportMetadata(info, **fields)


def prediction_failed(path: Path, pixels: Pixels, error: Exception) -> SegkitError:
    """Error for an exported model that fails on (B, H, W, C)."""
    size = f"{pixels.shape[1]}x{pixels.shape[2]}"
    return SegkitError(
        f"the model fails on {len(pixels)} images of {size}: {first_line(error)}",
        where=str(path),
        hint=f"use a smaller {worded('--batch-size', 'batch_size')}, or another {worded('--tile', 'tile')}",
    )


def _logits_to_probabilities(logits: npt.NDArray[Any], task: Task) -> Probabilities:
    if task.kind == "multiclass":
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        softmax: Probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return softmax
    small = np.exp(-np.abs(logits))  # never overflows
    sigmoid: Probabilities = np.where(logits < 0, small, np.float32(1)) / (1 + small)
    return sigmoid
