"""Schema of cv.json, for writing and for reading."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from segkit.core.model_table import Count
from segkit.recipe.postprocess_record import PostprocessRecord
from segkit.recipe.postprocess_settings import PostprocessSettings
from segkit.runs.schema import (
    MAX_CLASSES,
    MAX_METRICS,
    ClassRecord,
    Flag,
    Number,
    Record,
    Scores,
    SplitScores,
    Text,
)


class Fold(Record):
    """A run, and the scores of the images that it was not trained on."""

    run: Text  # its directory, relative to that of the cross-validation
    fold: Count
    seed: Count
    weights: Text  # SHA-256 of its best.safetensors
    images: Count
    metrics: Scores


class Pooled(Record):
    """Mean over images and seeds, with the limits of its 95% interval; null if it has none."""

    mean: Number
    low: Number
    high: Number
    images: Count | None = None  # over which it is, if not all


class PooledScores(Record):
    """Out-of-fold scores of all images."""

    metrics: dict[Text, Pooled]
    per_class: dict[Text, dict[Text, Pooled]] = Field({})  # IoU per image by class, with more than one class


class Spread(Record):
    """How the scores of the folds lie about their mean."""

    sd: Number  # null for a single defined score
    lowest: Number
    highest: Number


class Seed(ClassRecord):
    """Out-of-fold scores of all images by the models of one seed, and those of the classes, as in a run."""

    seed: Count
    metrics: Scores
    intervals: dict[Text, tuple[Number, Number]] = Field({})
    postprocessed: SplitScores | None = None


class CvRecord(Record):
    """cv.json."""

    format: Literal[1] = 1
    recipe: Text
    description: Text = ""
    metrics: Annotated[list[Text], Field(min_length=1, max_length=MAX_METRICS)]
    metric_details: dict[Text, Text] = Field({})
    higher_is_better: Flag
    classes: Annotated[list[Text], Field(max_length=MAX_CLASSES)]
    folds: Annotated[list[Fold], Field(min_length=2)]
    pooled: PooledScores
    postprocess: PostprocessSettings | None = None  # of the models' mean; absent if the recipe asks for none
    postprocess_choice: PostprocessRecord | None = None  # how postprocess: auto was decided
    postprocessed: PooledScores | None = None  # of the out-of-fold masks with these steps
    spread: dict[Text, Spread]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    images: Count
    size: Text = ""  # of the scored images, in words
    group: Text | None = None  # what keeps images together, as data.split.group
    groups: Count | None = None  # over which the intervals are
    pixels: Text  # digest of all images and masks, as the model gets them
    notes: list[Text] = Field([])
    warnings: list[Text] = Field([])
    command: Text = ""
