"""Protocol of a trained network: torch, ONNX or pt2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segkit.core.types import Pixels
    from segkit.inference.model_info import ModelInfo

    Probabilities = npt.NDArray[np.float32]


class Network(Protocol):
    """A trained network; resizing, tiling and files are handled by its callers."""

    @property
    def info(self) -> ModelInfo:
        """Model information."""
        ...

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Predict a batch of images of one size.

        Shape:
            pixels: (B, H, W, C) uint8; H and W as `info` requires.
            output: (B, K, H, W) float32 in 0..1: foreground for binary tasks, one map per class otherwise.
        """
        ...
