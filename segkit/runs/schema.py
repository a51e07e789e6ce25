"""Schemas of the JSON files in a run directory, for writing and for reading.

`Stage` and `Plugin` are defined in `core`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from segkit.core.model_table import Count, Stage
from segkit.core.plugins import Plugin
from segkit.utils.safe_read import MAX_NUMBER

MAX_METRICS, MAX_CLASSES, MAX_SAMPLES = 100, 255, 50


def _number(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    # NaN and infinities are null in JSON; an int stays an int.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    check(value)
    return value


def _png(kind: str) -> Any:
    # A file name, never a path.
    return Field(strict=True, pattern=rf"^[0-9]{{1,6}}_{kind}\.png$")


Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[
    Annotated[float, Field(strict=True, ge=-MAX_NUMBER, le=MAX_NUMBER)] | None,
    WrapValidator(_number),
    PlainSerializer(lambda value: value),  # an int is written as an int
]
Scale = Annotated[float, Field(gt=0, le=MAX_NUMBER)]
Scores = dict[Text, Number]
PerClass = dict[Text, Scores]  # scores of the classes by measure
Pixels = Annotated[int, Field(strict=True, ge=0, le=10**15)]
# Multiclass: by true (row) and predicted class (column); otherwise [[tn, fp], [fn, tp]] of each class.
Confusion = list[list[Pixels]] | list[list[list[Pixels]]]
Rank = Literal["best", "median", "worst"]


class Record(BaseModel):
    """Base of all records."""

    model_config = ConfigDict(frozen=True)


class Epoch(BaseModel):
    """A line of metrics.jsonl: losses and times of one epoch; the scores are the other keys."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number]

    epoch: Count
    train_loss: Number = None
    val_loss: Number = None
    learning_rate: Number = None
    seconds: Number = None
    train_seconds: Number = None
    images_per_second: Number = None
    best: Flag = False


class ClassRecord(Record):
    """Scores of the classes; absent from `last`, from stopped runs and from runs of earlier versions."""

    per_class: PerClass = {}
    confusion: Confusion | None = None

    @model_validator(mode="after")
    def _has_every_class(self) -> Self:
        classes = self.per_class.get("iou", {}).keys()
        if any(scores.keys() != classes for scores in self.per_class.values()):
            raise ValueError("per_class: the measures have different classes")
        if self.confusion is not None:
            sides = {len(self.confusion), *(len(row) for row in self.confusion)}
            inner = {len(cells) for row in self.confusion for cells in row if isinstance(cells, list)}
            if sides != {len(classes)} if not inner else (len(self.confusion), inner) != (len(classes), {2}):
                raise ValueError("confusion: its shape does not fit the classes")
        return self


class EpochScores(ClassRecord):
    """Scores of one epoch on the split that chooses the best epoch."""

    epoch: Count
    metrics: Scores
    val_loss: Number = None


class SplitScores(ClassRecord):
    """Scores of the best epoch on the reported split."""

    split: Text = ""
    metrics: Scores
    intervals: dict[Text, tuple[Number, Number]] = {}  # 95% over images; null if undefined
    groups: Count | None = None  # of the images, as data.split.group has them: the intervals are over these
    loss: Number = None


class Frozen(Record):
    """Digests of a frozen encoder before and after training."""

    digest_before: Text
    digest_after: Text
    unchanged: Flag


class Published(Record):
    """Published scores of the same experiment."""

    source: Text  # name of the publication
    metrics: Scores = {}  # best scores
    epochs: list[Scores] = []  # None for missing values
    note: Text = ""


class Summary(Record):
    """summary.json."""

    status: Text = "complete"
    recipe: Text
    description: Text = ""
    metrics: Annotated[list[Text], Field(min_length=1, max_length=MAX_METRICS)]
    first_metric: Text = ""
    metric_details: dict[Text, Text] = {}  # what names of metrics do not say, such as "threshold 0.9"
    higher_is_better: Flag | None = None
    scored_on: Text
    validate_windows: Count | None = None  # of the images of scored_on, that epochs are scored on
    reported_on: Text
    select: Text = "best"  # or last: the epoch whose weights and scores are the result
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
    ema_decay: Number = None  # of the average of the weights that is scored and saved, if any
    classes: Annotated[list[Text], Field(max_length=MAX_CLASSES)] = []
    untrained_classes: list[Text] = []  # in no training image
    warnings: list[Text] = []
    stages: list[Stage] = []
    reference: Published | None = None


class Fingerprint(Record):
    """Digests that identify an experiment."""

    recipe: Text  # settings that affect scores, except the seed
    seed: Count
    data: Text  # names and files of all samples, whatever the split
    code: Text  # segkit, plugins used, package versions
    metrics: Text  # code of the metrics


class Resumed(Record):
    """A start of a run that had begun before; unknown keys are kept."""

    model_config = ConfigDict(extra="allow")

    changes: dict[Text, tuple[Any, Any]] = {}  # of the recipe: former and present value by path
    after_epoch: Count = 0  # completed epochs
    after_steps: Count = 0  # completed training steps of the next epoch


class Environment(Record):
    """environment.json; unknown keys are kept."""

    model_config = ConfigDict(extra="allow")

    python: Text = ""
    platform: Text = ""
    processor: Text = ""
    cores: Count | None = None
    packages: dict[Text, Text | None] = {}
    git: Any = None
    command: list[Text] = []
    recipe: dict[Text, Any] = {}  # complete, as the run began or was last resumed: recipe.yaml can be edited
    identity: Fingerprint | None = None
    began_as: Fingerprint | None = None  # if settings that affect results were changed since
    device: Text = ""
    encoder_digest: Text = ""
    images: dict[Text, Count] = {}
    data_digests: dict[Text, Text] = {}
    image_scales: tuple[Scale, Scale] | None = None  # smallest and largest of training images
    boundary_density: Number = None  # of training masks
    class_pixels: dict[Text, Count] = {}  # of training masks at the recipe's size, without ignored pixels
    class_images: dict[Text, Count] = {}  # training images that show a class
    plugins: list[Plugin] = []
    resumed: list[Resumed] = []


class Costs(Record):
    """Costs of a recipe; None if not measured."""

    parameters: Number = None
    trainable_parameters: Number = None
    macs: Number = None  # multiply-adds of predicting one image
    train_seconds: Number = None  # without evaluation, mean over seeds
    train_images_per_second: Number = None
    latency_ms: Number = None  # median time of predicting one image
    predict_images_per_second: Number = None  # at the recipe's batch size
    peak_memory_bytes: Number = None  # of a training step and a prediction; of the GPU if there is one
    weights_bytes: Number = None  # of the best checkpoint


class NativeScores(Record):
    """native_scores.json: scores of the best epoch at the images' own size, as `evaluate --native` gives."""

    of: Text  # digest of the weights and of all else that decides the scores, except the images
    code: Text  # of the metrics, as in `Fingerprint`
    split: Text
    names: list[Text]
    per_image: dict[Text, list[Number]]  # by metric, in the order of the names
    metrics: Scores
    intervals: dict[Text, tuple[Number, Number]] = {}
    class_iou: dict[Text, list[Number]] = {}
    pixels: Text = ""  # digest of images and masks, as they are
    warnings: list[Text] = []

    @model_validator(mode="after")
    def _has_every_image(self) -> Self:
        columns = (*self.per_image.values(), *self.class_iou.values())
        if any(len(column) != len(self.names) for column in columns):
            raise ValueError("the number of scores is not that of the images")
        return self


class MeasuredCosts(Costs):
    """costs.json: measured costs and the machine."""

    machine: dict[Text, Any] = {}
    precision: Text = ""
    date: Text = ""
    warnings: list[Text] = []


class Files(Record):
    """File names of a sample's images."""

    image: Annotated[str, _png("image")]
    truth: Annotated[str, _png("truth")]
    prediction: Annotated[str, _png("prediction")]

    @classmethod
    def numbered(cls, number: int) -> Files:
        """File names of the sample with this number."""
        return cls(**{kind: f"{number}_{kind}.png" for kind in cls.model_fields})


class Sample(Record):
    """An entry of samples.json: a scored image."""

    model_config = ConfigDict(extra="forbid")

    rank: Rank  # why it was selected
    image: Text  # its name
    metric: Text  # by which it was ranked
    score: Number
    files: Files


class Samples(RootModel[Annotated[list[Sample], Field(max_length=MAX_SAMPLES)]]):
    """samples.json."""


class SeenSample(Record):
    """An entry of training.json: a training image or window, as the model saw it."""

    model_config = ConfigDict(extra="forbid")

    image: Text  # its name
    picture: str = Field(strict=True, pattern=r"^training_[0-9]{1,6}_image\.png$")
    mask: str = Field(strict=True, pattern=r"^training_[0-9]{1,6}_mask\.png$")

    @classmethod
    def numbered(cls, number: int, image: str) -> SeenSample:
        """The entry with this number."""
        return cls(image=image, picture=f"training_{number}_image.png", mask=f"training_{number}_mask.png")


class SeenSamples(RootModel[Annotated[list[SeenSample], Field(max_length=MAX_SAMPLES)]]):
    """training.json."""
