"""Model information: task, image size, normalisation, scores; stored in every export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segkit.core.types import Task, TaskKind, class_problem

FORMAT = 1  # version of the JSON


@dataclass(frozen=True)
class ModelInfo:
    """Information about a trained model.

    Args:
        name: name of the recipe.
        task: what is predicted for a pixel.
        channels: image channels: 1 grey, 3 RGB, 4 RGB and alpha.
        size: (height, width) that whole images are resized to, as in training.
        mean: normalisation mean per channel, for pixels in 0..1.
        std: normalisation standard deviation per channel.
        multiple: number that both input sides must be multiples of; 0 if the model takes `size` only.
        scored_on: split of the scores.
        images: number of scored images.
        scores: scores by metric.
        image_scales: smallest and largest scale of the training images, see `segkit.data.scales`; None if it
            is not known.
        boundary_density: that of the training masks, see `segkit.data.scales`.
    """

    name: str
    task: Task
    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    multiple: int = 1
    scored_on: str = ""
    images: int = 0
    scores: dict[str, float | None] = field(default_factory=dict)
    image_scales: tuple[float, float] | None = None
    boundary_density: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `parse_model_info`."""
        task = self.task
        fields = {key: value for key, value in vars(self).items() if key != "task"}
        return {
            "format": FORMAT, "task": task.kind, "classes": [*task.classes],
            "ignore_index": task.ignore_index, **fields,
        }  # fmt: skip


def parse_model_info(plain: Any) -> ModelInfo:
    """Model information from the plain data of an untrusted file.

    Raises:
        ValueError: if it is invalid, with the key at fault.
    """
    try:
        schema = _Schema.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'facts'}: {message}") from None
    fields = schema.model_dump(exclude={"format", "task", "classes", "ignore_index"})
    return ModelInfo(task=Task(schema.task, schema.classes, schema.ignore_index), **fields)


MAX_SIDE = 8192  # pixels, as in a recipe
MAX_NUMBERS = 2**31  # of the prediction of one image: 8.6 GB
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]


class _Schema(BaseModel):
    model_config = ConfigDict(strict=False, extra="ignore")
    format: Literal[1]
    name: str = Field(max_length=200)
    task: TaskKind
    classes: tuple[Annotated[str, Field(max_length=200)], ...] = Field(min_length=1, max_length=255)
    ignore_index: int | None = None
    channels: Literal[1, 3, 4]
    size: tuple[_Side, _Side]
    mean: tuple[_Finite, ...] = Field(max_length=4)
    std: tuple[_Finite, ...] = Field(max_length=4)
    multiple: int = Field(1, ge=0, le=1024)
    scored_on: str = Field("", max_length=20)
    images: int = Field(0, ge=0)
    scores: dict[str, float | None] = Field({})
    image_scales: tuple[_Scale, _Scale] | None = None
    boundary_density: _Finite | None = None

    @model_validator(mode="after")
    def _classes_and_size_are_plausible(self) -> Self:
        if problem := class_problem(self.task, self.classes):
            raise ValueError(problem)
        height, width = self.size
        if height * width * len(self.classes) > MAX_NUMBERS:
            raise ValueError(f"images of {height}x{width} with {len(self.classes)} classes are too large")
        return self
