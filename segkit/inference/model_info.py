"""What a trained model is, as far as whoever uses it has to know; travels with every export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segkit.core.types import Task, TaskKind

FORMAT = 1  # of the JSON below; another number is another form


@dataclass(frozen=True)
class ModelInfo:
    """What a trained model is.

    Args:
        name: of its recipe.
        task: what it predicts for a pixel.
        channels: of an image: 1 grey, 3 RGB, 4 RGB and alpha.
        size: (height, width) that whole images are resized to, as in training.
        mean: what the model subtracts, per channel, for pixels in 0..1.
        std: what it divides by.
        multiple: sides of its input must be multiples of it; 0 if `size` is the only one it takes.
        scored_on: the split that its scores are of.
        images: how many images that are.
        scores: by metric.
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

    def as_json(self) -> dict[str, Any]:
        """As plain data, for `facts_from`."""
        task = self.task
        told = {key: value for key, value in vars(self).items() if key != "task"}
        return {
            "format": FORMAT, "task": task.kind, "classes": [*task.classes],
            "ignore_index": task.ignore_index, **told,
        }  # fmt: skip


def facts_from(plain: Any) -> ModelInfo:
    """The facts that `Facts.as_json` gave as plain data, from a file that somebody else may have made.

    Raises:
        ValueError: if they are none, saying what is at fault.
    """
    try:
        form = _Form.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'facts'}: {first['msg']}") from None
    told = form.model_dump(exclude={"format", "task", "classes", "ignore_index"})
    return ModelInfo(task=Task(form.task, form.classes, form.ignore_index), **told)


_Side = Annotated[int, Field(ge=1, le=2**16)]


class _Form(BaseModel):
    """The JSON, as far as its readers rely on it."""

    model_config = ConfigDict(strict=False, extra="ignore")
    format: Literal[1]
    name: str = Field(max_length=200)
    task: TaskKind
    classes: tuple[Annotated[str, Field(max_length=200)], ...] = Field(min_length=1, max_length=255)
    ignore_index: int | None = None
    channels: Literal[1, 3, 4]
    size: tuple[_Side, _Side]
    mean: tuple[float, ...] = Field(max_length=4)
    std: tuple[float, ...] = Field(max_length=4)
    multiple: int = Field(1, ge=0, le=2**16)
    scored_on: str = Field("", max_length=20)
    images: int = Field(0, ge=0)
    scores: dict[str, float | None] = Field({})
