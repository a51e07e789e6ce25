"""Synthetic skin lesions: a data set without a download, for first runs, tests and small recipes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from segkit.core.errors import PartError
from segkit.core.registry import SOURCES
from segkit.core.types import Sample, Source, Task

if TYPE_CHECKING:
    from segkit.data.synthetic import Scene

Count = Annotated[int, Field(ge=0, le=100_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=32, le=2048)]

_OBJECTS = ("lesion", "hair", "ruler")
_CHANNELS = {1: "grey", 3: "RGB", 4: "RGB and alpha"}


@SOURCES.register("synthetic_lesions")
def synthetic_lesions(
    task: Task,
    channels: int,
    *,
    train: Annotated[int, Field(ge=1, le=100_000)] = 160,
    val: Count = 0,
    test: Count = 60,
    size: Side | tuple[Side, Side] = 128,
    seed: Annotated[int, Field(ge=0)] = 0,
    hair: Share = 0.6,
    rulers: Share = 0.2,
) -> Source:
    """Synthetic dermoscopy: a pigmented lesion on skin, with hair and rulers.

    No files are used: an image and its mask are a function of `seed`, split and number, so that more images
    do not change the others. Classes are taken by position: for binary, 1 is lesion; for multiclass
    background, lesion, hair, ruler; for multilabel lesion, hair, ruler, where hair over a lesion counts in
    both. A task with fewer classes leaves out the last ones. Scores on these images say nothing about real
    lesions.

    Args:
        task: kind of masks, classes and ignored value.
        channels: 1 for grey, 3 for RGB, 4 for RGB with an alpha of 255.
        train: number of training images.
        val: number of validation images; by default 0, so that the recipe splits the training images.
        test: number of test images.
        size: height and width of the images, or one number for both.
        seed: seed of all images.
        hair: share of images with hair; the rest of the image stays the same.
        rulers: share of images with a ruler along an edge; the rest of the image stays the same.

    Raises:
        PartError: if the number of channels or classes cannot be drawn.
    """
    _check(task, channels)
    from segkit.data.synthetic import Scene

    height, width = (size, size) if isinstance(size, int) else size
    scene = Scene(seed=seed, height=height, width=width, hair=hair, rulers=rulers)
    return _SyntheticLesions(task, channels, scene, {"train": train, "val": val, "test": test})


class _SyntheticLesions:
    def __init__(self, task: Task, channels: int, scene: Scene, counts: Mapping[str, int]) -> None:
        self.task = task
        self.channels = channels
        self.scene = scene
        self.counts = counts

    def splits(self) -> dict[str, list[Sample]]:
        """Samples of the splits that are not empty."""
        return {
            split: [self._sample(split, index) for index in range(count)]
            for split, count in self.counts.items()
            if count
        }

    def _sample(self, split: str, index: int) -> Sample:
        from segkit.data.synthetic import read

        # A partial of a module function can be pickled for spawned workers.
        return Sample(
            name=f"lesion_{split}_{index:04d}",
            read=partial(read, self.scene, split, index, self.task, self.channels),
        )


def _check(task: Task, channels: int) -> None:
    if channels not in _CHANNELS:
        raise PartError(
            f"synthetic_lesions cannot draw images of {channels} channels",
            hint=" or ".join(f"{count} ({meaning})" for count, meaning in _CHANNELS.items()),
        )
    if task.kind == "binary":
        return
    drawn = ("background", *_OBJECTS) if task.kind == "multiclass" else _OBJECTS
    minimum = 2 if task.kind == "multiclass" else 1
    if not minimum <= len(task.classes) <= len(drawn):
        raise PartError(
            f"synthetic_lesions draws {minimum} to {len(drawn)} classes for a {task.kind} task, "
            f"not {len(task.classes)}",
            hint=f"classes are, in this order: {', '.join(drawn)}; leave out the last ones",
        )
