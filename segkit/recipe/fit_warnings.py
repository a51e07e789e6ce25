"""Settings of `data` that do not suit the images, or have no effect, told before training. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from segkit.core.errors import Problem
from segkit.data.windows import GRID
from segkit.recipe.transform_images import order_warnings
from segkit.utils.listing import agree, counted, listed
from segkit.utils.machine import machine_memory

if TYPE_CHECKING:
    from segkit.data.fit import Fit
    from segkit.data.preprocess import Prepared
    from segkit.recipe.data_settings import DataSettings

_MIN_SIDE = 8  # pixels, as of data.size
_MAX_PADDING = 0.25  # of a window
_BYTES_PER_SCORE = 12  # a probability in 32 bits, and its logit in 64
_MAX_MEMORY = 0.5  # of the machine's
_TRAINING_COST = 3  # of a window, relative to scoring one: a backward pass takes about two forward ones


def nothing_left(data: DataSettings, train: Prepared) -> Problem | None:
    """The problem of training images of which too little is left for the model, if it is most of them."""
    small = _too_small(data.geometry, train)
    if 2 * len(small) <= len(train):
        return None
    height, width = train.images[small[0]].shape[:2]
    key, hint = "data.scale", "a larger data.scale"
    if not data.crop:
        key, hint = "data.size", "a larger data.size, or data.fit: crop, which keeps the resolution"
    problem = (
        f"training image {train.names[small[0]]} has {width}x{height} pixels for the model; {len(small):,} "
        f"of the {len(train):,} have less than {_MIN_SIDE} along a side"
    )
    return Problem(problem, path=key, hint=hint)


def fit_warnings(
    data: DataSettings, epochs: int, splits: Mapping[str, Prepared], whole: Sequence[str]
) -> list[str]:
    """Warnings about images, windows, their cost, and settings without effect, as sentences.

    Args:
        data: settings of the data.
        epochs: epochs of the training, at most.
        splits: images by split.
        whole: names of the metrics that need the logits of a whole image at once.
    """
    warnings = [*order_warnings(data), *_small_images(data.geometry, splits)]
    if train := splits.get("train"):
        warnings += _balance(data, train)
    if data.crop and train:
        warnings += [*_padding(data.geometry, train), *_foreground(data, train), *_steps(data.geometry)]
        warnings += [*_without_effect(data, splits), *_cost_of_epochs(data, splits)]
        warnings += _cost_of_final_scores(data, epochs, splits)
    return [*warnings, *_memory(data, splits, whole)] if data.crop else warnings


def _too_small(fit: Fit, prepared: Prepared) -> list[int]:
    """Indices of images that are smaller for the model than its input may be, and than they are."""
    if fit.kind == "stretch" or fit.scale > 1:
        return []
    sides = (min(image.shape[:2]) for image in prepared.images)
    return [index for index, side in enumerate(sides) if side < _MIN_SIDE]


def _small_images(fit: Fit, splits: Mapping[str, Prepared]) -> Iterator[str]:
    for split, prepared in splits.items():
        if small := _too_small(fit, prepared):
            names = listed([prepared.names[index] for index in small], 3)
            key = "data.scale" if fit.is_native else "data.size"
            have = agree(len(small), "has", "have")
            yield (
                f"{len(small):,} of the {len(prepared):,} {split} images ({names}) {have} less than "
                f"{_MIN_SIDE} pixels along a side for the model: a larger {key} leaves more of them."
            )


def _balance(data: DataSettings, train: Prepared) -> Iterator[str]:
    if data.sample.balance != "class" or train.counts is None:
        return
    counts = train.counts
    shown = [name for name, images in zip(counts.names, counts.images, strict=True) if images]
    if not shown or any(0 < images < len(train) for images in counts.images):
        return
    crop, foreground = data.crop, {*shown} & {*_foreground_classes(data)}
    if not (crop and crop.foreground and not crop.classes and len(foreground) > 1):  # windows take turns
        yield (
            f"data.sample.balance: class has no effect, as each training image shows {listed(shown)}. Leave "
            "it out."
        )


def _foreground_classes(data: DataSettings) -> Sequence[str]:
    return data.classes[1:] if data.task == "multiclass" else data.classes


def _padding(fit: Fit, train: Prepared) -> Iterator[str]:
    height, width = fit.size
    sides = [image.shape[:2] for image in train.images]
    padding = 1 - median(min(h, height) * min(w, width) / (height * width) for h, w in sides)
    if padding < _MAX_PADDING:
        return
    usual = [int(median(lengths)) for lengths in zip(*sides, strict=True)]
    smaller = [max(GRID, min(pair) // GRID * GRID) for pair in zip(fit.size, usual, strict=True)]
    yield (
        f"data.size: {[*fit.size]} is larger than most training images, which are {usual[1]}x{usual[0]} "
        f"pixels for the model: {padding:.0%} of a usual window is padding. data.size: {smaller} leaves less "
        "of it, or data.fit: letterbox makes images as large as the window."
    )


def _foreground(data: DataSettings, train: Prepared) -> Iterator[str]:
    crop, counts = data.crop, train.counts
    if not crop or not crop.foreground or counts is None:
        return
    images = dict(zip(counts.names, counts.images, strict=True))
    wanted = _foreground_classes(data) if crop.classes in (None, "balanced") else crop.classes or ()
    absent = [name for name in wanted if not images[name]]
    key = f"data.crop.foreground: {crop.foreground:g}"
    if len(absent) == len(wanted):
        names = f"any of {listed(wanted)}" if len(wanted) > 1 else wanted[0]
        yield (
            f"{key} asks for windows with foreground, and no training mask holds {names}: all windows are "
            "drawn anywhere. Correct data.labels or the masks, or set data.crop.foreground: 0."
        )
    elif absent and isinstance(crop.classes, tuple):
        yield (
            f"data.crop.classes: no training mask holds {listed(absent)}, so no window does. Leave "
            f"{'it' if len(absent) == 1 else 'them'} out."
        )


def _steps(fit: Fit) -> Iterator[str]:
    for side, step in dict.fromkeys(zip(fit.size, fit.step, strict=True)):
        if side > GRID and step % GRID:
            most = math.floor(100 * (1 - GRID / side)) / 100
            yield (
                f"data.crop.overlap: {fit.overlap:g} of {side} pixels makes windows start every {step} "
                f"pixels. Use at most {most:g}: at multiples of {GRID} the model sees pixels at the same "
                "positions as in the whole image, and there are fewer windows to score."
            )


def _without_effect(data: DataSettings, splits: Mapping[str, Prepared]) -> Iterator[str]:
    per_image, windows = data.crop.per_image if data.crop else 1, data.validate_windows
    if per_image > 1 and data.sample.epoch:
        yield (
            f"data.crop.per_image: {per_image} has no effect, as data.sample.epoch: {data.sample.epoch} is "
            "the number of windows of an epoch. Leave out one of them."
        )
    name = _scored_in_epochs(splits)
    if windows and name in splits and windows >= (there := _windows(data.geometry, splits[name])):
        yield (
            f"data.validate_windows: {windows} saves nothing, as the {_images(name, splits[name])} have "
            f"{counted(there, 'window')}. Leave it out, so that whole images are scored."
        )


def _scored_in_epochs(splits: Mapping[str, Prepared]) -> str:
    return "val" if "val" in splits else "test"


def _cost_of_epochs(data: DataSettings, splits: Mapping[str, Prepared]) -> Iterator[str]:
    name = _scored_in_epochs(splits)
    if name not in splits or data.validate_windows:
        return
    scored, trained = _windows(data.geometry, splits[name]), data.samples_per_epoch(len(splits["train"]))
    if scored > _TRAINING_COST * trained:
        key = "data.sample.epoch" if data.sample.epoch else "data.crop.per_image"
        yield (
            f"An epoch trains on {counted(trained, 'window')}, and then {scored:,} windows of the "
            f"{_images(name, splits[name])} are scored, which takes longer. data.validate_windows: {trained} "
            f"scores fewer until training has ended; a larger {key} trains on more."
        )


def _cost_of_final_scores(data: DataSettings, epochs: int, splits: Mapping[str, Prepared]) -> Iterator[str]:
    name = "test" if "test" in splits else "val"
    is_scored_in_epochs = len({"val", "test"} & splits.keys()) == 1 and not data.validate_windows
    if name not in splits or is_scored_in_epochs:
        return
    fit, trained = data.geometry, epochs * data.samples_per_epoch(len(splits["train"]))
    scored, fewest = (_windows(to, splits[name]) for to in (fit, replace(fit, overlap=0.0)))
    if scored > trained:
        fewer = f" data.crop.overlap: 0 makes it {fewest:,}." if fewest < scored else ""
        yield (
            f"Scoring is a large part of this run: at the end {scored:,} windows of the "
            f"{_images(name, splits[name])} are scored, and all epochs together train on {trained:,}.{fewer}"
        )


def _windows(fit: Fit, prepared: Prepared) -> int:
    return sum(fit.windows_of((mask.shape[0], mask.shape[1])) for mask in prepared.masks)


def _images(split: str, prepared: Prepared) -> str:
    return counted(len(prepared), "validation image" if split == "val" else f"{split} image")


def _memory(data: DataSettings, splits: Mapping[str, Prepared], whole: Sequence[str]) -> Iterator[str]:
    scored = [part for split, part in splits.items() if split != "train"]
    pixels = max((mask.shape[0] * mask.shape[1] for part in scored for mask in part.masks), default=0)
    needed, memory = pixels * data.goal.channels * _BYTES_PER_SCORE, machine_memory()
    if whole and needed > _MAX_MEMORY * memory:
        yield (
            f"metrics: {listed(whole)} needs the scores of all pixels of an image at once: "
            f"{needed / 1e9:,.0f} GB for the largest one, and this machine has {memory / 1e9:,.0f} GB. "
            f"Leave {'it' if len(whole) == 1 else 'them'} out: other metrics are computed part by part."
        )
