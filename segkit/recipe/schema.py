"""Schema of a recipe: keys, types and descriptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from segkit.core.paths import RecipePath
from segkit.core.registry import METRICS, Settings
from segkit.core.types import Task, TaskKind, class_problem
from segkit.data.fit import Fit, FitKind
from segkit.data.fraction import Fraction, FractionSeed
from segkit.data.labels import (
    BACKGROUND,
    IGNORE,
    ColourText,
    LabelValue,
    as_tuples,
    class_colors,
    color_problems,
    label_problems,
    turned_round,
)
from segkit.data.pixel_range import PixelRange
from segkit.data.splits import Split
from segkit.recipe.fit_settings import CropSettings, SampleSettings, Scale, unknown_class
from segkit.recipe.image_settings import (
    Bands,
    Channels,
    Normalize,
    Range,
    bands_problem,
    normalize_problem,
    range_problem,
)
from segkit.recipe.part_schema import (
    DecoderPart,
    EncoderPart,
    LossPart,
    MetricPart,
    OptimizerPart,
    Part,
    SchedulePart,
    SourcePart,
    TransformPart,
)
from segkit.recipe.postprocess_settings import Postprocess, PostprocessSettings

# Columns of metrics.jsonl and scores.csv beside the metrics.
COLUMNS = frozenset(
    ("epoch", "train_loss", "val_loss", "learning_rate", "seconds", "train_seconds", "images_per_second",
     "best", "image")
)  # fmt: skip

_PADDING = 255  # in masks


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def name_problem(name: str) -> str:
    """What is wrong with the name of a recipe, or an empty string."""
    if not re.fullmatch(r"\w[\w .+-]*", name):
        return f"{name!r} is not a folder name: use letters, digits, '_', '-', '+', '.' and spaces"
    return ""


def _as_split(value: Any) -> Any:
    return {"by": value} if isinstance(value, str) else value


def _raise_at(
    problems: Iterable[tuple[str | None, str]],
    value: Any,
    info: ValidationInfo,
    hints: Mapping[str | None, str] | None = None,
) -> None:
    """Raise the problems of a mapping, each with the line and the hint of its key, if there are any."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(
                "value_error", "{error}", {"error": problem, "hint": (hints or {}).get(key, "")}
            ),
            loc=(key,) if key else (),
            input=value,
        )
        for key, problem in problems
    ]
    if errors:
        raise ValidationError.from_exception_data(str(info.field_name), errors)


class DataSettings(Settings):
    """Images, masks, and the segmentation task.

    Args:
        source: source of images and masks.
        task: binary (foreground and background), multiclass (one class per pixel) or multilabel (several).
        classes: class names; for multiclass in the order of the mask values, from 0. Default: the names in
            labels.
        ignore_index: mask value of pixels excluded from losses and metrics.
        labels: values in the masks of each class, and of `ignore` and `background`: numbers, colours
            "#rrggbb", or names of polygons; one or a list. By default the values are class indices.
        colors: colours "#rrggbb" of classes, and of `background`, in predicted masks, overlays and reports;
            default: those that labels name, else colours that are easily told apart.
        channels: channels of the image files; auto reads files with 1 or 3 channels as RGB, and others as
            they are, with the same number in all.
        bands: channels that the model gets, counted from 0, in this order; default: all.
        range: numbers that become 0 and 1: auto, [low, high], one such pair for each channel of the model, or
            {percentile: [low, high]} of the training images. auto is 0 to 255 if all of them have 8 bits,
            else the smallest and largest number of each channel.
        size: (height, width) of what the model sees: whole images, or windows of them.
        fit: how images come to that size. stretch resizes them; letterbox keeps their aspect ratio, and pads
            them; crop keeps their resolution, trains on windows and scores whole images.
        scale: pixels of the model per pixel of the image, along one side, with fit: crop; default: 1.
        crop: windows, with fit: crop.
        validate_windows: number of windows, always the same, that are scored after every epoch instead of
            whole images, with fit: crop; the final scores are always those of whole images.
        split: division of the samples into train, val and test.
        fraction: share of the training images that is used, in whole groups if split.group is set; the images
            of a smaller fraction are among those of a larger one. Images of val and test stay.
        fraction_seed: seed of that draw; the recipe's seed does not change it.
        sample: images of an epoch: how many, and which are drawn more often.
        augment: transforms of the training images, in order.
        batch_size: images per training step.
        eval_batch_size: images scored at once; changes no score. Default: twice the batch size.
        workers: processes for augmentation; changes no result. 0 uses the main process; auto adds processes,
            up to the number of cores, until training does not wait.
        cache: whether decoded images are cached on disk for workers and later runs; changes no score.
        normalize: mean and standard deviation; default: those of the encoder's weights.
    """

    source: SourcePart
    task: TaskKind = "binary"
    classes: tuple[str, ...] = Field(("foreground",), validate_default=True, max_length=255)
    ignore_index: int | None = Field(None, ge=0, le=255)
    labels: dict[str, LabelValue | Annotated[list[LabelValue], Field(min_length=1)]] | None = None
    colors: dict[str, ColourText] | None = None
    channels: Channels = "auto"
    bands: Bands | None = None
    range: Range = "auto"
    size: tuple[Annotated[int, Field(ge=8, le=8192)], Annotated[int, Field(ge=8, le=8192)]]
    fit: FitKind = "stretch"
    scale: Scale | None = Field(None, validate_default=True)
    crop: CropSettings | None = Field(None, validate_default=True)
    validate_windows: int | None = Field(None, ge=1)
    split: Annotated[Split, BeforeValidator(_as_split)] = Split()
    fraction: Fraction = 1.0
    fraction_seed: FractionSeed = 0
    sample: SampleSettings = SampleSettings()
    augment: list[TransformPart] = Field([])
    batch_size: int = Field(16, ge=1, le=65536)
    eval_batch_size: int | None = Field(None, ge=1, le=65536)
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=256)] = "auto"
    cache: bool = True
    normalize: Normalize | None = None

    @property
    def scoring_batch_size(self) -> int:
        """Images or windows scored at once; without gradients, more images fit into memory.

        Not more windows: the parts of the image that are blended are held too.
        """
        return self.eval_batch_size or (self.batch_size if self.crop else 2 * self.batch_size)

    @property
    def file_channels(self) -> int:
        """Channels as which image files are read; 3 for auto until it is resolved (`recipe.dataset`)."""
        return 3 if self.channels == "auto" else self.channels

    @property
    def in_channels(self) -> int:
        """Channels that the model gets."""
        return len(self.bands) if self.bands else self.file_channels

    @property
    def pixel_range(self) -> PixelRange:
        """Numbers that become 0 and 1; 0 to 255 until they are measured, and the channels known."""
        pairs: Any = self.range if isinstance(self.range, tuple | list) else (0, 255)
        if isinstance(pairs[0], tuple | list) and len(pairs) != self.in_channels:
            pairs = (0, 255)
        return PixelRange.of(pairs, self.in_channels)

    @property
    def goal(self) -> Task:
        """The task, as passed to parts."""
        colors = tuple(class_colors(self.labels, self.colors).items())
        return Task(self.task, self.classes, self.ignore_index, as_tuples(self.labels), colors)

    @property
    def padded_goal(self) -> Task:
        """The task whose targets may be padded: with an ignored value, unless images are stretched."""
        goal = self.goal
        is_as_given = self.fit == "stretch" or goal.ignore_index is not None
        return goal if is_as_given else replace(goal, ignore_index=_PADDING)

    @property
    def geometry(self) -> Fit:
        """How images are fitted to the model."""
        overlap = self.crop.overlap if self.crop else 0.0
        return Fit(self.fit, self.size, self.scale or 1.0, overlap)

    def samples_per_epoch(self, images: int) -> int:
        """Images of an epoch, or windows with fit: crop, of that many training images."""
        return self.sample.epoch or images * (self.crop.per_image if self.crop else 1)

    @model_validator(mode="before")
    @classmethod
    def _labels_have_defaults(cls, values: Any) -> Any:
        labels = values.get("labels") if isinstance(values, dict) else None
        if not isinstance(labels, dict):
            return values
        unclassed = {IGNORE, BACKGROUND} if values.get("task", "binary") == "binary" else {IGNORE}
        classes = [name for name in labels if name not in unclassed]
        ignored = 255 if IGNORE in labels else None
        values = {"classes": classes, **values}
        return values if values.get("ignore_index") is not None else {**values, "ignore_index": ignored}

    @field_validator("classes")
    @classmethod
    def _classes_fit_the_task(cls, classes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if problem := class_problem(info.data.get("task"), classes):
            raise ValueError(problem)
        return classes

    @field_validator("ignore_index")
    @classmethod
    def _ignore_index_is_not_a_class(cls, value: int | None, info: ValidationInfo) -> int | None:
        task, classes = info.data.get("task"), info.data.get("classes", ())
        last = len(classes) - 1 if task == "multiclass" else 1
        if value is not None and value <= last:
            raise ValueError(
                f"{value} is a class of this task (0 to {last}): choose another value; "
                f"data.labels: {{..., ignore: {value}}} ignores a value of the files"
            )
        return value

    @field_validator("labels", "colors")
    @classmethod
    def _name_the_classes(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or not {"task", "classes"} <= info.data.keys():
            return value
        task, classes = info.data["task"], info.data["classes"]
        hints: dict[str | None, str] = {}
        if info.field_name == "colors":
            problems = color_problems(value, task, classes)
        else:
            labels = dict(as_tuples(value) or ())
            problems = label_problems(labels, task, classes)
            hints = {name: turned_round(name, values) for name, values in labels.items()}
        _raise_at(problems, value, info, hints)
        return value

    @field_validator("scale", "crop", "validate_windows")
    @classmethod
    def _is_of_crop(cls, value: Any, info: ValidationInfo) -> Any:
        fit, key = info.data.get("fit"), str(info.field_name)
        if value is None:
            defaults = {"scale": 1.0, "crop": CropSettings()}
            return defaults.get(key) if fit == "crop" else None
        if fit not in ("crop", None):  # None if it is invalid
            raise ValueError(f"fit: {fit} does not use {key}: write fit: crop, or leave out {key}")
        if key == "crop" and (problem := unknown_class(value, info.data.get("classes", ()))):
            _raise_at([("classes", problem)], value, info)
        return value

    @field_validator("fraction_seed")
    @classmethod
    def _draws_a_fraction(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("fraction") == 1:
            raise ValueError("all training images are used: set fraction below 1, or leave out fraction_seed")
        return value

    @field_validator("sample")
    @classmethod
    def _has_groups(cls, value: SampleSettings, info: ValidationInfo) -> SampleSettings:
        if value.balance == "group" and "split" in info.data and not info.data["split"].group:
            problem = "needs data.split.group, which says what keeps images together, such as their patient"
            _raise_at([("balance", f"balance: group {problem}")], value, info)
        return value

    @field_validator("bands", "range", "normalize")
    @classmethod
    def _fits_the_channels(cls, value: Any, info: ValidationInfo) -> Any:
        channels, bands = info.data.get("channels"), info.data.get("bands")
        files = channels if isinstance(channels, int) else None
        model = len(bands) if bands else files  # None if unknown before the files are seen
        problems: dict[str | None, Callable[[], str]] = {
            "bands": lambda: bands_problem(value, files),
            "range": lambda: range_problem(value, model),
            "normalize": lambda: normalize_problem(value, model),
        }
        if problem := problems[info.field_name]():
            raise ValueError(problem)
        return value


class ModelSettings(Settings):
    """Encoder and decoder; the head is one convolution to the logits."""

    encoder: EncoderPart
    decoder: DecoderPart


class TrainingSettings(Settings):
    """Epochs, device, precision and stopping.

    Args:
        epochs: passes over the training images, unless data.sample.epoch says how many an epoch has.
        accelerator: device type; auto selects cuda, else mps, else cpu.
        devices: processes per machine, one per GPU or any number on a CPU, which share every batch. auto uses
            all GPUs, or one process without a GPU.
        num_nodes: machines; several require torchrun or srun, which start segkit on each.
        precision: numeric precision; auto is bf16-mixed on cuda devices that support it, else 32-true.
        deterministic: whether a GPU gives identical bytes for the same seed; slower.
        channels_last: whether tensors use the channels-last memory format; changes only speed.
        compile: whether to torch.compile the model; changes only speed and rounding.
        clip_grad_norm: maximum norm of all gradients.
        ema_decay: decay of the moving average of the weights (EMA), which is then scored and saved instead of
            the weights themselves.
        select: epoch whose weights are the result: the best one by the first metric on validation images, or
            the last one, so that nothing is chosen on them.
        early_stopping_epochs: epochs without a better score after which training stops.
        checkpoint_seconds: interval of checkpoints within an epoch; null saves only at the end of each epoch.
            Changes no result.
        keep_state: whether a finished run keeps its training state, several times as large as the weights, so
            that `segkit resume` can train it for more epochs. Changes no result.
    """

    epochs: int = Field(20, ge=1, le=100_000)
    accelerator: Literal["auto", "cpu", "cuda", "gpu", "mps"] = "auto"
    devices: Literal["auto"] | Annotated[int, Field(ge=1, le=65536)] = 1
    num_nodes: int = Field(1, ge=1, le=65536)
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"] = "auto"
    deterministic: bool = False
    channels_last: bool = True
    compile: bool = False
    clip_grad_norm: float | None = Field(None, gt=0)
    ema_decay: float | None = Field(None, gt=0, lt=1)
    select: Literal["best", "last"] = "best"
    early_stopping_epochs: int | None = Field(None, ge=1)
    checkpoint_seconds: float | None = Field(300.0, ge=0)
    keep_state: bool = True

    @field_validator("early_stopping_epochs")
    @classmethod
    def _ends_by_score(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("select") == "last":
            hint = "leave it out, or write select: best"
            problem = "early stopping chooses the end by validation scores, which select: last rules out"
            _raise_at([(None, problem)], value, info, {None: hint})
        return value

    @model_validator(mode="before")
    @classmethod
    def _without_strategy(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("strategy") in ("auto", "ddp"):  # of earlier versions
            return {key: value for key, value in values.items() if key != "strategy"}
        return values


class Reference(Settings):
    """Published results for comparison.

    Args:
        source: publication.
        epochs: CSV file with the column `epoch` and any of iou, dice, train_loss, val_loss.
        metrics: best published scores by metric.
    """

    source: str
    epochs: RecipePath | None = None
    metrics: dict[str, float] = Field({})


class Recipe(Settings):
    """A complete experiment.

    Args:
        name: name of the recipe and of the folder of its runs.
        description: purpose; shown in the report.
        seed: random seed.
        plugins: plugin files or folders.
        data: images, masks and task.
        model: encoder and decoder.
        loss: a loss, or a list of losses that are summed with their weights.
        optimizer: the optimizer.
        schedule: the learning-rate schedule.
        metrics: metrics; the first one selects the best epoch, unless training.select is last.
        training: epochs, device, precision and stopping.
        postprocess: steps from probabilities to masks; auto chooses them at the end of the run, on its
            validation images by the first metric, and none if no gain is shown.
        reference: published results for comparison.
    """

    name: str = Field(min_length=1, max_length=100)
    description: str = ""
    seed: int = Field(0, ge=0, le=2**32 - 1)
    plugins: Annotated[list[RecipePath], BeforeValidator(_as_list)] = Field([])
    data: DataSettings
    model: ModelSettings
    loss: Annotated[list[LossPart], BeforeValidator(_as_list), Field(min_length=1)]
    optimizer: OptimizerPart
    schedule: SchedulePart = SchedulePart(name="constant")
    metrics: Annotated[list[MetricPart], BeforeValidator(_as_list), Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    postprocess: Postprocess | None = None
    reference: Reference | None = None

    def parts(self) -> list[Part]:
        """All parts of the recipe."""
        parts = [self.data.source, *self.data.augment, self.model.encoder, self.model.decoder]
        return [*parts, *self.loss, self.optimizer, self.schedule, *self.metrics]

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if problem := name_problem(name):
            raise ValueError(problem)
        return name

    @field_validator("postprocess")
    @classmethod
    def _steps_fit_the_task(cls, value: Postprocess | None, info: ValidationInfo) -> Postprocess | None:
        if isinstance(value, PostprocessSettings) and "data" in info.data:
            found = value.problems(info.data["data"].goal)
            hints: dict[str | None, str] = {key: hint for key, _, hint in found}
            _raise_at([(key, problem) for key, problem, _ in found], value, info, hints)
        return value

    @field_validator("metrics")
    @classmethod
    def _metrics_differ(cls, metrics: list[MetricPart]) -> list[MetricPart]:
        names = [metric.key for metric in metrics]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            example = f"{{name: {duplicates[0]}, as: a_name_of_its_own}}"
            raise ValueError(f"duplicate metrics: {', '.join(duplicates)}; write {example}")
        if taken := [m.key for m in metrics if m.key != m.name and METRICS.get(m.key)]:
            raise ValueError(f"as: {taken[0]!r} is the name of another metric: choose another one")
        if taken := [name for name in names if name in COLUMNS]:
            raise ValueError(f"{taken[0]!r} cannot name a metric: it is another column of a run's files")
        return metrics
