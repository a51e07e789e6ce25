"""What was exported says the same as the run's model, on every image that is scored; or it is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from segkit.core.errors import ExportError
from segkit.data.resize import resize_image
from segkit.inference.torch_network import probabilities_of
from segkit.runs.environment import data_digests
from segkit.training.evaluate import predict_logits, predict_mask

if TYPE_CHECKING:
    from segkit.core.types import Progress, Task
    from segkit.experiments.finished_run import FinishedRun
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.torch_network import RunNetwork

MAX_PIXELS = 1e-4  # share of pixels whose class may differ: those where the model cannot decide
MAX_DIFFERENCE = 1e-3  # of a probability; float32 in another order of summation stays far below
MAX_SCORE = 1e-4
_SURE = 1e-12  # beside 0 and 1, where logits are infinite
_A_FEW = 3  # images, to try other shapes with
_OTHER_SIDES = 17  # pixels more: an odd number, as a model that takes any size takes that


@dataclass(frozen=True)
class Verified:
    """What was compared, and how much it differs.

    Args:
        split: of the images.
        images: how many.
        pixels: of all their masks.
        pixels_that_differ: whose class does.
        largest_difference: of a probability.
        metric: that chose the run's best epoch.
        scores: of the exported file, by metric.
        model_scores: of the run's model, on this machine in float32.
        reported: what the run reports.
        same_images: whether the images are those that the run was scored on.
        shapes: (images, height, width) at which it was asked besides.
    """

    split: str
    images: int
    pixels: int
    pixels_that_differ: int
    largest_difference: float
    metric: str
    scores: dict[str, float]
    model_scores: dict[str, float]
    reported: dict[str, float | None]
    same_images: bool
    shapes: tuple[tuple[int, int, int], ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def check_shapes(network: Network, model: RunNetwork, trained: FinishedRun) -> list[tuple[int, int, int]]:
    """Other numbers of images, and another size where it takes more than one, give what the model gives.

    Args:
        network: the exported file, opened.
        model: what it was made from.
        trained: the run, a few of whose images are asked about.

    Returns:
        (images, height, width) of what was asked.

    Raises:
        ExportError: if something else comes out.
    """
    pixels = trained.assembly.splits[trained.assembly.test_split].images[:_A_FEW]
    (height, width), multiple = network.facts.size, network.facts.multiple
    step = multiple if multiple > 1 else _OTHER_SIDES
    sizes = [(height, width), *([(height + step, width + 2 * step)] if multiple else [])]
    asked = [(number, *size) for size in sizes for number in sorted({1, len(pixels)})]
    for number, *size in asked:
        some = np.stack([resize_image(image, (size[0], size[1])) for image in pixels[:number]])
        difference = float(np.abs(network(some) - model(some)).max())
        if not difference <= MAX_DIFFERENCE:
            raise ExportError(
                f"on {number} images of {size[0]}x{size[1]} the exported file differs from the run's model: "
                f"a probability by {difference:.2g}"
            )
    return asked


def verify(
    network: Network,
    model: RunNetwork,
    trained: FinishedRun,
    shapes: Sequence[tuple[int, int, int]],
    on_progress: Progress = lambda label, done, total: None,
) -> Verified:
    """Compare on every image that the run is scored on, at the recipe's size.

    Args:
        network: the exported file, opened as anyone opens it.
        model: what it was made from.
        trained: the run, with its images.
        shapes: that `check_shapes` has asked.
        on_progress: callback of (label, done, total).

    Raises:
        ExportError: if masks or scores differ by more than rounding explains.
    """
    split, assembly = trained.assembly.test_split, trained.assembly
    task, batches = assembly.task, assembly.eval_batches(trained.assembly.test_split)
    rows: dict[str, tuple[list[Tensor], list[Tensor]]] = {name: ([], []) for name in assembly.metrics}
    differ, pixels, largest = 0, 0, 0.0
    for batch in batches:
        ours = predict_logits(model.model, batch.image, model.fabric)
        answer = network(np.ascontiguousarray(batch.image.permute(0, 2, 3, 1).numpy()))
        theirs = _logits_of(answer, task)
        masks = predict_mask(ours, task), predict_mask(theirs, task)
        differ, pixels = differ + int((masks[0] != masks[1]).sum()), pixels + masks[0].numel()
        largest = max(largest, _difference(probabilities_of(ours, task).numpy(), answer))
        for name, metric in assembly.metrics.items():
            for kept, logits in zip(rows[name], (ours, theirs), strict=True):
                kept.append(metric.per_image(logits, batch.target).double())
        on_progress("comparing images", batch.indices[-1] + 1, len(batches))
    own, exported = (
        {name: metric.reduce(torch.cat(rows[name][which])) for name, metric in assembly.metrics.items()}
        for which in (0, 1)
    )
    recorded = trained.run.read_environment().data_digests.get(split)
    verified = Verified(
        split=split,
        images=len(batches),
        pixels=pixels,
        pixels_that_differ=differ,
        largest_difference=largest,
        metric=next(iter(assembly.metrics)),
        scores=exported,
        model_scores=own,
        reported=trained.run.read_summary().scores.metrics,
        same_images=data_digests({split: assembly.splits[split]})[split] == recorded,
        shapes=tuple(shapes),
    )
    _judge(verified)
    return verified


def reported_otherwise(verified: Verified) -> str:
    """A sentence where the run reports another score than its model has here; empty where it does not."""
    reported, here = verified.reported.get(verified.metric), verified.model_scores[verified.metric]
    if not verified.same_images or reported is None or abs(reported - here) <= MAX_SCORE:
        return ""
    return (
        f"The run reports {verified.metric} {reported:.4f}, and its model scores {here:.4f} on this machine "
        "in float32: it was trained in another precision, on another device, or with other versions."
    )


def _judge(found: Verified) -> None:
    """Refuse what is not the run's model.

    Raises:
        ExportError: saying all that differs.
    """
    wrong = []
    if found.pixels_that_differ >= MAX_PIXELS * found.pixels:
        wrong.append(f"{found.pixels_that_differ:,} of {found.pixels:,} pixels have another class")
    if not found.largest_difference <= MAX_DIFFERENCE:
        wrong.append(f"a probability differs by {found.largest_difference:.2g}")
    for name in dict.fromkeys((found.metric, *({"iou"} & found.scores.keys()))):
        ours, theirs = found.model_scores[name], found.scores[name]
        undefined = math.isnan(ours) and math.isnan(theirs)
        if not undefined and not abs(ours - theirs) <= MAX_SCORE:
            wrong.append(f"{name} is {theirs:.4f} instead of {ours:.4f}")
    if wrong:
        raise ExportError(
            f"the exported file is not the run's model: on {found.images:,} {found.split} images "
            + "; ".join(wrong),
            hint="nothing was written; another --format may keep what the model computes",
        )


def _difference(one: Probabilities, other: Probabilities) -> float:
    difference = float(np.abs(one - other).max())
    return math.inf if math.isnan(difference) else difference


def _logits_of(probabilities: Probabilities, task: Task) -> Tensor:
    """For metrics, which take logits; a probability above 0.5 is a logit above 0."""
    certain = torch.from_numpy(probabilities).double().clamp(_SURE, 1 - _SURE)
    return certain.log() if task.kind == "multiclass" else certain.logit()
