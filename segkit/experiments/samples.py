"""Sample images of a run: best, median and worst, and thumbnails of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import torch

from segkit.data.display import display_rgb
from segkit.data.large_arrays import subsampled
from segkit.data.palette import flat, mask_palette
from segkit.data.pixel_range import PixelRange
from segkit.data.resize import nearest, resize_image, resize_mask
from segkit.experiments.postprocess import postprocessed_mask
from segkit.runs.run_dir import ScoredSample, TrainingSample
from segkit.runs.schema import Files, Rank, Sample
from segkit.runs.thumbnails import Thumbnail, make_thumbnail
from segkit.training.count_pixels import predict_mask
from segkit.training.distributed.sharding import gather_batches

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from segkit.core.types import Pixels, Task
    from segkit.data.batches import TrainBatches
    from segkit.data.fit import Fit
    from segkit.data.preprocess import Prepared
    from segkit.data.readers.raster import Extent
    from segkit.experiments.assembly import Assembly
    from segkit.recipe import Recipe
    from segkit.recipe.postprocess_settings import PostprocessSettings
    from segkit.training.evaluate import Scores

    Display = Callable[[Pixels], Pixels]

MAX_SHOWN = 1024  # pixels of the longer side
_PER_RANK = 2
_TRAINING = 4


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


class PredictedMasks:
    """Predicted masks of scored images, at the size at which they are shown.

    Images with more than `MAX_SHOWN` pixels along a side are shown smaller if they are scored in windows.

    Args:
        prepared: scored images.
        task: kind of masks, classes and ignored value.
        fit: how images are fitted to the model.
    """

    def __init__(self, prepared: Prepared, task: Task, fit: Fit) -> None:
        self._prepared, self._task, self._fit = prepared, task, fit
        self._parts: dict[int, list[Pixels]] = {}  # of this process, by image, from top to bottom

    def add(self, image: int, rows: slice, logits: Tensor) -> None:
        """Add the logits (1, K, rows, W) of some rows of an image."""
        height, width = self._prepared.masks[image].shape[:2]
        size = shown_size(self._fit, (height, width))
        if size != (height, width):
            inside, columns = (nearest(*sides) for sides in zip(size, (height, width), strict=True))
            inside = inside[(inside >= rows.start) & (inside < rows.stop)] - rows.start
            logits = logits[:, :, torch.from_numpy(inside)][..., torch.from_numpy(columns)]
        self._parts.setdefault(image, []).extend(predicted_masks(logits, self._task))

    def of_image(self, image: int) -> Pixels:
        """The mask of an image whose rows have all been added by this process."""
        return np.concatenate(self._parts[image])

    def gathered(self, fabric: Fabric) -> list[Pixels]:
        """Masks of all images, on the first process; none on the others."""
        own = [(image, self.of_image(image)) for image in self._parts]
        return [mask for _, mask in sorted(gather_batches(own, fabric, everywhere=False), key=itemgetter(0))]


def shown_size(fit: Fit, size: Extent) -> Extent:
    """Size (height, width) at which a mask that is scored at `size` is shown."""
    longest = max(size)
    if not fit.is_native or longest <= MAX_SHOWN:
        return size
    height, width = (max(1, side * MAX_SHOWN // longest) for side in size)
    return height, width


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
            *shown(prepared, index, predicted[index], task, display),
        )
        for number, (index, rank) in picked
    ]


def thumbnails(
    prepared: Prepared, predicted: Sequence[Pixels], task: Task, display: Display
) -> Iterator[Thumbnail]:
    """Thumbnails of every scored image with its true and predicted mask."""
    colours = mask_palette(task)
    for index, mask in enumerate(predicted):
        yield make_thumbnail(*shown(prepared, index, mask, task, display), colours)


def predict_shown(
    assembly: Assembly, split: str, index: int, postprocess: PostprocessSettings | None = None
) -> tuple[Pixels, Pixels, Pixels]:
    """Predict one image of a split, as it is scored; see `shown`."""
    prepared, task, recipe = assembly.splits[split], assembly.task, assembly.recipe
    if postprocess:
        mask = postprocessed_mask(assembly, split, index, postprocess)
        small = resize_mask(mask, shown_size(recipe.data.geometry, (mask.shape[0], mask.shape[1])))
        return shown(prepared, index, small, task, display_of(recipe))
    masks = PredictedMasks(prepared, task, recipe.data.geometry)
    for rows, logits in assembly.predict(split, index):
        masks.add(index, rows, logits)
    return shown(prepared, index, masks.of_image(index), task, display_of(recipe))


def shown(
    prepared: Prepared, index: int, predicted: Pixels, task: Task, display: Display
) -> tuple[Pixels, Pixels, Pixels]:
    """8-bit picture, ground truth (H, W) and prediction (H, W), at the size of a predicted mask."""
    image, mask, size = prepared.images[index], prepared.masks[index], predicted.shape[:2]
    if image.shape[:2] != size:
        step = max(1, min(side // (2 * to) for side, to in zip(image.shape, size, strict=False)))
        image = resize_image(subsampled(image, step), size)  # of a large image, not all pixels are read
    mask = mask if mask.shape[:2] == size else resize_mask(mask, size)
    return display(image), flat(mask, task), flat(predicted, task)


def training_samples(
    batches: TrainBatches, names: Sequence[str], task: Task, recipe: Recipe
) -> list[TrainingSample]:
    """The first training images or windows of the first epoch, as the model saw them."""
    batch = batches.first(_TRAINING)
    rgb = recipe.model.encoder.options.get("rgb") or ()
    samples = []
    for image, target, index in zip(batch.image, batch.target, batch.indices, strict=True):
        pixels = image.permute(1, 2, 0).numpy()  # of batches, in 0..255 whatever the range in files
        picture = display_rgb(pixels, PixelRange.of((0, 255), pixels.shape[-1]), rgb)
        mask = target.permute(1, 2, 0) if task.kind == "multilabel" else target
        samples.append(TrainingSample(names[index], picture, flat(mask.numpy(), task)))
    return samples


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
