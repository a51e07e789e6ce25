"""What the files of a run hold, as far as their readers rely on it; a file of another shape is damaged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from segkit.utils.safe_read import LARGEST

MOST_METRICS, MOST_CLASSES, MOST_SAMPLES = 100, 255, 50

Text = Annotated[str, Field(strict=True)]
Truth = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0, le=2**63)]
Number = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST)]
Scores = dict[Text, Number | None]


class Epoch(BaseModel):
    """A line of metrics.jsonl: the epoch, and any number of losses, scores and times."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number | None]

    epoch: Whole
    best: Truth = False


class Best(BaseModel):
    """An epoch in the summary."""

    epoch: Whole
    metrics: Scores


class Scored(BaseModel):
    """The scores that are reported."""

    metrics: Scores


class Frozen(BaseModel):
    """Whether a frozen encoder stayed as it was."""

    digest_before: Text
    digest_after: Text
    unchanged: Truth


class Stage(BaseModel):
    """A row of the model table."""

    part: Text
    name: Text
    shape: list[Whole]
    parameters: Whole
    trainable: Whole


class Reference(BaseModel):
    """Published numbers."""

    source: Text
    metrics: Scores | None = None
    epochs: list[Scores] | None = None
    note: Text = ""


class Summary(BaseModel):
    """summary.json."""

    recipe: Text
    metrics: Annotated[list[Text], Field(min_length=1, max_length=MOST_METRICS)]
    best: Best
    scores: Scored
    scored_on: Text
    reported_on: Text
    epochs: Whole
    status: Text = ""
    description: Text | None = None
    first_metric: Text | None = None
    higher_is_better: Truth | None = None
    images: dict[Text, Whole] | None = None
    epochs_asked: Whole | None = None
    seconds: Number | None = None
    train_seconds: Number | None = None
    images_per_second: Number | None = None
    peak_memory_bytes: Number | None = None
    parameters: dict[Text, Whole] | None = None
    frozen_encoder: Frozen | None = None
    device: Text | None = None
    precision: Text | None = None
    warnings: list[Text] | None = None
    stages: list[Stage] | None = None
    reference: Reference | None = None


class Plugin(BaseModel):
    """A plugin that the run used."""

    name: Text
    path: Text
    digest: Text
    package: Text | None
    parts: list[Annotated[str, Field(strict=True, pattern=r"^\S+ \S+$")]]


class Identity(BaseModel):
    """Digests that say whether two runs are one experiment."""

    recipe: Text
    seed: Whole
    data: Text
    code: Text
    metrics: Text


class Environment(BaseModel):
    """environment.json; what else it holds is shown as it is."""

    packages: dict[Text, Text | None] | None = None
    data_digests: dict[Text, Text] | None = None
    encoder_digest: Text | None = None
    plugins: list[Plugin] = []
    identity: Identity | None = None
    device: Text = ""
    resumed: list[dict[Text, Any]] = []


class Named(BaseModel):
    """A part of a recipe."""

    name: Text


class Data(BaseModel):
    """A recipe's data."""

    task: Text = ""
    classes: Annotated[list[Text], Field(max_length=MOST_CLASSES)] = []


class Published(BaseModel):
    """A recipe's reference."""

    source: Text = ""
    metrics: Scores | None = None
    epochs: Text | None = None


class RunRecipe(BaseModel):
    """recipe.yaml, as a report and a comparison read it; what trains by it reads it as any recipe."""

    name: Text = ""
    seed: Whole = 0
    data: Data | None = None
    metrics: list[Text | Named] = []
    reference: Published | None = None


class Costs(BaseModel):
    """costs.json."""

    parameters: Number | None = None
    trainable_parameters: Number | None = None
    macs: Number | None = None
    train_seconds: Number | None = None
    train_images_per_second: Number | None = None
    latency_ms: Number | None = None
    predict_images_per_second: Number | None = None
    peak_memory_bytes: Number | None = None
    weights_bytes: Number | None = None
    machine: dict[Text, Any] | None = None
    precision: Text | None = None
    warnings: list[Text] = []


def _picture(kind: str) -> Any:
    """A file beside samples.json, as a run calls it: never a path."""
    return Field(strict=True, pattern=rf"^[0-9]{{1,6}}_{kind}\.png$")


class Files(BaseModel):
    """The pictures of a sample."""

    image: Annotated[str, _picture("image")]
    truth: Annotated[str, _picture("truth")]
    prediction: Annotated[str, _picture("prediction")]


class Sample(BaseModel):
    """An entry of samples.json."""

    model_config = ConfigDict(extra="forbid")

    rank: Literal["best", "median", "worst"]
    image: Text
    metric: Text
    score: Number | None
    files: Files


Samples = Annotated[list[Sample], Field(max_length=MOST_SAMPLES)]
