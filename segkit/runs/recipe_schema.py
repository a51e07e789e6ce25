"""Schema of the sections of a run's recipe that reports and comparisons read."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from segkit.core.model_table import Count
from segkit.runs.schema import MAX_CLASSES, Number, Scores, Text


class Named(BaseModel):
    """A part of a recipe."""

    name: Text
    as_: Text | None = Field(None, alias="as")


class Data(BaseModel):
    """The data section of a recipe."""

    task: Text = ""
    classes: Annotated[list[Text], Field(max_length=MAX_CLASSES)] = []


class Reference(BaseModel):
    """The reference section of a recipe."""

    source: Text = ""
    metrics: Scores | None = None
    epochs: Text | None = None


class Training(BaseModel):
    """The training section of a recipe."""

    epochs: Count | None = None
    ema_decay: Number = None


class RunRecipe(BaseModel):
    """The sections of recipe.yaml that reports and comparisons read."""

    name: Text = ""
    description: Text = ""
    seed: Count = 0
    data: Data | None = None
    metrics: list[Text | Named] = []
    training: Training | None = None
    reference: Reference | None = None
