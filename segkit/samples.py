"""Picking images to look at: the best, the ones in the middle, the worst."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from segkit.evaluate import predict_classes
from segkit.run_dir import ScoredSample

if TYPE_CHECKING:
    from segkit.contracts import Pixels
    from segkit.data.prepare import Prepared
    from segkit.evaluate import Scores
    from segkit.model import Segmenter

EACH = 2


def pick_samples(
    model: Segmenter, prepared: Prepared, scores: Scores, device: torch.device, *, higher_is_better: bool
) -> list[ScoredSample]:
    """Two images each from the top, the middle and the bottom of the ranking by the first metric.

    Args:
        model: on `device`.
        prepared: the scored images.
        scores: of these images, by this model.
        device: where the model is.
        higher_is_better: of the first metric.
    """
    metric, values = next(iter(scores.per_image.items()))
    defined = [i for i, value in enumerate(values) if not math.isnan(value)]
    ranking = sorted(defined, key=lambda i: values[i], reverse=higher_is_better)
    middle = max(0, (len(ranking) - EACH) // 2)
    places = {"best": ranking[:EACH], "median": ranking[middle : middle + EACH], "worst": ranking[-EACH:]}
    picked: dict[int, str] = {}
    for rank, indices in places.items():
        for index in indices:
            picked.setdefault(index, rank)
    samples = []
    for index, rank in picked.items():
        image = torch.from_numpy(prepared.images[index]).permute(2, 0, 1)[None].to(device)
        samples.append(
            ScoredSample(
                rank=rank,
                image=prepared.names[index],
                metric=metric,
                score=values[index],
                pixels=prepared.images[index],
                truth=_flat(prepared.masks[index]),
                prediction=_flat(predict_classes(model, image)[0].cpu().numpy().astype(np.uint8)),
            )
        )
    return samples


def _flat(mask: Pixels) -> Pixels:
    """(H, W) as it is; (H, W, K) as the number of the last class that is there, from 1, or 0."""
    if mask.ndim == 2:
        return mask
    present = (mask == 1) * np.arange(1, mask.shape[-1] + 1, dtype=np.uint8)
    flat: Pixels = present.max(axis=-1).astype(np.uint8)
    return flat
