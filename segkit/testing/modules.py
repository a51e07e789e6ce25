"""How an encoder or a decoder is tried: as a module, with what comes into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.testing.check import Subject, require

Size = tuple[int, int]
Shapes = list[tuple[int, ...]]

SIZES: tuple[Size, ...] = ((64, 64), (64, 128), (100, 75))
"""Image sizes that are tried; one of them halves unevenly."""

LARGE: Size = (128, 256)
"""Tried where a part takes none of these: the dry run ends its search at multiples of 128."""

_REFUSALS = (RuntimeError, ValueError, AssertionError, ShapeError)  # as the dry run understands them
_ROUNDING = 1e-3  # as a share of the largest value; float32 rounds at some 1e-6


@dataclass(frozen=True)
class Case:
    """An encoder or a decoder, and what comes into it.

    Args:
        label: what comes in, in words.
        build: the part, anew.
        make: number of images and their size -> the tensors that come in.
        call: the part, on these tensors -> its maps.
        taken: image sizes that the part takes, and the shapes of its maps for one image.
        mixed: the type of what comes in under mixed precision.
    """

    label: str
    build: Callable[[], nn.Module]
    make: Callable[[int, Size], list[Tensor]]
    call: Callable[[nn.Module, list[Tensor]], list[Tensor]]
    taken: Mapping[Size, Shapes]
    mixed: torch.dtype

    def __str__(self) -> str:
        return self.label

    def images(self, count: int = 2) -> list[Tensor]:
        """What comes in, of so many images of the first size."""
        return self.make(count, next(iter(self.taken)))

    def evaluated(self, module: nn.Module, tensors: list[Tensor]) -> list[Tensor]:
        """The module's maps in evaluation mode, without autograd."""
        with torch.no_grad():
            return self.call(module.eval(), tensors)


def tried_case(
    label: str,
    build: Callable[[], nn.Module],
    make: Callable[[int, Size], list[Tensor]],
    call: Callable[[nn.Module, list[Tensor]], list[Tensor]],
    *,
    sizes: Iterable[Size],
    otherwise: Iterable[Size],
    mixed: torch.dtype,
) -> Case:
    """The case with the sizes that the part takes; of `otherwise` the first one, if it takes none of `sizes`.

    Raises:
        Exception: what the part raises for the last size, if it takes none.
    """
    module = build()
    taken: dict[Size, Shapes] = {}
    case = Case(label, build, make, call, taken, mixed)
    failure: Exception | None = None
    for few in (sizes, otherwise):
        for size in few:
            try:
                taken[size] = shapes(case.evaluated(module, make(1, size)))
            except _REFUSALS as error:
                failure = error
            if taken and few is otherwise:
                break
        if taken:
            return case
    assert failure is not None, "some size was tried"
    raise failure


def module_of(subject: Subject, *given: Any, **changed: Any) -> nn.Module:
    """Build a part that is a module."""
    module = subject.build(*given, **changed)
    require(
        isinstance(module, nn.Module),
        f"it builds a {type(module).__name__}, not a torch.nn.Module",
        "return the module itself",
    )
    return module  # type: ignore[no-any-return]


def shapes(maps: Iterable[Tensor]) -> Shapes:
    """The shape of each."""
    return [tuple(found.shape) for found in maps]


def distance_from_noise(maps: list[Tensor]) -> Tensor:
    """A loss in which every value of every map counts."""
    noise = torch.Generator().manual_seed(2)
    losses = [F.mse_loss(found.float(), torch.randn(found.shape, generator=noise)) for found in maps]
    return torch.stack(losses).sum()


def differ(maps: list[Tensor], others: list[Tensor]) -> bool:
    """Whether two results differ by more than rounding."""
    if shapes(maps) != shapes(others):
        return True
    largest = max(float(found.abs().max()) for found in maps)
    gap = max(float((one - other).abs().max()) for one, other in zip(maps, others, strict=True))
    return not gap <= _ROUNDING * largest
