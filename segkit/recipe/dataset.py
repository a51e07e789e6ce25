"""The images that a recipe names: found, and read. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import PIL
from PIL import features

from segkit.core.errors import DataError, Problem
from segkit.core.paths import cache_folder
from segkit.core.plugins import source_digest
from segkit.data.cache.cache import Cache
from segkit.data.preprocess import Prepared, layout_of, prepare
from segkit.data.source_scan import SourceScan, scan_source
from segkit.data.splits import split_samples
from segkit.recipe import plain_recipe, used_plugins
from segkit.recipe.build import build

if TYPE_CHECKING:
    from segkit.core.types import Progress, Sample, Source
    from segkit.recipe import Recipe

_SEGKIT = Path(__file__).parents[1]


def survey_source(recipe: Recipe) -> SourceScan:
    """The samples as the source has them, before the recipe splits them.

    Raises:
        SegkitError: if the source refuses what the recipe wants of it.
    """
    source: Source = build(recipe.data.source, recipe.data.goal, recipe.data.channels)
    return scan_source(source)


def find_samples(recipe: Recipe, found: SourceScan | None = None) -> dict[str, list[Sample]]:
    """The samples of every split, not yet read; there is something to train on and something to score.

    Args:
        recipe: as loaded.
        found: result of `survey_source`; by default the source is scanned here.

    Raises:
        DataError: naming what is missing.
    """
    return {split: [*samples] for split, samples in scan_samples(recipe, found).whole().items()}


def scan_samples(recipe: Recipe, found: SourceScan | None = None) -> SourceScan:
    """The samples of every split that can be used, and why others cannot.

    Where the source has problems, those of dividing what is left are not told: they may be gone with them.

    Args:
        recipe: as loaded.
        found: result of `survey_source`; by default the source is scanned here.

    Raises:
        SegkitError: if the source refuses what the recipe wants of it.
    """
    splits = scan_splits(recipe, found)
    return SourceScan(splits.splits, splits.problems or _lacking(splits.splits, recipe))


def scan_splits(recipe: Recipe, found: SourceScan | None = None) -> SourceScan:
    """As `scan_samples`, for whoever can do with any split."""
    found = found or survey_source(recipe)
    try:
        samples = split_samples(found.splits, recipe.data.split, recipe.seed)
    except DataError as error:
        of_split = [replace(problem, kind="split") for problem in error.problems]
        return SourceScan(found.splits, found.problems or of_split)
    return SourceScan({split: some for split, some in samples.items() if some}, found.problems)


def _lacking(splits: Mapping[str, Sequence[Sample]], recipe: Recipe) -> list[Problem]:
    """Something to train on, and something to score."""
    if "train" not in splits:
        return [Problem("there are no training images", _root(recipe), kind="split")]
    if "val" in splits or "test" in splits:
        return []
    return [
        Problem(
            "there are no images to score: the data has no val and no test split",
            _root(recipe),
            hint="data.split: {by: fraction, val: 0.2} keeps a fifth of the training images for it",
            kind="split",
        )
    ]


def prepare_splits(
    recipe: Recipe, samples: dict[str, list[Sample]], on_progress: Progress
) -> dict[str, Prepared]:
    """Read every file of every split, or what a run before has kept of it.

    Raises:
        DataError: with the files at fault in all of them.
    """
    data = recipe.data
    cache = open_cache(recipe) if data.cache and samples else None
    splits: dict[str, Prepared] = {}
    problems: list[Problem] = []
    for split, found in samples.items():
        try:
            splits[split] = prepare(
                found, data.size, data.goal, data.channels, partial(on_progress, f"{split} images"), cache
            )
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError.of(problems)
    return splits


def reading_warnings(splits: dict[str, Prepared]) -> list[str]:
    """What the user should know of how images were read, in whole sentences."""
    return [*dict.fromkeys(sentence for prepared in splits.values() for sentence in prepared.warnings)]


def open_cache(recipe: Recipe) -> Cache:
    """The cache of images as a recipe wants them; other recipes share it, unless they want them otherwise."""
    data, plain = recipe.data, plain_recipe(recipe)["data"]
    source = f"source {data.source.name}"
    about = {
        **{key: plain[key] for key in ("source", "task", "classes", "ignore_index", "channels", "size")},
        "plugins": sorted(plugin.digest for plugin in used_plugins(recipe) if source in plugin.parts),
        "code": [source_digest(_SEGKIT / room) for room in ("data", "parts/sources")],
        "versions": {"numpy": numpy.__version__, "pillow": PIL.__version__, "jpeg": features.version("jpg")},
    }
    return Cache(cache_folder(), layout_of(data.size, data.goal, data.channels), about)


def _root(recipe: Recipe) -> str:
    options = recipe.data.source.options
    return str(
        next((options[key] for key in ("root", "file", "images") if key in options), recipe.data.source.name)
    )
