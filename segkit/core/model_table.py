"""Rows of the model table: output shapes and parameter counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(strict=True, ge=0, le=2**63)]


class Stage(BaseModel):
    """A row of the model table.

    Args:
        part: "encoder", "decoder" or "head"; "image" for how its channels get weights that were made for RGB.
        name: name of the module, such as "stage 4 of 5" or "transposed_conv".
        shape: output shape for one image: (C, h, w).
        parameters: number of parameters; those of a part are counted in one of its rows, and 0 in the others.
        trainable: number of trainable parameters.
    """

    model_config = ConfigDict(frozen=True)

    part: str
    name: str
    shape: tuple[Count, ...]
    parameters: Count
    trainable: Count


def parameter_counts(stages: Sequence[Stage]) -> list[tuple[int, int] | None]:
    """Parameters and trainable parameters of each row; None if another row of the part counts them."""
    counted = {"image", *(stage.part for stage in stages if stage.parameters)}
    return [
        None if not stage.parameters and stage.part in counted else (stage.parameters, stage.trainable)
        for stage in stages
    ]
