"""Samples of the training epochs, as a recipe asks for them: which images, which windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import DataError, Problem
from segkit.data.class_blocks import ClassBlocks
from segkit.data.class_counts import counted_names
from segkit.data.draw_windows import WindowDraw
from segkit.data.sample_epoch import Indices, SampleEpochs
from segkit.data.split_groups import groups_of
from segkit.utils.listing import listed

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.data.preprocess import Prepared
    from segkit.recipe import Recipe
    from segkit.recipe.data_settings import DataSettings


@dataclass(frozen=True)
class TrainingSamples:
    """What the training batches are drawn from.

    Args:
        epochs: images of the samples of every epoch.
        windows: how windows of the images are drawn; None for whole images.
    """

    epochs: SampleEpochs
    windows: WindowDraw | None


def training_samples(recipe: Recipe, train: Prepared, samples: Sequence[Sample]) -> TrainingSamples:
    """The samples of the training epochs; reads the masks if the recipe asks for classes.

    Args:
        recipe: checked recipe.
        train: training images.
        samples: at least the samples of `train`, whose groups may be balanced.

    Raises:
        DataError: if no training image shows a class of `data.crop.classes`, or a sample has no group.
    """
    data = recipe.data
    named, foreground = _named_targets(data), data.crop.foreground if data.crop else 0.0
    by_class = data.sample.balance == "class"
    blocks, how = None, dict[str, Any]()
    if foreground or by_class:
        anything = len(counted_names(data.goal))
        targets = [] if not foreground else [*range(anything + 1)] if by_class else named or [anything]
        blocks = ClassBlocks(train.masks, data.padded_goal, targets)
        how["shows"] = blocks.shows
    if blocks and by_class:
        how["strata"], stratum_targets = _class_strata(blocks, data)
        how |= {"targets": stratum_targets, "by_stratum": True}
    elif data.sample.balance == "group" and data.split.group:
        groups = groups_of([*samples], data.split.group)
        how["strata"] = _group_strata([groups[name] for name in train.names])
    if blocks and foreground:
        if named:
            how |= {"targets": _shown(named, blocks, data), "by_stratum": False, "others_from": "all"}
        elif data.sample.balance:
            how["others_from"] = "stratum"
        how.setdefault("targets", [blocks.anything])
        how["foreground"] = foreground
    epochs = SampleEpochs(len(train), recipe.seed, samples=data.samples_per_epoch(len(train)), **how)
    padding = data.padded_goal.ignore_index
    if data.fit == "stretch" or padding is None:
        return TrainingSamples(epochs, None)
    return TrainingSamples(epochs, WindowDraw(data.size, padding, blocks if foreground else None))


def _named_targets(data: DataSettings) -> list[int]:
    """Targets of `data.crop.classes`; balanced are all classes that are foreground."""
    if not data.crop or not data.crop.classes:
        return []
    names = counted_names(data.goal)
    if data.crop.classes == "balanced":
        return [*range(0 if data.goal.kind == "multilabel" else 1, len(names))]
    return [names.index(name) for name in data.crop.classes]


def _shown(targets: Sequence[int], blocks: ClassBlocks, data: DataSettings) -> list[int]:
    """Targets that some image shows; those that the recipe lists must be among them."""
    shown = [target for target in targets if blocks.shows[target].any()]
    if data.crop and data.crop.classes != "balanced" and len(shown) < len(targets):
        missing = [counted_names(data.goal)[target] for target in targets if target not in shown]
        problem = f"no training image shows {listed(missing)}"
        hint = "leave it out, or set classes: balanced, which takes those that are there"
        raise DataError.of([Problem(problem, path="data.crop.classes", hint=hint)])
    return shown or [blocks.anything]


def _class_strata(blocks: ClassBlocks, data: DataSettings) -> tuple[list[Indices], list[int]]:
    """Images that show each class, and the target of their windows; for multilabel also those without one."""
    multilabel = data.goal.kind == "multilabel"
    shows = [*blocks.shows[: blocks.anything], *([~blocks.shows[blocks.anything]] if multilabel else [])]
    strata = [(np.flatnonzero(images), target) for target, images in enumerate(shows) if images.any()]
    background = blocks.anything if multilabel else 0
    targets = [blocks.anything if target == background else target for _, target in strata]
    return [images for images, _ in strata], targets


def _group_strata(groups: Sequence[str]) -> list[Indices]:
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return [np.array(images) for images in members.values()]
