"""Masks from probabilities, with the post-processing of their models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.data.postprocess import MaskSteps
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Probabilities
    from segkit.recipe.postprocess_settings import PostprocessSettings


def mask_of(probabilities: Probabilities, task: Task, steps: MaskSteps | None = None) -> Pixels:
    """The most probable class of every pixel; for binary and multilabel tasks, whether it is above 0.5.

    With steps, the mask that they make of a whole image.

    Shape:
        probabilities: (K, H, W).
        output: (H, W) uint8, or (H, W, K) for multilabel.
    """
    if steps:
        return steps.mask(probabilities)
    if task.kind == "multiclass":
        best: Pixels = probabilities.argmax(axis=0).astype(np.uint8)
        return best
    above: Pixels = (probabilities > 0.5).astype(np.uint8)
    return above[0] if task.kind == "binary" else np.ascontiguousarray(np.moveaxis(above, 0, -1))


def common_postprocess(infos: Sequence[ModelInfo]) -> tuple[PostprocessSettings | None, list[str]]:
    """The post-processing of an ensemble: that of all of its models, if they have the same.

    Returns:
        Settings, and a warning if the models differ.
    """
    first, *others = infos
    if all(
        other.postprocess == first.postprocess
        and (other.geometry == first.geometry or not (first.postprocess and first.postprocess.has_areas))
        for other in others
    ):
        return first.postprocess, []
    return None, [
        "The models have different post-processing, which was not chosen for the mean of their "
        "probabilities: their masks are not post-processed."
    ]
