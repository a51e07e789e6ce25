"""Key of a recipe: postprocess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from segkit.core.registry import Settings, near
from segkit.core.types import Task
from segkit.data.postprocess import MaskSteps

MAX_AREA = 2**31  # pixels
Threshold = Annotated[float, Field(gt=0, lt=1)]
Area = Annotated[int, Field(ge=0, le=MAX_AREA)]
Hole = Literal["all"] | Area


class PostprocessSettings(Settings):
    """Steps from probabilities to masks, in this order; each is one value, or one for each class.

    Areas are in pixels at the size at which the model sees an image. One value holds for all classes, of
    fill_holes, min_size and keep_largest in a multiclass task for all but the first. Classes that a mapping
    does not name have the default.

    Args:
        threshold: probability above which a pixel belongs to a class, for binary and multilabel tasks.
        fill_holes: largest area of holes in an object that are filled; all fills every hole.
        min_size: smallest area of an object; smaller ones are removed.
        keep_largest: whether all objects but the largest are removed.
    """

    threshold: Threshold | dict[str, Threshold] = 0.5
    fill_holes: Hole | dict[str, Hole] = 0
    min_size: Area | dict[str, Area] = 0
    keep_largest: bool | dict[str, bool] = False

    @property
    def has_areas(self) -> bool:
        """Whether masks depend on the size that areas are in."""
        return any(area for areas in (self.fill_holes, self.min_size) for area in _values(areas))

    def steps(self, task: Task) -> MaskSteps:
        """The steps for masks of the size at which the model sees an image."""
        holes = self._by_class("fill_holes", task)
        return MaskSteps(
            task=task,
            threshold=self._by_class("threshold", task),
            fill_holes=tuple(float("inf") if area == "all" else float(area) for area in holes),
            min_size=tuple(map(float, self._by_class("min_size", task))),
            keep_largest=self._by_class("keep_largest", task),
        )

    def problems(self, task: Task) -> list[tuple[str, str, str]]:
        """What does not fit a task: key, problem and hint."""
        return [
            (key, *problem)
            for key in type(self).model_fields
            if (problem := self._problem(key, getattr(self, key), task))
        ]

    def in_words(self) -> str:
        """``threshold 0.45, holes filled, largest object``."""
        changed = self.model_dump(exclude_defaults=True)
        return ", ".join(_in_words(key, value) for key, value in changed.items()) or "nothing"

    def _by_class(self, key: str, task: Task) -> tuple[Any, ...]:
        value, default = getattr(self, key), type(self).model_fields[key].default
        if isinstance(value, dict):
            return tuple(value.get(name, default) for name in task.classes)
        values = [value] * len(task.classes)
        if task.kind == "multiclass":
            values[0] = default  # what is removed of it would become an object of another class
        return tuple(values)

    def _problem(self, key: str, value: Any, task: Task) -> tuple[str, str] | None:
        if key == "threshold" and task.kind == "multiclass" and value != 0.5:
            problem = "a multiclass task has no threshold: a pixel belongs to its most probable class"
            return problem, "leave threshold out"
        if not isinstance(value, Mapping):
            return None
        if unknown := [name for name in value if name not in task.classes]:
            guesses = near(unknown[0], task.classes)
            known = f"did you mean {guesses[0]}?" if guesses else f"name {', '.join(task.classes)}"
            return f"no class is called {unknown[0]!r}", known
        if key == "fill_holes" and task.kind == "multiclass" and value.get(task.classes[0]):
            problem = f"holes are pixels of the first class, {task.classes[0]!r}, so it has none to fill"
            return problem, f"min_size: {{{task.classes[0]}: ...}} removes its small areas"
        return None


def _in_words(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_in_words(key, one)}" for name, one in value.items())
    if key == "threshold":
        return f"threshold {value:g}"
    if key == "fill_holes":
        return "holes filled" if value == "all" else f"holes of up to {value} px filled"
    return f"objects of at least {value} px" if key == "min_size" else "largest object only"


def _values(value: Any) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else [value]


Postprocess = Literal["auto"] | PostprocessSettings
