"""Prediction for an image: mask, probabilities, overlay."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segkit.core.errors import SegkitError
from segkit.inference.outputs import mask_files, save_mask
from segkit.inference.overlays import draw_overlay
from segkit.inference.postprocess import mask_of

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.data.postprocess import MaskSteps
    from segkit.inference.image_source import ImageSource
    from segkit.inference.network import Probabilities

_NOTEBOOK_SIDE = 640  # pixels of the longer side


@dataclass(frozen=True)
class Prediction:
    """Prediction for an image, at the image's own size.

    Args:
        task: what was predicted.
        probabilities: (K, H, W) float32 in 0..1: foreground for binary tasks, one map per class otherwise.
        image: the image.
        steps: post-processing of the mask; None if there is none.
    """

    task: Task
    probabilities: Probabilities
    image: ImageSource = field(repr=False)
    steps: MaskSteps | None = field(default=None, repr=False)

    @cached_property
    def mask(self) -> Pixels:
        """Mask (H, W) of uint8: 0 and 1 for binary tasks, an index into `classes` for multiclass.

        (H, W, K) of 0 and 1 for multilabel.
        """
        return mask_of(self.probabilities, self.task, self.steps)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of the recipe."""
        return self.task.classes

    def overlay(self) -> Image.Image:
        """The image with its mask as tint and contour."""
        return draw_overlay(self.image, self.mask, self.task)

    def save(self, path: str | Path) -> None:
        """Write the mask as a PNG, as `segkit predict` does.

        Args:
            path: file ending in .png; for multilabel tasks one file per class, with the class name appended.

        Raises:
            SegkitError: if it does not end in .png.
            OSError: if it cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            hint = "use a name that ends in .png; JPEG would change class values"
            raise SegkitError("masks are saved as PNG only", where=str(path), hint=hint)
        save_mask(self.mask, self.task, mask_files(path.parent, path.stem, self.task))

    def __repr__(self) -> str:
        height, width = self.probabilities.shape[1:]
        fractions = ", ".join(f"{name} {value:.1%}" for name, value in self.class_fractions().items())
        return f"<Prediction {width}x{height}: {fractions}>"

    def class_fractions(self) -> dict[str, float]:
        """Fraction of the pixels that belong to each class, by class name."""
        task, mask = self.task, self.mask
        if task.kind == "multilabel":
            return dict(zip(task.classes, mask.mean(axis=(0, 1)).tolist(), strict=True))
        first = 1 if task.kind == "binary" else 0
        counts = np.bincount(mask.ravel(), minlength=first + len(task.classes))[first:]
        return dict(zip(task.classes, (counts / mask.size).tolist(), strict=True))

    def _repr_png_(self) -> bytes:  # shown by notebooks
        overlay = self.overlay()
        overlay.thumbnail((_NOTEBOOK_SIDE, _NOTEBOOK_SIDE))
        file = io.BytesIO()
        overlay.save(file, "PNG")
        return file.getvalue()
