"""Test tasks and batches, and the contract checks shared by losses and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.core.types import Task, TaskKind
from segkit.testing.check import Subject, accepted_cases, error_context, require

IGNORED = 255
TASKS: Mapping[TaskKind, Task] = {
    "binary": Task("binary", ("lesion",), IGNORED),
    "multiclass": Task("multiclass", ("skin", "lesion", "hair"), IGNORED),
    "multilabel": Task("multilabel", ("lesion", "hair", "ruler"), IGNORED),
}
MASK_HINT = (
    "use only pixels where valid = torch.ones_like(target, dtype=torch.bool) "
    "if task.ignore_index is None else target != task.ignore_index"
)


@dataclass(frozen=True)
class TaskCase:
    """A loss or metric, a task, and a function of (part, logits, target) that returns results (N, S)."""

    subject: Subject
    task: Task
    compute: Callable[[Any, Tensor, Tensor], Tensor]

    def __post_init__(self) -> None:
        with error_context(f"when it is built for a {self.task.kind} task"):
            self.build()

    def __str__(self) -> str:
        return self.task.kind

    def build(self, **changes: Any) -> Any:
        """Build the part for the task with some fields changed."""
        return self.subject.build(replace(self.task, **changes))


def task_cases(subject: Subject, compute: Callable[[Any, Tensor, Tensor], Tensor]) -> list[TaskCase]:
    """A case for each kind of task that a part accepts."""
    return accepted_cases("task", lambda task: TaskCase(subject, task, compute), zip(TASKS.values()))


def batch(
    task: Task, *, images: int = 3, size: tuple[int, int] = (24, 20), seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Correlated random logits and target, smooth like masks.

    Shape:
        logits: (B, K, H, W), about -2 to 2.
        target: int64, (B, H, W), or (B, K, H, W) for multilabel; no pixel is ignored.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, images * task.channels, *size, generator=generator)
    smooth = 3 * F.avg_pool2d(noise, 5, 1, 2, count_include_pad=False)
    logits, difference = smooth.view(2, images, task.channels, *size)
    truth = logits + difference
    if task.kind == "multiclass":
        return logits, truth.argmax(1)
    target = (truth > 0).long()
    return logits, target if task.kind == "multilabel" else target[:, 0]


def logits_of(task: Task, target: Tensor, *, strength: float = 50.0) -> Tensor:
    """Logits that predict a target: + `strength` for its classes, - `strength` elsewhere."""
    if task.kind == "multiclass":
        truth = F.one_hot(target.long(), task.channels).permute(0, 3, 1, 2)
    else:
        truth = target if task.kind == "multilabel" else target[:, None]
    return (truth * 2.0 - 1) * strength


def opposite(task: Task, target: Tensor) -> Tensor:
    """A target that is wrong at every pixel."""
    return (target + 1) % task.channels if task.kind == "multiclass" else 1 - target


def constant_targets(task: Task, target: Tensor) -> dict[str, Tensor]:
    """Targets of one value, by description."""
    if task.kind == "multiclass":
        return {f"all {name}": torch.full_like(target, i) for i, name in enumerate(task.classes)}
    return {"empty": torch.zeros_like(target), "full": torch.ones_like(target)}


def with_ignored(task: Task, target: Tensor, value: int = IGNORED) -> tuple[Tensor, Tensor]:
    """The target with a rectangle of ignored pixels, and where the logits are ignored, (B, K, H, W)."""
    ignored = torch.zeros_like(target, dtype=torch.bool)
    ignored[..., 4:15, 3:11] = True
    logits = ignored if task.kind == "multilabel" else ignored[:, None].expand(-1, task.channels, -1, -1)
    return target.masked_fill(ignored, value), logits


def require_same(expected: Tensor, result: Tensor, when: str, hint: str, *, tolerance: float = 1e-5) -> None:
    """Raise ContractError unless two results (N, S) are the same; NaN equals NaN."""
    tolerances = {"rtol": tolerance, "atol": tolerance / 100}
    close = torch.isclose(result.double(), expected.double(), **tolerances, equal_nan=True).all(1)
    first = int((~close).int().argmax())
    before, after = (
        " ".join(f"{value:.8g}" for value in rows[first].tolist()) for rows in (expected, result)
    )
    require(bool(close.all()), f"the result changes from {before} to {after} {when}", hint)


def any_integer_target_gives_the_same_result(case: TaskCase) -> None:
    """Masks are uint8, int32 or int64."""
    part, (logits, target) = case.build(), batch(case.task)
    expected = case.compute(part, logits, target)
    for dtype in (torch.uint8, torch.int32):
        result = case.compute(part, logits, target.to(dtype))
        hint = "start with target = target.long(), or compare: target == 1; 0 - 1 is 255 in uint8"
        require_same(expected, result, f"if the target is {dtype}, not torch.int64", hint)


def ignored_pixels_do_not_count(case: TaskCase) -> None:
    """Pixels of `ignore_index` have no ground truth; None ignores no pixel."""
    part, (logits, target) = case.build(), batch(case.task)
    result = case.compute(case.build(ignore_index=None), logits, target)
    require_same(case.compute(part, logits, target), result, "if task.ignore_index is None", MASK_HINT)
    masked, ignored = with_ignored(case.task, target)
    expected = case.compute(part, logits, masked)
    result = case.compute(part, logits.where(~ignored, 1 - 3 * logits), masked)
    require_same(expected, result, "if logits of ignored pixels change", MASK_HINT)
    result = case.compute(case.build(ignore_index=7), logits, with_ignored(case.task, target, 7)[0])
    when = f"if task.ignore_index is 7, not {IGNORED}, as are the ignored pixels"
    require_same(expected, result, when, MASK_HINT)


def same_batch_gives_the_same_result(case: TaskCase) -> None:
    """Repeated and resumed runs give the same numbers; the next loss or metric gets the same tensors."""
    part, (logits, target) = case.build(), batch(case.task)
    masked, _ = with_ignored(case.task, target)
    inputs = logits.clone(), masked.clone()
    expected = case.compute(part, *inputs)
    for name, before, after in zip(("logits", "target"), (logits, masked), inputs, strict=True):
        hint = "use clone() before operations that end in _ and assignments to a part of a tensor"
        require(torch.equal(before, after), f"it changes its input {name}", hint)
    case.compute(part, *batch(case.task, seed=1))
    for again in (part, case.build()):
        hint = "use no random numbers, and keep nothing from one batch to the next"
        require_same(expected, case.compute(again, *inputs), "for the same batch", hint, tolerance=0)


TASK_CHECKS = (
    any_integer_target_gives_the_same_result, ignored_pixels_do_not_count, same_batch_gives_the_same_result,
)  # fmt: skip
