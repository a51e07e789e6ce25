"""Model information: task, image size, normalisation, scores; stored in every export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from segkit.core.types import Task, TaskKind, class_problem
from segkit.data.display import display_rgb
from segkit.data.fit import Fit, FitKind
from segkit.data.labels import ColourText
from segkit.data.pixel_range import PixelRange
from segkit.recipe.postprocess_settings import PostprocessSettings

if TYPE_CHECKING:
    from segkit.core.types import Pixels

MAX_SIDE = 8192  # pixels, as in a recipe
MAX_CHANNELS = 1024
MAX_NUMBERS = 2**31  # of one image or its prediction: 8.6 GB
_MAX_LIMIT = 1e38  # of a range: float32 holds the distance of any two
_RGB = 3
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
_Channel = Annotated[int, Field(ge=0, lt=MAX_CHANNELS)]
_Value = Annotated[int, Field(ge=-(2**63), lt=2**64)] | Annotated[str, Field(max_length=200)]
_Values = Annotated[tuple[_Value, ...], Field(max_length=2**16)]
_PerChannel = Field(max_length=MAX_CHANNELS)


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Information about a trained model; only `parse_model_info` checks the limits.

    Args:
        format: version of the JSON: 2 for models that earlier versions of segkit would use wrongly, 3 for
            post-processed masks.
        kind: kind of the task.
        classes: class names of the task.
        ignore_index: mask value of ignored pixels.
        colors: "#rrggbb" by class, for pictures of masks; other classes have default colours.
        labels: values of the classes in the training masks, as in `data.labels`; empty if they are those of a
            written mask.
        name: name of the recipe.
        channels: channels of image files.
        bands: those of them that the model takes, in this order, counted from 0; None takes all.
        range: (low, high) of each channel that the model takes: the numbers that become 0 and 1. None is 0 to
            255, for models that take uint8.
        rgb: channels of the model that are shown as red, green and blue; empty shows the first ones.
        size: (height, width) of what the model sees, as in training: of whole images, or of windows.
        fit: how images come to that size, as `data.fit` of a recipe.
        scale: with fit crop, pixels of the model per pixel of the image, along one side.
        overlap: with fit crop, share of a window's side by which neighbouring windows overlap.
        mean: normalisation mean per channel that the model takes, for pixels in 0..1.
        std: normalisation standard deviation per channel.
        multiple: number that both input sides must be multiples of; 0 if the model takes `size` only.
        scored_on: split of the scores.
        images: number of scored images.
        scores: scores by metric.
        image_scales: smallest and largest scale of the training images, see `segkit.data.scales`; None if it
            is not known.
        boundary_density: that of the training masks, see `segkit.data.scales`.
        postprocess: steps from probabilities to masks; None is the most probable class, or the threshold 0.5.
    """

    format: Literal[1, 2, 3]
    kind: Annotated[TaskKind, Field(alias="task")]
    classes: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=1, max_length=255)]
    ignore_index: int | None = None
    colors: Annotated[dict[str, ColourText], Field(max_length=256)] = field(default_factory=dict)
    labels: Annotated[dict[str, _Values], Field(max_length=257)] = field(default_factory=dict)
    name: Annotated[str, Field(max_length=200)]
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
    bands: Annotated[tuple[_Channel, ...], Field(min_length=1, max_length=MAX_CHANNELS)] | None = None
    range: Annotated[tuple[tuple[_Finite, _Finite], ...], _PerChannel] | None = None
    rgb: Annotated[tuple[_Channel, ...], Field(max_length=_RGB)] = ()
    size: tuple[_Side, _Side]
    fit: FitKind = "stretch"
    scale: Annotated[float, Field(ge=0.01, le=16)] = 1.0
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mean: Annotated[tuple[_Finite, ...], _PerChannel]
    std: Annotated[tuple[_Finite, ...], _PerChannel]
    multiple: Annotated[int, Field(ge=0, le=1024)] = 1
    scored_on: Annotated[str, Field(max_length=20)] = ""
    images: Annotated[int, Field(ge=0)] = 0
    scores: dict[str, float | None] = field(default_factory=dict)
    image_scales: tuple[_Scale, _Scale] | None = None
    boundary_density: _Finite | None = None
    postprocess: PostprocessSettings | None = None

    @property
    def task(self) -> Task:
        """What is predicted for a pixel."""
        return Task(self.kind, self.classes, self.ignore_index, colors=tuple(self.colors.items()))

    @property
    def geometry(self) -> Fit:
        """How images are fitted to the model."""
        return Fit(self.fit, self.size, self.scale, self.overlap)

    @property
    def in_channels(self) -> int:
        """Channels that the model takes."""
        return len(self.bands) if self.bands else self.channels

    @property
    def pixel_range(self) -> PixelRange:
        """The numbers that become 0 and 1."""
        return PixelRange.of(self.range or (0, 255), self.in_channels)

    def scaled(self, pixels: Pixels) -> Pixels:
        """(..., C) numbers as in image files -> pixels in 0..255, as in training: uint8 or float32."""
        if self.range is None:
            return pixels if pixels.dtype == np.uint8 else pixels.round().clip(0, 255).astype(np.uint8)
        stay = pixels.dtype == np.uint8 and self.pixel_range.is_eight_bits
        return pixels if stay else np.float32(255) * self.pixel_range.unit(pixels)

    def display(self, pixels: Pixels) -> Pixels:
        """(H, W, C) -> 8-bit picture (H, W, 3), or (H, W, 1) for grey."""
        return display_rgb(pixels, self.pixel_range, self.rgb)

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `parse_model_info`."""
        return _MODEL_INFO.dump_python(self, by_alias=True)  # type: ignore[no-any-return]

    @model_validator(mode="after")
    def _classes_and_size_are_plausible(self) -> Self:
        if problem := class_problem(self.kind, self.classes):
            raise ValueError(problem)
        height, width = self.size
        for count, what in ((len(self.classes), "classes"), (self.in_channels, "channels")):
            if height * width * count > MAX_NUMBERS:
                raise ValueError(f"images of {height}x{width} with {count} {what} are too large")
        return self

    @model_validator(mode="after")
    def _postprocess_fits_the_classes(self) -> Self:
        for key, problem, _ in self.postprocess.problems(self.task) if self.postprocess else ():
            raise ValueError(f"postprocess.{key}: {problem}")
        return self

    @model_validator(mode="after")
    def _channels_are_plausible(self) -> Self:
        if self.bands and max(self.bands) >= self.channels:
            raise ValueError(f"band {max(self.bands)} is none of the channels 0 to {self.channels - 1}")
        if self.rgb and (len(self.rgb) != _RGB or max(self.rgb) >= self.in_channels):
            raise ValueError(f"rgb {[*self.rgb]} are not three of the {self.in_channels} channels")
        if self.range is not None:
            if len(self.range) != self.in_channels:
                raise ValueError(f"{len(self.range)} ranges do not fit {self.in_channels} channels")
            for low, high in self.range:
                if max(-low, high) > _MAX_LIMIT or not np.float32(low) < np.float32(high):
                    raise ValueError(f"{low:g} to {high:g} is not a range of float32 numbers")
        return self


_MODEL_INFO = TypeAdapter(ModelInfo)


def parse_model_info(plain: Any) -> ModelInfo:
    """Model information from the plain data of an untrusted file.

    Raises:
        ValueError: if it is invalid, with the key at fault.
    """
    try:
        return _MODEL_INFO.validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'facts'}: {message}") from None
