"""The schema of a recipe: which keys there are, what they may hold, what they mean.

Options of parts are not here: they live in the parts' own signatures (see `segkit.core.registry`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from segkit.core.paths import RecipePath
from segkit.core.registry import Settings
from segkit.core.types import Task, TaskKind
from segkit.data.splits import Split


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _by_word(value: Any) -> Any:
    return {"by": value} if isinstance(value, str) else value


class Part(Settings):
    """A registered part: its name, and its options as `model_extra`."""

    model_config = ConfigDict(extra="allow")
    kind: ClassVar[str]
    name: str

    @property
    def options(self) -> dict[str, Any]:
        """What the recipe chooses about the part."""
        return dict(self.model_extra or {})


class SourcePart(Part):
    """Where images and masks come from."""

    kind = "source"


class TransformPart(Part):
    """One step of augmentation."""

    kind = "transform"


class EncoderPart(Part):
    """The encoder, and how segkit uses it.

    Args:
        frozen: keep every parameter and every running statistic as it is.
        features: stages that reach the decoder: what the decoder asks for (auto), the last one, all,
            or a list of stage numbers counted from 0, finest first (-1 is the last).
        lr_factor: learning rate of the encoder as a multiple of the optimizer's.
    """

    kind = "encoder"
    frozen: bool = False
    features: Literal["auto", "last", "all"] | Annotated[list[int], Field(min_length=1)] = "auto"
    lr_factor: float = Field(1.0, gt=0)


class DecoderPart(Part):
    """Features to one map."""

    kind = "decoder"


class LossPart(Part):
    """A loss, and its weight in the sum."""

    kind = "loss"
    weight: float = Field(1.0, gt=0)


class OptimizerPart(Part):
    """Who changes the weights."""

    kind = "optimizer"


class SchedulePart(Part):
    """How the learning rate moves.

    Args:
        warmup_epochs: epochs in which the learning rate rises linearly to where the schedule begins.
    """

    kind = "schedule"
    warmup_epochs: float = Field(0.0, ge=0)


class MetricPart(Part):
    """A score."""

    kind = "metric"


class Normalize(Settings):
    """Mean and standard deviation per channel, for pixels in 0..1."""

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]


class DataSettings(Settings):
    """The images, and what is predicted for a pixel.

    Args:
        source: where images and masks come from.
        task: one class against the background, one of several classes, or several at once.
        classes: their names; for multiclass the name of index 0 comes first.
        ignore_index: value of mask pixels that count in no loss and no metric.
        channels: of an image: 1 grey, 3 RGB, 4 RGB and alpha.
        size: (height, width) that images and masks are resized to.
        split: how samples are divided into train, val and test.
        augment: transforms of the training images, in this order.
        batch_size: images in one training step.
        eval_batch_size: images scored at once; changes no score. By default twice the batch size.
        workers: processes that augment; changes no result. 0 is the main process, auto as many as keep the
            training from waiting, where there are cores for them.
        cache: keep decoded images on disk, for workers and later runs; changes no score.
        normalize: what to subtract and divide by; by default what the encoder's weights expect.
    """

    source: SourcePart
    task: TaskKind = "binary"
    classes: tuple[str, ...] = Field(("foreground",), validate_default=True, max_length=255)
    ignore_index: int | None = Field(None, ge=0, le=255)
    channels: Literal[1, 3, 4] = 3
    size: tuple[Annotated[int, Field(ge=8, le=8192)], Annotated[int, Field(ge=8, le=8192)]]
    split: Annotated[Split, BeforeValidator(_by_word)] = Split()
    augment: list[TransformPart] = Field([])
    batch_size: int = Field(16, ge=1, le=65536)
    eval_batch_size: int | None = Field(None, ge=1, le=65536)
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=256)] = "auto"
    cache: bool = True
    normalize: Normalize | None = None

    @property
    def scored_at_once(self) -> int:
        """How many images are scored at once: without gradients, memory is enough for more of them."""
        return self.eval_batch_size or 2 * self.batch_size

    @property
    def goal(self) -> Task:
        """The task, for parts."""
        return Task(self.task, self.classes, self.ignore_index)

    @field_validator("classes")
    @classmethod
    def _classes_fit_the_task(cls, classes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        task, count = info.data.get("task"), len(classes)
        if task == "binary" and count != 1:
            raise ValueError(
                f"a binary task has one class, its foreground; found {count}: "
                "name one, or write task: multiclass or multilabel"
            )
        if task == "multiclass" and count < 2:
            raise ValueError(
                "a multiclass task has at least two classes, the background among them: list them"
            )
        if task == "multilabel" and not count:
            raise ValueError("a multilabel task has at least one class: list them")
        if twice := sorted({name for name in classes if classes.count(name) > 1}):
            raise ValueError(f"class names must differ: {', '.join(twice)} is there twice")
        return classes

    @field_validator("ignore_index")
    @classmethod
    def _ignored_is_no_class(cls, value: int | None, info: ValidationInfo) -> int | None:
        task, classes = info.data.get("task"), info.data.get("classes", ())
        last = len(classes) - 1 if task == "multiclass" else 1
        if value is not None and value <= last:
            raise ValueError(
                f"{value} is a class of this task (0 to {last}): another value must mean 'ignore'"
            )
        return value

    @field_validator("normalize")
    @classmethod
    def _one_value_per_channel(cls, value: Normalize | None, info: ValidationInfo) -> Normalize | None:
        channels = info.data.get("channels")
        if value and channels and {len(value.mean), len(value.std)} != {channels}:
            raise ValueError(f"mean and std need one value for each of the {channels} channels")
        return value


class ModelSettings(Settings):
    """Encoder and decoder; the head is one convolution to the task's logits."""

    encoder: EncoderPart
    decoder: DecoderPart


class TrainingSettings(Settings):
    """How long, how precisely, on what.

    Args:
        epochs: passes over the training images.
        accelerator: auto takes cuda, else mps, else cpu.
        devices: processes on each machine, one to a GPU or any number to a CPU; they share every batch, and
            another number changes speed and rounding only. auto takes every GPU, and one process without any.
        num_nodes: machines; more than one need torchrun or srun, which start segkit on each.
        strategy: how processes train together: auto is ddp for more than one, and none for one alone.
        precision: auto is bf16-mixed on cuda devices that have it and 32-true elsewhere.
        deterministic: same bytes for the same seed on a GPU too, at a cost in speed.
        channels_last: memory order of the tensors; changes speed only.
        compile: torch.compile the model; changes speed and rounding only.
        clip_grad_norm: largest norm of all gradients together.
        ema_decay: score and keep an exponential moving average of the weights.
        early_stopping_epochs: stop after that many epochs without a better score.
        checkpoint_seconds: save the state within an epoch too, when the last time was so long ago; null
            saves it at every epoch's end alone. Changes no result.
    """

    epochs: int = Field(20, ge=1, le=100_000)
    accelerator: Literal["auto", "cpu", "cuda", "gpu", "mps"] = "auto"
    devices: Literal["auto"] | Annotated[int, Field(ge=1, le=65536)] = 1
    num_nodes: int = Field(1, ge=1, le=65536)
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"] = "auto"
    deterministic: bool = False
    channels_last: bool = True
    compile: bool = False
    clip_grad_norm: float | None = Field(None, gt=0)
    ema_decay: float | None = Field(None, gt=0, lt=1)
    early_stopping_epochs: int | None = Field(None, ge=1)
    checkpoint_seconds: float | None = Field(300.0, ge=0)


class Reference(Settings):
    """Published numbers to show beside one's own.

    Args:
        source: who published them.
        epochs: CSV file with a column `epoch` and any of iou, dice, train_loss, val_loss.
        metrics: best published scores by metric.
    """

    source: str
    epochs: RecipePath | None = None
    metrics: dict[str, float] = Field({})


class Recipe(Settings):
    """Everything that decides a run.

    Args:
        name: of the recipe, and of the folder its runs go to.
        description: what it is for; printed in the report.
        seed: of everything random.
        plugins: files or folders with parts of your own.
        data: the images.
        model: encoder and decoder.
        loss: one loss, or a list whose weighted sum is taken.
        optimizer: who changes the weights.
        schedule: how the learning rate moves.
        metrics: scores; the first one chooses the best epoch.
        training: how long, how precisely, on what.
        reference: published numbers to show beside one's own.
    """

    name: str = Field(min_length=1, max_length=100)
    description: str = ""
    seed: int = Field(0, ge=0, le=2**32 - 1)
    plugins: Annotated[list[RecipePath], BeforeValidator(_listed)] = Field([])
    data: DataSettings
    model: ModelSettings
    loss: Annotated[list[LossPart], BeforeValidator(_listed), Field(min_length=1)]
    optimizer: OptimizerPart
    schedule: SchedulePart = SchedulePart(name="constant")
    metrics: Annotated[list[MetricPart], BeforeValidator(_listed), Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    reference: Reference | None = None

    def parts(self) -> list[Part]:
        """Every part it names."""
        parts = [self.data.source, *self.data.augment, self.model.encoder, self.model.decoder]
        return [*parts, *self.loss, self.optimizer, self.schedule, *self.metrics]

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w .+-]*", name):
            raise ValueError(
                f"found {name!r}, which names a folder: letters, digits, '_', '-', '+', '.' and spaces"
            )
        return name

    @field_validator("metrics")
    @classmethod
    def _metrics_differ(cls, metrics: list[MetricPart]) -> list[MetricPart]:
        names = [metric.name for metric in metrics]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is listed twice")
        return metrics


# Where parts stand in a recipe; "*" is any place in a list. The one table behind bare names, the merging of
# `extends`, the checking of options, and the JSON Schema.
PARTS: dict[tuple[str, ...], type[Part]] = {
    ("data", "source"): SourcePart,
    ("data", "augment", "*"): TransformPart,
    ("model", "encoder"): EncoderPart,
    ("model", "decoder"): DecoderPart,
    ("loss",): LossPart,
    ("loss", "*"): LossPart,
    ("optimizer",): OptimizerPart,
    ("schedule",): SchedulePart,
    ("metrics",): MetricPart,
    ("metrics", "*"): MetricPart,
}


def part_at(path: tuple[str | int, ...]) -> type[Part] | None:
    """The kind of part that stands at a path of a recipe, or None."""
    return PARTS.get(tuple("*" if isinstance(key, int) else key for key in path))
