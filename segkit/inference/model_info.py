"""Model information: task, image size, normalisation, scores; stored in every export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from segkit.core.types import Task, TaskKind, class_problem
from segkit.data.labels import ColourText

MAX_SIDE = 8192  # pixels, as in a recipe
MAX_NUMBERS = 2**31  # of the prediction of one image: 8.6 GB
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Information about a trained model; only `parse_model_info` checks the limits.

    Args:
        format: version of the JSON.
        kind: kind of the task.
        classes: class names of the task.
        ignore_index: mask value of ignored pixels.
        colors: "#rrggbb" by class, for pictures of masks; other classes have default colours.
        name: name of the recipe.
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

    format: Literal[1]
    kind: Annotated[TaskKind, Field(alias="task")]
    classes: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=1, max_length=255)]
    ignore_index: int | None = None
    colors: Annotated[dict[str, ColourText], Field(max_length=256)] = field(default_factory=dict)
    name: Annotated[str, Field(max_length=200)]
    channels: Literal[1, 3, 4]
    size: tuple[_Side, _Side]
    mean: Annotated[tuple[_Finite, ...], Field(max_length=4)]
    std: Annotated[tuple[_Finite, ...], Field(max_length=4)]
    multiple: Annotated[int, Field(ge=0, le=1024)] = 1
    scored_on: Annotated[str, Field(max_length=20)] = ""
    images: Annotated[int, Field(ge=0)] = 0
    scores: dict[str, float | None] = field(default_factory=dict)
    image_scales: tuple[_Scale, _Scale] | None = None
    boundary_density: _Finite | None = None

    @property
    def task(self) -> Task:
        """What is predicted for a pixel."""
        return Task(self.kind, self.classes, self.ignore_index, colors=tuple(self.colors.items()))

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `parse_model_info`."""
        return _MODEL_INFO.dump_python(self, by_alias=True)  # type: ignore[no-any-return]

    @model_validator(mode="after")
    def _classes_and_size_are_plausible(self) -> Self:
        if problem := class_problem(self.kind, self.classes):
            raise ValueError(problem)
        height, width = self.size
        if height * width * len(self.classes) > MAX_NUMBERS:
            raise ValueError(f"images of {height}x{width} with {len(self.classes)} classes are too large")
        return self


_MODEL_INFO = TypeAdapter(ModelInfo)


def parse_model_info(plain: Any) -> ModelInfo:
    """Model information from the plain data of an untrusted file.

    Raises:
        ValueError: if it is invalid, with the key at fault.
    """
    try:
        return _MODEL_INFO.validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'facts'}: {message}") from None
