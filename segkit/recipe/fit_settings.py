"""Keys of a recipe about windows and sampling: crop, sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from segkit.core.registry import Settings

Scale = Annotated[float, Field(ge=0.01, le=16)]

_MAX_OVERLAP = 0.75  # of a window's side: each pixel is scored 16 times


class CropSettings(Settings):
    """Windows of images that keep their resolution.

    Args:
        foreground: share of the training windows that are sure to hold foreground: any class of a binary or
            multilabel task, any but the first of a multiclass one.
        per_image: training windows of each image in an epoch; without effect if sample.epoch is set.
        overlap: share of a window's side by which neighbouring windows overlap in scoring; as pixels it is
            rounded so that windows start at multiples of 32. 0.5 scores each pixel 4 times, 0.75 16 times.
        classes: classes that the windows of `foreground` hold in turn: a list, or balanced for all of them,
            rare ones as often as the others. By default any foreground will do.
    """

    foreground: float = Field(0.33, ge=0, le=1)
    per_image: int = Field(1, ge=1, le=100_000)
    overlap: float = Field(0.25, ge=0, le=_MAX_OVERLAP)
    classes: Literal["balanced"] | Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @field_validator("overlap", mode="before")
    @classmethod
    def _is_not_most_of_a_window(cls, value: Any) -> Any:
        if type(value) in (int, float) and value > _MAX_OVERLAP:
            problem = f"found {value}, allowed: a number from 0 to {_MAX_OVERLAP}"
            hint = f"0.5, which scores each pixel 4 times; {_MAX_OVERLAP} scores it 16 times"
            raise PydanticCustomError("value_error", "{error}", {"error": problem, "hint": hint})
        return value

    @model_validator(mode="after")
    def _classes_need_foreground(self) -> Self:
        if self.classes and not self.foreground:
            raise ValueError("classes are those of foreground windows, and foreground is 0: leave out one")
        return self


class SampleSettings(Settings):
    """Images of an epoch.

    Args:
        balance: class draws images so that each class is equally often in them, group so that each group of
            data.split.group is; by default each image is as often as the others.
        epoch: images of an epoch, or windows with fit: crop, in place of the default: all images, each
            crop.per_image times.
    """

    balance: Literal["class", "group"] | None = None
    epoch: Annotated[int, Field(ge=1, le=10**9)] | None = None


def unknown_class(crop: CropSettings, classes: Sequence[str]) -> str:
    """What is wrong with the classes of windows, or ""."""
    named = crop.classes if isinstance(crop.classes, tuple) else ()
    unknown = [name for name in named if name not in classes]
    return f"no class is called {unknown[0]!r}: name {', '.join(classes)}" if unknown else ""
