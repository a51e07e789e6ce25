"""What was predicted for an image: its mask, its probabilities, a picture of both."""

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
from segkit.inference.overlays import overlay_of
from segkit.inference.postprocess import mask_of

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.inference.image_source import ImageSource
    from segkit.inference.network import Probabilities

_IN_NOTEBOOKS = 640  # pixels of the longer side


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image, at the image's own size.

    Args:
        task: what was predicted.
        probabilities: (K, H, W) float32 in 0..1: of the foreground for binary tasks, of each class otherwise.
        picture: the image.
    """

    task: Task
    probabilities: Probabilities
    picture: ImageSource = field(repr=False)

    @cached_property
    def mask(self) -> Pixels:
        """(H, W) uint8: 0 and 1 for binary tasks, an index into `classes` for multiclass.

        For multilabel (H, W, K), 0 and 1 for each class.
        """
        return mask_of(self.probabilities, self.task)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, as the recipe has them."""
        return self.task.classes

    def overlay(self) -> Image.Image:
        """The image with its mask as a tint, and the mask's contours, at the image's own size."""
        return overlay_of(self.picture, self.mask, self.task)

    def save(self, path: str | Path) -> None:
        """Write the mask as a PNG, as `segkit predict` does.

        Args:
            path: of the file; for a multilabel task there is one for each class, with its name at the end.

        Raises:
            SegkitError: if it does not end in .png.
            OSError: if it cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            hint = "a name that ends in .png: JPEG would change classes"
            raise SegkitError("masks are saved as PNG only", where=str(path), hint=hint)
        save_mask(self.mask, self.task, mask_files(path.parent, path.stem, self.task))

    def __repr__(self) -> str:
        height, width = self.probabilities.shape[1:]
        shares = ", ".join(f"{name} {share:.1%}" for name, share in self.shares().items())
        return f"<Prediction {width}x{height}: {shares}>"

    def shares(self) -> dict[str, float]:
        """The share of pixels of each class, by name."""
        task, mask = self.task, self.mask
        if task.kind == "multilabel":
            return dict(zip(task.classes, mask.mean(axis=(0, 1)).tolist(), strict=True))
        first = 1 if task.kind == "binary" else 0
        counts = np.bincount(mask.ravel(), minlength=first + len(task.classes))[first:]
        return dict(zip(task.classes, (counts / mask.size).tolist(), strict=True))

    def _repr_png_(self) -> bytes:
        """For notebooks: the overlay, small."""
        picture = self.overlay()
        picture.thumbnail((_IN_NOTEBOOKS, _IN_NOTEBOOKS))
        file = io.BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()
