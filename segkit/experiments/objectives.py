"""Losses and metrics, built and tried on a small example before training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from segkit.core.errors import PartError
from segkit.core.types import Loss, Metric, Task
from segkit.recipe import Recipe, entry_for
from segkit.recipe.balanced_weights import with_numbers
from segkit.recipe.build import build, errors_of

if TYPE_CHECKING:
    from segkit.recipe.part_schema import LossPart, MetricPart, Part

_IMAGES, _SIDE = 2, 32


def build_loss(part: LossPart, task: Task) -> Loss:
    """Build a loss and check that it returns one number with a gradient.

    Raises:
        PartError: if it does not, or raises an exception; names its line.
    """
    loss: Loss = build(with_numbers(part, task), task)
    logits, target = _example(task)
    value = _call(part, loss, logits.requires_grad_(), target)
    if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
        hint = "(logits, target) -> one number, computed from the logits by torch: take the .mean()"
        raise PartError(f"{_label(part)} gives {_in_words(value)}", where=entry_for(part).where, hint=hint)
    return loss


def is_mean_over_images(part: LossPart, task: Task) -> bool:
    """Whether the loss of a batch is the mean of its images' losses, tried on images unlike each other."""
    loss: Loss = build(with_numbers(part, task), task)
    logits, target = _example(task)
    target[1, ..., _SIDE // 2 :, :] = target[1, ..., :1, :1]  # one class is more frequent
    if task.ignore_index is not None:
        target[1, ..., : _SIDE // 4, :] = task.ignore_index
    whole = _call(part, loss, logits, target)
    images = [_call(part, loss, logits[i : i + 1], target[i : i + 1]) for i in range(_IMAGES)]
    return torch.allclose(whole, torch.stack(images).mean(), rtol=1e-4)


def build_metric(part: MetricPart, task: Task) -> Metric:
    """Build a metric and check that it returns one row of numbers per image and one score.

    Raises:
        PartError: if it does not, raises an exception, or states a range that is none; names its line.
    """
    metric = build(part, task)
    where, stated = entry_for(part).where, entry_for(part).traits["range"]
    if not _is_range(stated):
        problem = f"the range of {_label(part)} is {stated!r}"
        hint = "the lowest and the highest possible score, such as range=(0, 1)"
        raise PartError(problem, where=where, hint=hint)
    if not isinstance(metric, Metric):
        problem = f"{_label(part)} is built as {_in_words(metric)}, not as a Metric"
        hint = "return Metric(rows), where rows(logits, target) -> (B, S)"
        raise PartError(problem, where=where, hint=hint)
    per_image = _call(part, metric.per_image, *_example(task))
    if not isinstance(per_image, Tensor) or per_image.ndim != 2 or len(per_image) != _IMAGES:
        problem = f"the rows of {_label(part)} for {_IMAGES} images are {_in_words(per_image)}"
        hint = "(B, S), one row of numbers for each image: a single number per image is (B, 1)"
        raise PartError(problem, where=where, hint=hint)
    score = _call(part, metric.reduce, per_image)
    if not isinstance(score, float):
        problem = f"the score of {_label(part)} is {_in_words(score)}"
        raise PartError(problem, where=where, hint="score(rows) -> a float")
    return metric


def class_metrics(recipe: Recipe) -> list[tuple[Task, Metric]]:
    """The first metric of each class of a multilabel task, as of a binary one; else that of all classes.

    Raises:
        PartError: if it cannot be built for a single class.
    """
    task, part = recipe.data.padded_goal, recipe.metrics[0]
    if task.kind != "multilabel":
        return [(task, build_metric(part, task))]
    if "classes" in part.options:
        part = part.model_copy(update={"classes": None})
    tasks = [Task("binary", (name,), task.ignore_index) for name in task.classes]
    return [(task, build_metric(part, task)) for task in tasks]


def whole_image_metrics(metrics: Mapping[str, Metric]) -> list[str]:
    """Names of metrics that need the logits of a whole image at once."""
    return [name for name, metric in metrics.items() if metric.sums is None]


def _call(part: Part, function: Callable[..., Any], *arguments: Any) -> Any:
    # The run's random numbers must not change.
    with errors_of(part), torch.random.fork_rng(devices=[]):
        return function(*arguments)


def _example(task: Task) -> tuple[Tensor, Tensor]:
    """Logits and a target of the task, with every class in every image."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(_IMAGES, task.channels, _SIDE, _SIDE, generator=generator)
    values = torch.arange(_SIDE * _SIDE) % (task.channels if task.kind == "multiclass" else 2)
    target = values.view(_SIDE, _SIDE).expand_as(logits if task.kind == "multilabel" else logits[:, 0])
    return logits, target.to(torch.uint8).contiguous()


def _label(part: Part) -> str:
    return f"{part.kind} {part.name!r}"


def _is_range(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    low, high = value
    return isinstance(low, int | float) and isinstance(high, int | float) and low < high


def _in_words(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    shape = f"a tensor of shape {tuple(value.shape)}" if value.ndim else "a number"
    return shape if value.requires_grad or value.ndim else f"{shape} without a gradient"
