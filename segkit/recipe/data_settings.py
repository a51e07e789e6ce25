"""Settings of the data: images, masks, and the segmentation task."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from segkit.core.registry import Settings
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
from segkit.recipe.part_schema import SourcePart, TransformPart
from segkit.recipe.raise_at import raise_at

_PADDING = 255  # in masks


def _as_split(value: Any) -> Any:
    return {"by": value} if isinstance(value, str) else value


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

    def steps_per_epoch(self, images: int) -> int:
        """Training steps of an epoch of that many training images."""
        return math.ceil(self.samples_per_epoch(images) / self.batch_size)

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
        raise_at(problems, value, info, hints)
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
            raise_at([("classes", problem)], value, info)
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
            raise_at([("balance", f"balance: group {problem}")], value, info)
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
