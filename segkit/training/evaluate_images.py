"""Evaluation on whole images of which the model sees overlapping windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from segkit.training.count_pixels import confusion_shape, count_pixels
from segkit.training.evaluate import OnLogits, Scored, Scores, gather_scores, ignore_logits, predict_logits
from segkit.training.probabilities import mask_to_logits, probabilities_of, probabilities_to_logits
from segkit.training.torch_errors import explain_scoring_errors
from segkit.utils.listing import listed

if TYPE_CHECKING:
    import numpy.typing as npt
    from lightning_fabric import Fabric

    from segkit.core.types import Loss, Metric, Pixels, Task
    from segkit.data.batches import Batch
    from segkit.data.eval_windows import EvalWindows

    Maps = npt.NDArray[np.float32]

_MAX_PART = 2**21  # probabilities whose logits are held at once: 16 MiB


@torch.inference_mode()
def evaluate_images(
    model: nn.Module,
    windows: EvalWindows,
    task: Task,
    metrics: Mapping[str, Metric],
    loss: Loss,
    fabric: Fabric,
    on_progress: Callable[[int], None] = lambda done: None,
    on_logits: OnLogits = ignore_logits,
) -> Scores:
    """Score a model on whole images. Leaves the model in evaluation mode.

    Probabilities of windows are blended and resized to the size of the mask; metrics take their logits. The
    loss of an image is the mean over its windows. Several processes take whole images in turn.

    Args:
        model: pixels (B, C, H, W) -> logits (B, K, H, W), on the fabric's device.
        windows: windows of all images.
        task: kind of masks, classes and ignored value.
        metrics: metrics by name. If all are sums over pixels (`Metric.summed`), the probabilities of no more
            than one row of windows are held, else those of a whole image.
        loss: (logits, target) -> scalar.
        fabric: device and precision.
        on_progress: callback of the number of windows done.
        on_logits: callback of (image, rows, logits (1, K, rows, W)) of this process, from top to bottom.

    Raises:
        TrainingError: if memory runs out.
    """
    own = range(len(windows.images))[fabric.global_rank :: fabric.world_size]
    # Of windows; as tensors, thousands of them would lie between the large ones that are freed around them.
    losses: list[float] = []

    def add_losses(batch: Batch, logits: Tensor) -> None:
        target = fabric.to_device(batch.target)
        values = [loss(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))]
        losses.extend(torch.stack(values).tolist())
        on_progress(batch.indices[-1] + 1)

    # Batches go on across images, as small images have few windows.
    numbers = [*chain.from_iterable(map(windows.of_image, own))]
    maps = _predict(model, windows.batches(numbers), task, fabric, add_losses)
    whole = [name for name, metric in metrics.items() if not metric.sums]
    smaller = "a smaller data.size: the probabilities of a row of windows are held at once"
    if whole:
        smaller = f"leave {listed(whole)} out of the metrics: the whole image is needed at once"
    scored: list[Scored] = []
    confusion = torch.zeros(confusion_shape(task), dtype=torch.long)
    for image in own:
        mask, score = windows.masks[image], ImageScore(task, metrics)
        with explain_scoring_errors(f"an image of {mask.shape[1]}x{mask.shape[0]} pixels", smaller):
            for rows, logits in _logits(windows, image, maps, task, fabric, whole=bool(whole)):
                score.add(logits, _target(mask[rows], task).to(logits.device))
                on_logits(image, rows, logits)
        confusion += score.confusion
        own_losses = [losses.pop(0) for _ in windows.of_image(image)]
        mean_loss = torch.tensor(own_losses, dtype=torch.double).mean(0, keepdim=True)
        scored.append((mean_loss, score.pixels, score.rows()))
    return gather_scores(scored, confusion, task, metrics, fabric)


def predict_image(
    model: nn.Module, windows: EvalWindows, image: int, task: Task, fabric: Fabric
) -> Iterator[tuple[slice, Tensor]]:
    """Rows and their logits (1, K, rows, W) of one image, at the size of its mask, from top to bottom."""
    maps = _predict(model, windows.batches(windows.of_image(image)), task, fabric)
    return _logits(windows, image, maps, task, fabric)


class ImageScore:
    """Score of one image, of which logits and targets come in parts; unless all metrics are sums, in one.

    `pixels` and `confusion` are those of `count_pixels`.

    Args:
        task: kind of masks, classes and ignored value.
        metrics: metrics by name.
    """

    def __init__(self, task: Task, metrics: Mapping[str, Metric]) -> None:
        self._task, self._metrics = task, metrics
        self._sums: dict[str, Tensor] = {}
        self._rows: dict[str, Tensor] = {}
        self.pixels = torch.zeros(1, len(task.classes), 3, dtype=torch.int32)
        self.confusion = torch.zeros(confusion_shape(task), dtype=torch.long)

    def add(self, logits: Tensor, target: Tensor) -> None:
        """Add logits (1, K, rows, W) and their target."""
        for name, metric in self._metrics.items():
            if metric.sums:
                part = metric.sums.parts(logits, target).cpu()
                self._sums[name] = self._sums[name] + part if name in self._sums else part
            else:
                self._rows[name] = metric.per_image(logits, target)
        pixels, confusion = count_pixels(logits, target, self._task)
        self.pixels += pixels
        self.confusion += confusion

    def add_mask(self, mask: Pixels, truth: Pixels) -> None:
        """Add predicted mask and ground truth of the whole image: (H, W), or (H, W, K) for multilabel."""
        is_whole = not all(metric.sums for metric in self._metrics.values())
        step = len(mask) if is_whole else max(1, _MAX_PART // (self._task.channels * mask.shape[1]))
        for first in range(0, len(mask), step):
            part = slice(first, first + step)
            self.add(mask_to_logits(mask[part], self._task), _target(truth[part], self._task))

    def rows(self) -> dict[str, Tensor]:
        """(1, S) float64 of the whole image, by metric."""
        sums = {
            name: metric.sums.rows(self._sums[name]) for name, metric in self._metrics.items() if metric.sums
        }
        return {name: rows.double().cpu() for name, rows in (self._rows | sums).items()}


def _predict(
    model: nn.Module,
    batches: Iterable[Batch],
    task: Task,
    fabric: Fabric,
    on_batch: Callable[[Batch, Tensor], None] = lambda batch, logits: None,
) -> Iterator[Maps]:
    """Probabilities (K, height, width) of each window."""
    for batch in batches:
        with explain_scoring_errors(f"{len(batch.image)} windows at once"):
            logits = predict_logits(model, batch.image, fabric)
            on_batch(batch, logits)
            probabilities = probabilities_of(logits, task).float().cpu().numpy()
        yield from probabilities


def _logits(
    windows: EvalWindows, image: int, maps: Iterator[Maps], task: Task, fabric: Fabric, *, whole: bool = False
) -> Iterator[tuple[slice, Tensor]]:
    """Rows and their logits (1, K, rows, W): all rows at once, or as many as take little memory."""
    # MPS has no float64.
    device = fabric.device if fabric.device.type == "cuda" else torch.device("cpu")
    chunks = windows.blend(image, task.channels, maps)
    top = 0
    for chunk in [np.concatenate([*chunks], axis=1)] if whole else chunks:
        classes, height, width = chunk.shape
        step = height if whole else max(1, _MAX_PART // (classes * width))
        for first in range(0, height, step):
            part = torch.from_numpy(chunk[None, :, first : first + step]).to(device)
            yield slice(top, top := top + part.shape[2]), probabilities_to_logits(part, task)


def _target(mask: Pixels, task: Task) -> Tensor:
    """(H, W) or (H, W, K) -> (1, H, W) or (1, K, H, W)."""
    return torch.tensor(np.moveaxis(mask, -1, 0) if task.kind == "multilabel" else mask)[
        None
    ]  # a copy: files are read-only
