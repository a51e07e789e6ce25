"""Sample images of a run: best, median and worst, and thumbnails of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch

from segkit.data.display import display_rgb
from segkit.data.palette import flat, mask_palette
from segkit.runs.run_dir import ScoredSample
from segkit.runs.schema import Files, Rank, Sample
from segkit.runs.thumbnails import Thumbnail, make_thumbnail
from segkit.training.count_pixels import predict_mask

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.core.types import Pixels, Task
    from segkit.data.preprocess import Prepared
    from segkit.recipe import Recipe
    from segkit.training.evaluate import Scores

    Display = Callable[[Pixels], Pixels]

_PER_RANK = 2


def display_of(recipe: Recipe) -> Display:
    """Function of an image (H, W, C) of a recipe that returns its 8-bit picture."""
    rgb = recipe.model.encoder.options.get("rgb") or ()
    return partial(display_rgb, pixel_range=recipe.data.pixel_range, rgb=rgb)


def predicted_masks(logits: Tensor, task: Task) -> list[Pixels]:
    """Predicted masks of a batch, in the layout of `Prepared.masks`.

    Shape:
        logits: (B, K, H, W).
        output: B masks of uint8, (H, W), or (H, W, K) for multilabel.
    """
    masks = predict_mask(logits, task).to(torch.uint8)
    if task.kind == "multilabel":
        masks = masks.permute(0, 2, 3, 1)  # B H W K
    return list(masks.cpu().numpy())


def pick_samples(
    prepared: Prepared,
    predicted: Sequence[Pixels],
    scores: Scores,
    task: Task,
    display: Display,
    *,
    higher_is_better: bool,
) -> list[ScoredSample]:
    """Two images each with the best, median and worst scores by the first metric.

    With fewer than six images, there are as many best as worst ones, and fewer between them.
    """
    metric, values = next(iter(scores.per_image.items()))
    picked = enumerate(_picked_ranks(values, higher_is_better).items(), start=1)
    return [
        ScoredSample(
            Sample(
                rank=rank,
                image=prepared.names[index],
                metric=metric,
                score=values[index],
                files=Files.numbered(number),
            ),
            pixels=display(prepared.images[index]),
            truth=flat(prepared.masks[index], task),
            prediction=flat(predicted[index], task),
        )
        for number, (index, rank) in picked
    ]


def thumbnails(
    prepared: Prepared, predicted: Sequence[Pixels], task: Task, display: Display
) -> Iterator[Thumbnail]:
    """Thumbnails of every scored image with its true and predicted mask."""
    colours = mask_palette(task)
    for image, truth, prediction in zip(prepared.images, prepared.masks, predicted, strict=True):
        yield make_thumbnail(display(image), flat(truth, task), flat(prediction, task), colours)


def _picked_ranks(values: Sequence[float], higher_is_better: bool) -> dict[int, Rank]:
    defined = [i for i, value in enumerate(values) if not math.isnan(value)]
    ranking = sorted(defined, key=lambda i: values[i], reverse=higher_is_better)
    at_each_end = max(1, min(_PER_RANK, len(ranking) // 2))
    best, others = ranking[:at_each_end], ranking[at_each_end:]
    between, worst = others[:-at_each_end], others[-at_each_end:]
    middle = max(0, (len(between) - _PER_RANK) // 2)
    picked: dict[Rank, list[int]] = {
        "best": best,
        "median": between[middle : middle + _PER_RANK],
        "worst": worst,
    }
    return {index: rank for rank, indices in picked.items() for index in indices}
