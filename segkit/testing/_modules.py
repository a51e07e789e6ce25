"""How an encoder or a decoder is tried: as a module, with what comes into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.testing.check import ContractError, Point, Subject, require
from segkit.testing.states import global_seed

Size = tuple[int, int]
Shapes = list[tuple[int, ...]]
Made = TypeVar("Made")

REFUSALS = (RuntimeError, ValueError, AssertionError, ShapeError)
"""How a module refuses an image size, as the dry run understands it."""

SIZES: tuple[Size, ...] = ((64, 64), (96, 64), (100, 75), (64, 128))
"""Image sizes that are tried; one of them halves unevenly."""

LARGE: Size = (128, 256)
"""A size whose sides are multiples of 128, where the dry run ends its search for one that works."""


@dataclass(frozen=True)
class Training:
    """What three steps of gradient descent did.

    Args:
        module: after them: its statistics have moved, and branches that start at zero.
        losses: before each step.
        reached: parameters that had a gradient in any step, other than zero where they have several axes:
            a bias that precedes a normalisation may have none but zero.
        wrong: for each step, the parameters whose gradient was not finite.
    """

    module: nn.Module
    losses: list[float]
    reached: set[str]
    wrong: list[list[str]]


@dataclass(frozen=True)
class Case:
    """A part and what comes into it.

    Args:
        label: what comes in, in words.
        build: the part, anew.
        feed: number of images and their size -> what comes in.
        call: the part, on what comes in -> its maps.
        mixed: the type of what comes in under mixed precision.
        taken: image sizes that the part takes, and the shapes of its maps for one image.
        refused: image sizes that it does not take.
    """

    label: str
    build: Callable[[], nn.Module]
    feed: Callable[[int, Size], list[Tensor]]
    call: Callable[[nn.Module, list[Tensor]], list[Tensor]]
    mixed: torch.dtype
    taken: Mapping[Size, Shapes] = field(default_factory=dict)
    refused: tuple[Size, ...] = ()

    def images(self, count: int = 2) -> list[Tensor]:
        """What comes in, of so many images of the first size."""
        return self.feed(count, next(iter(self.taken)))

    @cached_property
    def training(self) -> Training:
        """Three steps from the start, taken once for all points."""
        with global_seed(0):
            return train(self, self.images(), steps=3)


def over(cases: Callable[[Subject], Iterable[Case]]) -> Callable[[Callable[[Case], None]], Point]:
    """Make a point that is tried on every case of a part, with random numbers of its own.

    Args:
        cases: the cases that a part accepts.
    """

    def decorate(point: Callable[[Case], None]) -> Point:
        @wraps(point)
        def tried(subject: Subject) -> None:
            for case in cases(subject):
                with global_seed(1), _labelled(case):
                    point(case)

        return tried

    return decorate


def in_one_of(cases: Callable[[Subject], Iterable[Case]]) -> Callable[[Callable[[Case], None]], Point]:
    """Make a point that a part keeps by keeping it in one of its cases, if not in all.

    Args:
        cases: the cases that a part accepts.
    """

    def decorate(point: Callable[[Case], None]) -> Point:
        @wraps(point)
        def tried(subject: Subject) -> None:
            first: ContractError | None = None
            for case in cases(subject):
                try:
                    with global_seed(1), _labelled(case):
                        point(case)
                except ContractError as error:
                    first = first or error
                else:
                    return
            if first:
                raise first

        return tried

    return decorate


@contextmanager
def _labelled(case: Case) -> Iterator[None]:
    """Tell of a failure outside the part's own call, such as in backward, at least with which case it was."""
    try:
        yield
    except Exception as error:
        if not getattr(error, "__notes__", None):
            error.add_note(case.label)
        raise


def latest(make: Callable[[Subject], Made]) -> Callable[[Subject], Made]:
    """Remember what was made of the last subject, as its points are tried one after the other.

    Random numbers are drawn from states of their own.
    """
    last: list[tuple[Subject, Made]] = []

    @wraps(make)
    def remembered(subject: Subject) -> Made:
        if not last or last[0][0] is not subject:
            with global_seed(0):
                last[:] = [(subject, make(subject))]
        return last[0][1]

    return remembered


def with_sizes(case: Case, sizes: Iterable[Size], *, otherwise: Sequence[Size] = (LARGE,)) -> Case:
    """The case, with those of the sizes that the part takes.

    Args:
        case: without sizes.
        sizes: those to try.
        otherwise: of these it takes one, if it takes none of the others but squares.

    Raises:
        Exception: what the part raises for the last of them, if it takes none.
    """
    module = case.build()
    found = {size: shapes_at(case, module, size) for size in sizes}
    if not any(made for (height, width), made in found.items() if height != width):
        for size in otherwise:
            found[size] = shapes_at(case, module, size)
            if found[size]:
                break
        else:  # tell why
            evaluated(case, module, case.feed(1, otherwise[-1]))
    taken = {size: made for size, made in found.items() if made}
    return replace(case, taken=taken, refused=tuple(size for size in found if size not in taken))


def module_of(subject: Subject, *given: Any, **changed: Any) -> nn.Module:
    """Build a part that is a module."""
    module = subject.build(*given, **changed)
    require(
        isinstance(module, nn.Module),
        f"it builds a {type(module).__name__}, not a torch.nn.Module",
        "return the module itself",
    )
    return module  # type: ignore[no-any-return]


def evaluated(case: Case, module: nn.Module, tensors: list[Tensor]) -> list[Tensor]:
    """The module's maps in evaluation mode, without autograd."""
    with torch.no_grad():
        return case.call(module.eval(), tensors)


def train(case: Case, tensors: list[Tensor], *, steps: int) -> Training:
    """Take steps of gradient descent with a new module, and note what happens."""
    module = case.build().train()
    done = Training(module, losses=[], reached=set(), wrong=[])
    learning = {name: value for name, value in module.named_parameters() if value.requires_grad}
    for _ in range(steps):
        loss = distance_from_noise(case.call(module, tensors))
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        gradients = {name: value.grad for name, value in learning.items() if value.grad is not None}
        done.losses.append(loss.item())
        done.reached.update(name for name, grad in gradients.items() if grad.ndim < 2 or grad.any())
        done.wrong.append(not_finite(gradients))
        for name, gradient in gradients.items():
            learning[name].data.add_(gradient, alpha=-0.01)
            learning[name].grad = None
    return done


def distance_from_noise(maps: list[Tensor]) -> Tensor:
    """A loss in which every value of every map counts."""
    noise = torch.Generator().manual_seed(2)  # of its own: an input that comes out again has gradients too
    losses = [F.mse_loss(found.float(), torch.randn(found.shape, generator=noise)) for found in maps]
    return torch.stack(losses).sum()


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that hold an infinite value or none."""
    return [name for name, value in tensors.items() if not value.isfinite().all()]


def shapes(maps: Iterable[Tensor]) -> Shapes:
    """The shape of each."""
    return [tuple(found.shape) for found in maps]


def shapes_at(case: Case, module: nn.Module, size: Size) -> Shapes:
    """Of the maps of one image; none if the part does not take the size."""
    try:
        return shapes(evaluated(case, module, case.feed(1, size)))
    except REFUSALS:
        return []


def apart(maps: list[Tensor], others: list[Tensor]) -> float:
    """The largest difference, as a share of the largest value; infinite where shapes differ."""
    if shapes(maps) != shapes(others):
        return float("inf")
    largest = torch.stack([found.abs().max() for found in (*maps, *others)]).max()
    gap = torch.stack([(one - other).abs().max() for one, other in zip(maps, others, strict=True)]).max()
    return float(gap / largest) if gap else 0.0
