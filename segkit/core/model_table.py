"""Rows of the model table: output shapes and parameter counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(strict=True, ge=0, le=2**63)]


class Stage(BaseModel):
    """A row of the model table.

    Args:
        part: "encoder", "decoder" or "head".
        name: name of the module, such as "stage 4 of 5" or "transposed_conv".
        shape: output shape for one image: (C, h, w).
        parameters: number of parameters; counted once, in the row of the part they belong to.
        trainable: number of trainable parameters.
    """

    model_config = ConfigDict(frozen=True)

    part: str
    name: str
    shape: tuple[Count, ...]
    parameters: Count
    trainable: Count
