"""Samples of a recipe: scanned, split, read and cached. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL
from PIL import features

from segkit.core.errors import DataError, Problem
from segkit.core.paths import cache_folder
from segkit.core.plugins import source_digest
from segkit.data.cache.cache import Cache
from segkit.data.class_counts import count_classes, mixture_problem
from segkit.data.decoding import Count
from segkit.data.draw_splits import Features
from segkit.data.preprocess import Prepared, layout_of, prepare
from segkit.data.same_images import shared_image_warnings
from segkit.data.source_scan import SourceScan, scan_source
from segkit.data.splits import group_warnings, split_samples
from segkit.recipe import plain_recipe, used_plugins
from segkit.recipe.build import build
from segkit.recipe.fit_warnings import nothing_left
from segkit.recipe.resolve import channels_of_files, with_channels
from segkit.utils.installation import installed_version
from segkit.utils.listing import listed

if TYPE_CHECKING:
    from segkit.core.types import Progress, Sample, Source
    from segkit.recipe import Recipe

_SEGKIT = Path(__file__).parents[1]
# Keys that determine pixels: windows of any size are cut from the same images.
_FIT_KEYS = {"stretch": ("size",), "letterbox": ("size", "fit"), "crop": ("scale", "fit")}


def scan_recipe_source(recipe: Recipe) -> tuple[Recipe, SourceScan]:
    """The recipe with `data.channels` as a number, and the samples before `data.split`.

    auto is the number of channels of up to 32 image files. Generated images and those of a plugin's source
    have 3 unless the recipe says otherwise.

    Raises:
        SegkitError: if the source rejects the recipe, or bands, range or normalize do not fit the channels.
    """
    scan = _scan(recipe)
    if recipe.data.channels != "auto":
        return recipe, scan
    by_number = {} if _is_from_plugin(recipe) else channels_of_files(scan)
    if len(by_number) > 1:
        (usual, other), (odd, file), *_ = by_number.items()
        problem = f"this image has {odd} channels, and {other} has {usual}"
        hint = "use images of one kind, or data.channels: 3 if they are colours with and without opacity"
        mixture = Problem(problem, str(file), hint=hint, kind="unreadable")
        scan = replace(scan, problems=[*scan.problems, mixture])
    resolved = with_channels(recipe, next(iter(by_number), 3))
    if resolved.data.channels == 3:
        return resolved, scan
    return resolved, replace(_scan(resolved), problems=scan.problems)


def _scan(recipe: Recipe) -> SourceScan:
    source: Source = build(recipe.data.source, recipe.data.goal, recipe.data.file_channels)
    return scan_source(source)


def _is_from_plugin(recipe: Recipe) -> bool:
    source = f"source {recipe.data.source.name}"
    return any(source in plugin.parts for plugin in used_plugins(recipe))


def find_samples(recipe: Recipe, scan: SourceScan | None = None) -> dict[str, list[Sample]]:
    """Samples by split, not yet read; at least training samples and samples to score.

    Args:
        recipe: loaded recipe.
        scan: scan of `scan_recipe_source`; by default the source is scanned here.

    Raises:
        DataError: if samples are missing or invalid.
    """
    return {split: [*samples] for split, samples in scan_samples(recipe, scan).whole().items()}


def scan_samples(
    recipe: Recipe, scan: SourceScan | None = None, on_progress: Progress = lambda label, done, total: None
) -> SourceScan:
    """Usable samples by split, and the problems of the others.

    Problems of splitting are reported only if the source has none, as they may be consequences.

    Args:
        recipe: loaded recipe.
        scan: scan of `scan_recipe_source`; by default the source is scanned here.
        on_progress: callback of (label, done, total) while masks are counted to balance splits.

    Raises:
        SegkitError: if the source rejects the recipe.
    """
    found = scan_splits(recipe, scan, on_progress)
    return replace(found, problems=found.problems or _missing_splits(found.splits, recipe))


def scan_splits(
    recipe: Recipe, scan: SourceScan | None = None, on_progress: Progress = lambda label, done, total: None
) -> SourceScan:
    """Like `scan_samples`, but no split is required."""
    scan = scan or scan_recipe_source(recipe)[1]
    try:
        splits = split_samples(scan.splits, recipe.data.split, partial(_class_counts, recipe, on_progress))
        warnings = [*scan.warnings, *group_warnings(scan.splits, recipe.data.split)]
    except DataError as error:
        problems = [replace(problem, kind=problem.kind or "split") for problem in error.problems]
        if not any(scan.splits.values()):  # then no other split would help
            problems = _missing_splits({}, recipe)
        return SourceScan(scan.splits, scan.problems or problems)
    used = {split: samples for split, samples in splits.items() if samples}
    return SourceScan(used, scan.problems, [*warnings, *_unlisted(recipe, scan.splits, used)])


def _class_counts(recipe: Recipe, on_progress: Progress, samples: Sequence[Sample]) -> Features:
    """Pixels of each class and whether it is there, in each mask at the recipe's size: (N, 2 K)."""
    masks = _prepare(recipe, samples, partial(on_progress, "images to balance splits")).masks
    counts = [count_classes([masks[row]], recipe.data.goal).pixels for row in range(len(samples))]
    pixels = np.asarray(counts, float)
    return np.hstack([pixels, pixels > 0])


def _unlisted(
    recipe: Recipe, found: Mapping[str, Sequence[Sample]], used: Mapping[str, Sequence[Sample]]
) -> list[Problem]:
    """A warning about images that the split file does not list."""
    if not (file := recipe.data.split.file):
        return []
    names = {sample.name for samples in used.values() for sample in samples}
    unused = sorted({sample.name for samples in found.values() for sample in samples} - names)
    if not unused:
        return []
    problem = (
        f"{file.name} lists {len(names):,} of the {len(names) + len(unused):,} images: "
        f"the other {len(unused):,} are not used ({listed(unused, 3)})"
    )
    hint = "add them to the file, if they are to be used"
    return [Problem(problem, str(file), hint=hint, kind="split")]


def _missing_splits(splits: Mapping[str, Sequence[Sample]], recipe: Recipe) -> list[Problem]:
    options = recipe.data.source.options
    places = (options.get(key) for key in ("root", "file", "folder", "images"))
    where = next((str(place) for place in places if isinstance(place, str | Path)), recipe.data.source.name)
    if "train" not in splits:
        return [Problem("there are no training images", where, kind="split")]
    if "val" in splits or "test" in splits:
        return []
    return [
        Problem(
            "there are no images to score: the data has no val and no test split",
            where,
            hint="data.split: {by: fraction, val: 0.2} uses a fifth of the training images",
            kind="split",
        )
    ]


def prepare_splits(
    recipe: Recipe, samples: Mapping[str, Sequence[Sample]], on_progress: Progress
) -> dict[str, Prepared]:
    """Arrays by split, read from the files or from the cache; classes are counted in the training images.

    Raises:
        DataError: with the invalid files of all splits, or if the masks hold nothing to learn.
    """
    prepared: dict[str, Prepared] = {}
    problems: list[Problem] = []
    for split, entries in samples.items():
        try:
            prepared[split] = _prepare(recipe, entries, partial(on_progress, f"{split} images"))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError.of(problems)
    for split in ["train"] if "train" in prepared else [*prepared]:
        counts = count_classes(prepared[split].masks, recipe.data.goal)
        prepared[split] = replace(prepared[split], counts=counts)
        # A few images that are scored may well show one class, but not only the first one and ignored pixels.
        problem = mixture_problem(counts, recipe.data.goal)
        if problem and (split == "train" or not any(counts.pixels[1:])):
            raise DataError.of([problem])
        if split == "train" and (problem := nothing_left(recipe.data, prepared[split])):
            raise DataError.of([problem])
    return prepared


def _prepare(recipe: Recipe, samples: Sequence[Sample], on_progress: Count) -> Prepared:
    data = recipe.data
    cache = open_cache(recipe) if data.cache and samples else None
    return prepare(samples, data.geometry, data.goal, data.in_channels, on_progress, cache, bands=data.bands)


def dataset_warnings(
    found: SourceScan, prepared: Mapping[str, Prepared], *, chosen: bool = True
) -> list[str]:
    """Warnings about shared and unused images of `scan_samples`, as sentences.

    Args:
        found: samples by split.
        prepared: their images and masks.
        chosen: whether the best epoch is chosen on validation images.
    """
    unused = [f"{warning.problem}." for warning in found.warnings]
    return [*shared_image_warnings(found.splits, prepared, chosen=chosen), *unused]


def reading_warnings(splits: Mapping[str, Prepared]) -> list[str]:
    """Warnings about how images were read, without duplicates."""
    return [*dict.fromkeys(warning for prepared in splits.values() for warning in prepared.warnings)]


def open_cache(recipe: Recipe) -> Cache:
    """Image cache of a recipe, shared by all recipes with the same preprocessing."""
    data, plain = recipe.data, plain_recipe(recipe)["data"]
    source = f"source {data.source.name}"
    about = {
        **{
            key: plain[key]
            for key in ("source", "task", "classes", "ignore_index", "labels", "bands", *_FIT_KEYS[data.fit])
        },
        "channels": data.file_channels,
        "plugins": sorted(plugin.digest for plugin in used_plugins(recipe) if source in plugin.parts),
        "code": [source_digest(_SEGKIT / room) for room in ("data", "parts/sources")],
        "versions": {
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "jpeg": features.version("jpg"),
            **{name: installed_version(name) for name in ("tifffile", "imagecodecs", "pillow-heif")},
        },
    }
    return Cache(cache_folder(), layout_of(data.geometry, data.goal, data.in_channels), about)
