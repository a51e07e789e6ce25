"""What the JSON files of a run hold: each record is written and read by one model here.

`Stage` and `Plugin` are defined in `core`. A file of another shape is damaged.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidatorFunctionWrapHandler, WrapValidator

from segkit.core.model_table import Count, Stage
from segkit.core.plugins import Plugin
from segkit.utils.safe_read import MAX_NUMBER

MAX_METRICS, MAX_CLASSES, MAX_SAMPLES = 100, 255, 50


def _number(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """What JSON has no number for is None, as it is written; an int stays one."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    check(value)
    return value


Text = Annotated[str, Field(strict=True)]
Truth = Annotated[bool, Field(strict=True)]
Number = Annotated[
    Annotated[float, Field(strict=True, ge=-MAX_NUMBER, le=MAX_NUMBER)] | None, WrapValidator(_number)
]
Scores = dict[Text, Number]
Rank = Literal["best", "median", "worst"]


class Record(BaseModel):
    """Base of what is written to a run directory."""

    model_config = ConfigDict(frozen=True)


class Epoch(BaseModel):
    """A line of metrics.jsonl: the epoch, and any number of losses, scores and times."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number]

    epoch: Count
    best: Truth = False


class EpochScores(Record):
    """Scores on the split that chooses the best epoch."""

    epoch: Count
    metrics: Scores
    val_loss: Number = None


class SplitScores(Record):
    """Scores of the best epoch's weights on the split that is reported."""

    split: Text = ""
    metrics: Scores
    loss: Number = None


class Frozen(Record):
    """Whether a frozen encoder stayed as it was."""

    digest_before: Text
    digest_after: Text
    unchanged: Truth


class Published(Record):
    """Numbers that somebody published for this experiment.

    Args:
        source: who.
        metrics: best scores by metric.
        epochs: one mapping per epoch, None where nothing is given; empty without a file.
        note: what the reader should know about them, or nothing.
    """

    source: Text
    metrics: Scores = {}
    epochs: list[Scores] = []
    note: Text = ""


class Summary(Record):
    """summary.json."""

    status: Text = "complete"
    recipe: Text
    description: Text = ""
    metrics: Annotated[list[Text], Field(min_length=1, max_length=MAX_METRICS)]
    first_metric: Text = ""
    higher_is_better: Truth | None = None
    scored_on: Text
    reported_on: Text
    images: dict[Text, Count] = {}
    best: EpochScores
    last: EpochScores | None = None
    scores: SplitScores
    epochs: Count
    epochs_asked: Count | None = None
    seconds: Number = None
    train_seconds: Number = None
    images_per_second: Number = None
    peak_memory_bytes: Number = None
    parameters: dict[Text, Count] = {}
    frozen_encoder: Frozen | None = None
    device: Text = ""
    precision: Text = ""
    warnings: list[Text] = []
    stages: list[Stage] = []
    reference: Published | None = None


class Fingerprint(Record):
    """Digests; two runs with the same ones are the same experiment.

    Args:
        recipe: of everything in it that can change a score, the seed apart.
        seed: of the recipe.
        data: of the names and files of all samples, whatever the split.
        code: of segkit's own, of the plugins that the recipe uses, and of the versions of packages.
        metrics: of the code that scores: the same definition of a metric.
    """

    recipe: Text
    seed: Count
    data: Text
    code: Text
    metrics: Text


class Environment(Record):
    """environment.json; what else it holds is shown as it is."""

    model_config = ConfigDict(extra="allow")

    python: Text = ""
    platform: Text = ""
    processor: Text = ""
    cores: Count | None = None
    packages: dict[Text, Text | None] = {}
    git: Any = None
    command: list[Text] = []
    identity: Fingerprint | None = None
    device: Text = ""
    encoder_digest: Text = ""
    data_digests: dict[Text, Text] = {}
    plugins: list[Plugin] = []
    resumed: list[dict[Text, Any]] = []


class Named(BaseModel):
    """A part of a recipe."""

    name: Text


class Data(BaseModel):
    """A recipe's data."""

    task: Text = ""
    classes: Annotated[list[Text], Field(max_length=MAX_CLASSES)] = []


class Reference(BaseModel):
    """A recipe's reference."""

    source: Text = ""
    metrics: Scores | None = None
    epochs: Text | None = None


class RunRecipe(BaseModel):
    """recipe.yaml, as a report and a comparison read it; what trains by it reads it as any recipe."""

    name: Text = ""
    seed: Count = 0
    data: Data | None = None
    metrics: list[Text | Named] = []
    reference: Reference | None = None


class Costs(Record):
    """What a recipe costs; None where nobody has measured it.

    Args:
        parameters: of the model.
        trainable_parameters: those of them that learn.
        macs: multiply-adds of one prediction at the recipe's size.
        train_seconds: of training alone, the mean over the seeds.
        train_images_per_second: of training steps.
        latency_ms: of predicting one image, the median.
        predict_images_per_second: in batches of the recipe's batch size.
        peak_memory_bytes: of a process that trains a step and predicts; of the GPU where there is one.
        weights_bytes: of the file of the best weights.
    """

    parameters: Number = None
    trainable_parameters: Number = None
    macs: Number = None
    train_seconds: Number = None
    train_images_per_second: Number = None
    latency_ms: Number = None
    predict_images_per_second: Number = None
    peak_memory_bytes: Number = None
    weights_bytes: Number = None


class MeasuredCosts(Costs):
    """costs.json: the costs that were measured, and how."""

    machine: dict[Text, Any] = {}
    precision: Text = ""
    date: Text = ""
    warnings: list[Text] = []


def _picture(kind: str) -> Any:
    """A file beside samples.json, as a run calls it: never a path."""
    return Field(strict=True, pattern=rf"^[0-9]{{1,6}}_{kind}\.png$")


class Files(Record):
    """The pictures of a sample."""

    image: Annotated[str, _picture("image")]
    truth: Annotated[str, _picture("truth")]
    prediction: Annotated[str, _picture("prediction")]

    @classmethod
    def numbered(cls, number: int) -> Files:
        """Those of the sample with this number."""
        return cls(
            image=f"{number}_image.png", truth=f"{number}_truth.png", prediction=f"{number}_prediction.png"
        )


class Sample(Record):
    """An entry of samples.json: a scored image to look at.

    Args:
        rank: why it was picked.
        image: its name.
        metric: the name of the score it was picked by.
        score: that score.
        files: names of its pictures.
    """

    model_config = ConfigDict(extra="forbid")

    rank: Rank
    image: Text
    metric: Text
    score: Number
    files: Files


class Samples(RootModel[Annotated[list[Sample], Field(max_length=MAX_SAMPLES)]]):
    """samples.json."""
