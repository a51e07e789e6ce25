"""The model table: what goes through a model, and what it costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(strict=True, ge=0, le=2**63)]


class Stage(BaseModel):
    """A row of the model table.

    Args:
        part: "encoder", "decoder" or "head".
        name: the module's name, such as "stage 5 of 5" or "transposed_conv".
        shape: of its output for one image: (C, h, w).
        parameters: how many; counted once, in the row of the part they belong to.
        trainable: how many of them learn.
    """

    model_config = ConfigDict(frozen=True)

    part: str
    name: str
    shape: tuple[Count, ...]
    parameters: Count
    trainable: Count
