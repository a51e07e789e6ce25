"""What losses and metrics are tried with: tasks, batches, right and wrong predictions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.core.errors import PartError, SegkitError, ShapeError, line_at_fault
from segkit.core.types import Metric, Task, TaskKind
from segkit.testing.check import ContractError, Point, Subject, require, tried_with

IGNORED = 255
TASKS: Mapping[TaskKind, Task] = {
    "binary": Task("binary", ("lesion",), IGNORED),
    "multiclass": Task("multiclass", ("skin", "lesion", "hair"), IGNORED),
    "multilabel": Task("multilabel", ("lesion", "hair", "ruler"), IGNORED),
}

# What a loss and a metric can both do about a point.
KNOWN = (
    "known = torch.ones_like(target, dtype=torch.bool) if task.ignore_index is None "
    "else target != task.ignore_index"
)
SHAPES = "logits are (B, K, H, W); the target is (B, H, W) integers, or (B, K, H, W) for multilabel"
INTEGERS = "begin with target = target.long(), or compare: target == 1; 0 - 1 is 255 in uint8"
NO_INDEX = (
    f"task.ignore_index is None where the recipe ignores nothing, and target != None is no mask: {KNOWN}"
)
REPLACE = f"labels such as 255 fit no class: replace them first, target.masked_fill(~known, 0), where {KNOWN}"
ASK = "ask task.ignore_index which pixels are ignored, and do not compute with their label"
PURE = (
    "draw nothing at random, or from a generator that every call seeds anew, "
    "torch.Generator().manual_seed(0); keep nothing from one batch to the next"
)
IN_PLACE = "operations that end in _ and assignments to a part of a tensor change it: work on a clone()"

_SHAPES: Mapping[TaskKind, str] = {
    "binary": "logits are (B, 1, H, W) and the target is (B, H, W), to which logits[:, 0] fits",
    "multiclass": "logits are (B, K, H, W) and the target is (B, H, W) of labels 0 to K - 1, not one-hot",
    "multilabel": "logits and target are both (B, K, H, W)",
}


@dataclass(frozen=True)
class Case:
    """A part and a task that it fits."""

    subject: Subject
    task: Task

    def build(self, **changed: Any) -> Any:
        """Build the part for the task, with what is changed of the task."""
        return self.subject.build(replace(self.task, **changed))


def on_every_task(if_it_fails: str = "") -> Callable[[Callable[[Case], None]], Point]:
    """Make a point about a part of what is said of one `Case`: it is tried on every task that the part fits.

    A part refuses a task with a `PartError` or `ShapeError` when it is built. Problems name the task.

    Args:
        if_it_fails: what to try where the part itself raises.
    """

    def decorate(said: Callable[[Case], None]) -> Point:
        @wraps(said)
        def point(subject: Subject) -> None:
            for case in accepted(subject):
                with torch.random.fork_rng(devices=[]), _telling(case, if_it_fails):
                    torch.manual_seed(0)
                    said(case)

        return point

    return decorate


def it_fits_some_task(subject: Subject) -> None:
    """A part may refuse tasks that make no sense for it, but not all of them."""
    accepted(subject)


def accepted(subject: Subject) -> list[Case]:
    """The part with each task that it does not refuse.

    Raises:
        ContractError: if it refuses all of them.
    """
    cases: list[Case] = []
    refusals: list[str] = []
    for task in TASKS.values():
        try:
            with tried_with(f"when it is built for a {task.kind} task"):
                subject.build(task)
        except (PartError, ShapeError) as error:
            refusals.append(f"{task.kind}: {error.problems[0].problem}")
        else:
            cases.append(Case(subject, task))
    require(
        bool(cases),
        f"it refuses every task ({'; '.join(refusals)})",
        "raise PartError only for the tasks, and the options, that make no sense",
    )
    return cases


def batch(
    task: Task, *, images: int = 3, size: tuple[int, int] = (24, 20), seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Logits and a target that have to do with each other: blobs, as masks have, not noise.

    Shape:
        logits: (B, K, H, W), about -2 to 2.
        target: int64, (B, H, W), or (B, K, H, W) for multilabel; no pixel is ignored.
    """
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, images * task.channels, *size, generator=random)
    blobs = 3 * F.avg_pool2d(noise, 5, 1, 2, count_include_pad=False)
    logits, other = blobs.view(2, images, task.channels, *size)
    truth = logits + other
    if task.kind == "multiclass":
        return logits, truth.argmax(1)
    target = (truth > 0).long()
    return logits, target if task.kind == "multilabel" else target[:, 0]


def logits_of(task: Task, target: Tensor, *, strength: float = 50.0) -> Tensor:
    """Logits that say exactly this target: + `strength` where a class is, - `strength` elsewhere."""
    if task.kind == "multiclass":
        truth = F.one_hot(target.long(), task.channels).permute(0, 3, 1, 2)
    else:
        truth = target if task.kind == "multilabel" else target[:, None]
    return (truth * 2.0 - 1) * strength


def opposite(task: Task, target: Tensor) -> Tensor:
    """A target of which not one pixel is right."""
    return (target + 1) % task.channels if task.kind == "multiclass" else 1 - target


def half_right(task: Task, target: Tensor, *, strength: float = 50.0) -> Tensor:
    """Logits that are sure of the target in the left half of each image, and undecided in the right one."""
    logits = logits_of(task, target, strength=strength)
    logits[..., target.shape[-1] // 2 :] = 0
    return logits


def one_valued(task: Task, target: Tensor) -> dict[str, Tensor]:
    """By a word for it: targets of this shape in which all pixels are the same."""
    if task.kind == "multiclass":
        return {f"all {name}": torch.full_like(target, i) for i, name in enumerate(task.classes)}
    return {"empty": torch.zeros_like(target), "full": torch.ones_like(target)}


def with_ignored(target: Tensor, value: int = IGNORED) -> tuple[Tensor, Tensor]:
    """The target with a rectangle of ignored pixels, and where these are, of the target's shape."""
    ignored = torch.zeros_like(target, dtype=torch.bool)
    ignored[..., 4:15, 3:11] = True
    return target.masked_fill(ignored, value), ignored


def as_logits(task: Task, pixels: Tensor) -> Tensor:
    """A mask of the target's shape -> the same of the logits' shape, (B, K, H, W)."""
    return pixels if task.kind == "multilabel" else pixels[:, None].expand(-1, task.channels, -1, -1)


def word_for(dtype: torch.dtype) -> str:
    """The name of a number format alone, such as uint8."""
    return str(dtype).removeprefix("torch.")


@contextmanager
def _telling(case: Case, if_it_fails: str) -> Iterator[None]:
    """Whatever is raised becomes a `ContractError` that names the task."""
    entry = case.subject.entry
    try:
        yield
    except SegkitError as error:
        first = error.problems[0]
        where = first.file or line_at_fault(error, entry.where)
        raise ContractError(f"{case.task.kind}: {first.problem}", where=where, hint=first.hint) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
        raise ContractError(
            f"{case.task.kind}: it fails: {reason}",
            where=line_at_fault(error, entry.where),
            hint=_hint(case, error, if_it_fails),
        ) from error


def _hint(case: Case, error: Exception, if_it_fails: str) -> str:
    """What a point says of failures holds only for a part that an ordinary batch does not make fail alike."""
    if type(_on_an_ordinary_batch(case)) is not type(error):
        types = if_it_fails == REPLACE and re.search("scalar type|dtype|Byte", str(error))
        return INTEGERS if types else if_it_fails
    kind, name = case.task.kind, case.subject.entry.name
    fits = [one.task.kind for one in accepted(case.subject) if _on_an_ordinary_batch(one) is None]
    make = f"for a {kind} task, {_SHAPES[kind]}"
    if not fits:
        return make
    line = (
        f'if task.kind != "{fits[0]}": raise PartError("{name} is for {fits[0]} tasks")'
        if len(fits) == 1
        else f'if task.kind == "{kind}": raise PartError("{name} is not for {kind} tasks")'
    )
    return f"if it is not meant for {kind} tasks, say so where it is built: {line}; otherwise, {make}"


def _on_an_ordinary_batch(case: Case) -> Exception | None:
    """What the part raises for a batch of which nothing is ignored, empty or in another type."""
    logits, target = batch(case.task)
    try:
        part = case.build()
        if isinstance(part, Metric):
            with torch.inference_mode():
                part.of(part.rows(logits, target).double())
        else:
            value = part(logits.requires_grad_() * 1, target)
            if isinstance(value, Tensor) and value.requires_grad:
                torch.autograd.grad(value.sum(), logits, allow_unused=True)
    except Exception as error:
        return error
    return None
