"""What an exported model says of itself, and how it is asked: its writers and readers meet here. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from segkit.core.errors import SegkitError, first_line
from segkit.inference.model_info import ModelInfo, facts_from
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
_MAX_WORDS = 1_000_000  # letters of one entry


@dataclass(frozen=True)
class Exported:
    """What an exported model says of itself.

    Args:
        facts: what the model is.
        input: pixels are (B, C, H, W) uint8, as they come from a file; normalized is float32, after
            ``(pixels / 255 - mean) / std``.
        output: probabilities are (B, K, H, W) float32 in 0..1; logits are what comes before the sigmoid, or
            the softmax of multiclass tasks.
        recipe: what it was trained with, without the folders of the machine that trained it.
        version: of the segkit that wrote it.
    """

    facts: ModelInfo
    input: Input = "pixels"
    output: Output = "probabilities"
    recipe: str = field(default="", repr=False)
    version: str = __version__

    def words(self) -> dict[str, str]:
        """As a file's metadata has it, for `exported_from`."""
        words = {**vars(self), "facts": json.dumps(self.facts.as_json())}
        return {f"{_PREFIX}{key}": text for key, text in words.items()}

    def asked(self, pixels: Pixels) -> npt.NDArray[Any]:
        """(B, H, W, C) uint8 -> what the model takes, (B, C, H, W)."""
        image = np.moveaxis(pixels, -1, 1)
        if self.input == "pixels":
            return np.ascontiguousarray(image)
        mean, std = (
            255 * np.array(values, dtype=np.float32).reshape(-1, 1, 1)
            for values in (self.facts.mean, self.facts.std)
        )
        normalized: npt.NDArray[Any] = np.ascontiguousarray((image - mean) / std, dtype=np.float32)
        return normalized

    def answered(self, output: npt.NDArray[Any]) -> Probabilities:
        """What the model gives -> probabilities, (B, K, H, W) both."""
        if self.output == "probabilities":
            return output
        return _probabilities(output, self.facts.task)


def exported_from(words: Mapping[str, str]) -> Exported:
    """What the metadata of a file says, which somebody else may have made.

    Raises:
        KeyError: if segkit did not write it.
        ValueError: if it is damaged, saying where.
    """
    kept = {key: words[f"{_PREFIX}{key}"] for key in ("facts", "input", "output", "recipe", "version")}
    for key, text in kept.items():
        if len(text) > _MAX_WORDS:
            raise ValueError(f"its {key} has more than {_MAX_WORDS:,} letters")
    for key, known in (("input", get_args(Input)), ("output", get_args(Output))):
        if kept[key] not in known:
            raise ValueError(f"its {key} is {kept[key][:40]!r}, and not {' or '.join(known)}")
    try:
        facts = facts_from(json.loads(kept["facts"]))
    except RecursionError:
        raise ValueError("its facts are nested too deeply") from None
    if not len(facts.mean) == len(facts.std) == facts.channels or 0 in facts.std:
        raise ValueError("its mean and std are not those of its channels")
    given: Any = {**kept, "facts": facts, "version": kept["version"][:40]}
    return Exported(**given)


def model_fails(path: Path, pixels: Pixels, error: Exception) -> SegkitError:
    """What to say where a file's model cannot compute (B, H, W, C)."""
    size = f"{pixels.shape[1]}x{pixels.shape[2]}"
    return SegkitError(
        f"the model fails on {len(pixels)} images of {size}: {first_line(error)}",
        where=str(path),
        hint="fewer at once (--batch-size), or another size of tiles",
    )


def _probabilities(logits: npt.NDArray[Any], task: Task) -> Probabilities:
    if task.kind == "multiclass":
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: Probabilities = grown / grown.sum(axis=1, keepdims=True)
        return shares
    small = np.exp(-np.abs(logits))  # never overflows
    probabilities: Probabilities = np.where(logits < 0, small, np.float32(1)) / (1 + small)
    return probabilities
