"""Picking images to look at: the best, the ones in the middle, the worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from segkit.evaluate import predict_logits, predict_mask
from segkit.palette import IGNORED
from segkit.run_dir import ScoredSample

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

    from segkit.contracts import Pixels, Task
    from segkit.data.prepare import Prepared
    from segkit.evaluate import Scores

EACH = 2


def pick_samples(
    model: nn.Module,
    prepared: Prepared,
    scores: Scores,
    task: Task,
    fabric: Fabric,
    *,
    higher_is_better: bool,
) -> list[ScoredSample]:
    """Two images each from the top, the middle and the bottom of the ranking by the first metric.

    Args:
        model: on the fabric's device.
        prepared: the scored images.
        scores: of these images, by this model.
        task: what is predicted.
        fabric: device and precision.
        higher_is_better: of the first metric.
    """
    metric, values = next(iter(scores.per_image.items()))
    samples = []
    for index, rank in _picked(values, higher_is_better).items():
        image = torch.from_numpy(prepared.images[index]).permute(2, 0, 1)[None]
        prediction = predict_mask(predict_logits(model, image, fabric), task)[0].to(torch.uint8)
        if task.kind == "multilabel":
            prediction = prediction.permute(1, 2, 0)  # H W K
        samples.append(
            ScoredSample(
                rank=rank,
                image=prepared.names[index],
                metric=metric,
                score=values[index],
                pixels=prepared.images[index],
                truth=flat(prepared.masks[index], task),
                prediction=flat(prediction.cpu().numpy(), task),
            )
        )
    return samples


def flat(mask: Pixels, task: Task) -> Pixels:
    """A mask to look at, one number per pixel: 0 is background, 255 ignored.

    Args:
        mask: the task's integers: (H, W), or (H, W, K) for multilabel.
        task: what is predicted.

    Returns:
        (H, W): the mask, or for multilabel the number, from 1, of the last class that is there. A pixel is
        ignored where every class of it is.
    """
    if task.kind != "multilabel":
        return np.where(mask == task.ignore_index, np.uint8(IGNORED), mask)
    numbers = (mask == 1) * np.arange(1, mask.shape[-1] + 1, dtype=np.uint8)
    ignored = (mask == task.ignore_index).all(axis=-1)
    return np.where(ignored, np.uint8(IGNORED), numbers.max(axis=-1).astype(np.uint8))


def _picked(values: Sequence[float], higher_is_better: bool) -> dict[int, str]:
    """Why each picked image was picked, by its number; one that fits twice is named once."""
    defined = [i for i, value in enumerate(values) if not math.isnan(value)]
    ranking = sorted(defined, key=lambda i: values[i], reverse=higher_is_better)
    middle = max(0, (len(ranking) - EACH) // 2)
    places = {"best": ranking[:EACH], "median": ranking[middle : middle + EACH], "worst": ranking[-EACH:]}
    picked: dict[int, str] = {}
    for rank, indices in places.items():
        for index in indices:
            picked.setdefault(index, rank)
    return picked
