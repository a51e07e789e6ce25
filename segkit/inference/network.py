"""What predicts: a run's model in torch, or an ONNX file; both look the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segkit.core.types import Pixels
    from segkit.inference.model_info import ModelInfo

    Probabilities = npt.NDArray[np.float32]


class Network(Protocol):
    """A trained model that can be asked; knows nothing of files, sizes of photographs or tiles."""

    @property
    def facts(self) -> ModelInfo:
        """What it is."""
        ...

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Probabilities of some images of one size.

        Shape:
            pixels: (B, H, W, C) uint8; sides as `facts` says.
            output: (B, K, H, W) float32 in 0..1: of the foreground for binary tasks, of each class otherwise.
        """
        ...
