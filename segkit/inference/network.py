"""Protocol of a trained network: torch, ONNX or pt2; and a check of its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from segkit.core.types import Pixels
    from segkit.inference.model_info import ModelInfo

    Probabilities = npt.NDArray[np.float32]


ROUNDING = 1e-3  # by which a probability may lie outside of 0..1


def checked(probabilities: Probabilities, where: str) -> Probabilities:
    """Probabilities within 0..1.

    Args:
        probabilities: output of a network.
        where: file or name of the network.

    Raises:
        SegkitError: if they are not probabilities.
    """
    low, high = float(probabilities.min()), float(probabilities.max())  # NaN if any of them is
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        found = "NaN" if low != low else f"{low:.4g} to {high:.4g}"
        raise SegkitError(
            f"the model's output is {found}, but probabilities are between 0 and 1",
            where=where,
            hint="its weights are damaged or its training has diverged: use another model",
        )
    return probabilities if low >= 0 and high <= 1 else probabilities.clip(0, 1)


class Network(Protocol):
    """A trained network; resizing, tiling and files are handled by its callers."""

    @property
    def info(self) -> ModelInfo:
        """Model information."""
        ...

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Predict a batch of images of one size.

        Shape:
            pixels: (B, H, W, C), the channels that the model takes, with numbers as in image files; H and W
                as `info` requires.
            output: (B, K, H, W) float32 in 0..1: foreground for binary tasks, one map per class otherwise.
        """
        ...
