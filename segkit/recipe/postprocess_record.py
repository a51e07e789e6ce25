"""Record of a choice of the post-processing, as in `postprocess.json`."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from segkit.core.model_table import Count
from segkit.recipe.postprocess_settings import PostprocessSettings

MAX_CLASSES = 255


def _defined(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[Annotated[float, Field(strict=True)] | None, BeforeValidator(_defined)]


class PostprocessChoice(BaseModel):
    """Choice of the steps for some classes, which are scored together.

    The gain is how much better the masks score with the steps, each image with those that were chosen on the
    others, and `low` to `high` its interval over images; positive is better for any metric. Numbers that are
    not defined are None.
    """

    model_config = ConfigDict(frozen=True)

    classes: Annotated[list[Text], Field(max_length=MAX_CLASSES)]
    settings: PostprocessSettings  # the best ones
    chosen: Flag  # whether the interval is above 0; if not, these classes get no steps
    score: Number = None  # of the masks without steps
    gain: Number = None
    low: Number = None
    high: Number = None


class PostprocessRecord(BaseModel):
    """How `postprocess: auto` was decided."""

    model_config = ConfigDict(frozen=True)

    settings: PostprocessSettings | None  # of all classes; None is no post-processing
    split: Text
    images: Count
    groups: Count | None = None  # in which images are kept together, if there are any
    metric: Text
    level: Number = None  # of each interval: 0.95 for all of them together
    candidates: Count
    choices: Annotated[list[PostprocessChoice], Field(max_length=MAX_CLASSES)]
