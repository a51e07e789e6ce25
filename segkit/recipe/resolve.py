"""Numbers of a recipe that its images decide: channels and range. No torch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segkit.core.errors import DataError, Problem, RecipeError
from segkit.data.cache.array_view import types_of
from segkit.data.images import channels_to_read
from segkit.data.measure_range import clipped_images, extremes, measure_range
from segkit.data.pixel_range import PixelRange, range_to_apply
from segkit.data.preprocess import Prepared
from segkit.data.source_scan import SourceScan
from segkit.recipe.image_settings import Percentile, bands_problem, normalize_problem, range_problem
from segkit.recipe.transform_images import transform_problems
from segkit.utils.listing import agree, listed

if TYPE_CHECKING:
    from segkit.recipe import Recipe
    from segkit.recipe.data_settings import DataSettings

_MAX_HEADERS = 32
_MIN_USED = 0.03  # of a range


def channels_of_files(scan: SourceScan) -> dict[int, Path]:
    """Channels as which image files are read, most frequent first, each with the first such file."""
    samples = scan.splits.get("train") or [*chain(*scan.splits.values())]
    found: dict[int, list[Path]] = defaultdict(list)
    for sample in samples[:: math.ceil(len(samples) / _MAX_HEADERS) or 1]:
        if sample.files:
            with suppress(DataError):  # reported when it is read
                found[channels_to_read(sample.files[0])].append(sample.files[0])
    return {number: found[number][0] for number in sorted(found, key=lambda number: -len(found[number]))}


def with_channels(recipe: Recipe, channels: int) -> Recipe:
    """The recipe for image files of that many channels.

    Raises:
        SegkitError: if bands, range or normalize do not fit them.
    """
    data = recipe.data.model_copy(update={"channels": channels})
    problems = {
        "bands": bands_problem(data.bands, channels),
        "range": range_problem(data.range, data.in_channels),
        "normalize": normalize_problem(data.normalize, data.in_channels),
    }
    found = [Problem(text, path=f"data.{key}") for key, text in problems.items() if text]
    if found := [*found, *transform_problems(data).values()]:
        raise RecipeError.of(found)
    return recipe.model_copy(update={"data": data})


def with_measured_range(recipe: Recipe, train: Prepared) -> Recipe:
    """The recipe with the numbers of the training images as `data.range`, unless the recipe has numbers.

    auto stays for images of 8 bits: 0 to 255.
    """
    given = recipe.data.range
    if isinstance(given, Percentile):
        measured = measure_range(train.images, given.percentile)
    elif given == "auto" and types_of(train.images) != {np.dtype(np.uint8)}:
        measured = measure_range(train.images)
    else:
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"range": measured.pairs()})})


def pixels_in_words(data: DataSettings) -> str:
    """Channels of the model and their range, such as "12 channels, 0 to 4095"; empty for 8-bit RGB."""
    channels, pixel_range = data.in_channels, data.pixel_range
    if channels == 3 and not data.bands and pixel_range.is_eight_bits:
        return ""
    count = "1 channel" if channels == 1 else f"{channels} channels"
    bands = f" (bands {', '.join(map(str, data.bands))} of {data.file_channels})" if data.bands else ""
    known = "not measured" if isinstance(data.range, Percentile) else str(pixel_range)
    return f"{count}{bands}, {known}"


def range_warnings(given: Recipe, recipe: Recipe, splits: Mapping[str, Prepared]) -> list[str]:
    """Warnings about images that do not fit the range, as sentences.

    Args:
        given: recipe before the range was measured.
        recipe: recipe with the range.
        splits: images by split.
    """
    pixel_range, is_given = recipe.data.pixel_range, given.data.range == recipe.data.range
    to_scale = {split: part for split, part in splits.items() if range_to_apply(part.images, pixel_range)}
    to_look_at = [split for split in to_scale if is_given or split != "train"]
    warnings = [_clipped(split, to_scale[split], pixel_range) for split in to_look_at]
    if is_given and "train" in to_scale:
        warnings.append(_hardly_used(to_scale["train"], pixel_range))
    return [*filter(None, warnings)]


def _clipped(split: str, prepared: Prepared, pixel_range: PixelRange) -> str:
    clipped = [prepared.names[index] for index in clipped_images(prepared.images, pixel_range)]
    if not clipped:
        return ""
    lie = agree(len(clipped), "lies", "lie")
    return (
        f"{len(clipped):,} of the {len(prepared):,} {split} images {lie} outside of the range {pixel_range} "
        f"({listed(clipped, 3)}): half of their pixels in a channel, or more, become 0 or 1. "
        "Do their numbers have another scale?"
    )


def _hardly_used(train: Prepared, pixel_range: PixelRange) -> str:
    low, high = extremes(train.images)
    used = ((high - low) / (np.array(pixel_range.high) - pixel_range.low)).max()
    if used >= _MIN_USED:
        return ""
    return (
        f"The numbers of all training images use at most {used:.1%} of the range {pixel_range}: "
        "the model sees nearly one colour. data.range: auto measures the range of the images."
    )
