"""Scores of each class, from counts of pixels; definitions in docs/metrics.md. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.types import Task

Counts = npt.NDArray[np.integer[Any]]
Figures = npt.NDArray[np.float64]

MEASURES = ("iou", "dice", "precision", "recall")  # on the data set
IMAGE_MEASURES = tuple(f"{name}_per_image" for name in MEASURES)  # means over images
MAX_LISTED = 10  # classes in a sentence


def class_measures(both: Counts, predicted: Counts, truth: Counts) -> dict[str, Figures]:
    """IoU, Dice, precision and recall from numbers of pixels; NaN where undefined, such as 0 of 0.

    Args:
        both: pixels of the class in prediction and ground truth.
        predicted: its pixels in the prediction.
        truth: its pixels in the ground truth.
    """
    total = predicted.astype(np.int64) + truth
    fractions = ((both, total - both), (2 * both.astype(np.int64), total), (both, predicted), (both, truth))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: part / whole for name, (part, whole) in zip(MEASURES, fractions, strict=True)}


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """Pixels of every class in every image, without ignored ones.

    Args:
        task: kind of masks and names of the classes.
        pixels: (N, K, 3): pixels of the class in both masks, in the prediction, and in the ground truth.
        confusion: pixels of all images: multiclass (K, K), rows are true classes, columns predicted ones;
            otherwise (K, 2, 2), for each class ``[[tn, fp], [fn, tp]]``.
    """

    task: Task
    pixels: Counts
    confusion: Counts

    @cached_property
    def total(self) -> Counts:
        """(3, K): the sum of `pixels` over the images."""
        total: Counts = self.pixels.sum(axis=0, dtype=np.int64).T
        return total

    def per_image(self, image: int) -> dict[str, Figures]:
        """The measures of one image, (K,) each."""
        return class_measures(*self.pixels[image].T)

    def iou_by_image(self) -> Figures:
        """IoU of every class in every image, (K, N); NaN where the class is in neither mask."""
        return class_measures(*np.moveaxis(self.pixels, -1, 0))["iou"].T

    @cached_property
    def per_class(self) -> dict[str, dict[str, float]]:
        """Measures and support by class: ``{"iou": {"road": 0.91, ...}, ...}``; NaN where undefined.

        `iou`, `dice`, `precision` and `recall` are those of all pixels together, `iou_per_image` and so on
        the means over the images where they are defined. `pixels` and `images` are those of the ground
        truth, `predicted_pixels` those of the prediction.
        """
        columns: dict[str, Any] = class_measures(*self.total)
        columns |= dict(zip(IMAGE_MEASURES, self._means_over_images(), strict=True))
        _, columns["predicted_pixels"], columns["pixels"] = self.total
        columns["images"] = (self.pixels[..., 2] > 0).sum(axis=0)
        return {
            name: dict(zip(self.task.classes, values.tolist(), strict=True))
            for name, values in columns.items()
        }

    def as_json(self) -> dict[str, Any]:
        """`per_class` and `confusion` as plain data."""
        return {"per_class": self.per_class, "confusion": self.confusion.tolist()}

    def warnings(self, images: str) -> list[str]:
        """Sentences about classes that are never predicted, or in no ground truth.

        Args:
            images: what is scored in words, such as "20 test images".
        """
        _, predicted, truth = self.total
        names = np.array(self.task.classes, dtype=object)
        missed, absent = (truth > 0) & (predicted == 0), truth == 0
        having = (self.pixels[..., 2] > 0).sum(axis=0)[missed]
        return [
            *_never_predicted(names[missed], having, images, self.task),
            *never_there(names[absent], images),
        ]

    def _means_over_images(self) -> list[Figures]:
        sums = np.zeros((2, len(MEASURES), len(self.task.classes)))
        for start in range(0, len(self.pixels), 1024):  # bounds the memory
            part = np.moveaxis(self.pixels[start : start + 1024], -1, 0)
            values = np.array([*class_measures(*part).values()])  # measures, images, classes
            sums += np.nansum(values, axis=1), (~np.isnan(values)).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return [*(sums[0] / sums[1])]


def image_words(count: int, split: str = "") -> str:
    """``379 test images``, ``1 image``."""
    return f"{count:,} {split + ' ' if split else ''}image{'' if count == 1 else 's'}"


def never_trained(classes: Sequence[str]) -> list[str]:
    """A sentence about classes that are in no training image."""
    if not classes:
        return []
    subject, verb = _subject(classes)
    it = "it" if len(classes) == 1 else "them"
    return [
        f"{subject} {verb} in no training image and cannot be learnt: add training images with {it}, or "
        f"leave {it} out of data.classes."
    ]


def _never_predicted(classes: Sequence[str], having: Counts, images: str, task: Task) -> list[str]:
    if not len(classes):
        return []
    subject, verb = _subject(classes)
    it = "it" if len(classes) == 1 else "them"
    weights = "pos_weight" if task.kind == "binary" else "class_weights"
    if images.startswith("1 "):
        where = f"the {images} has {it}"
    elif len(classes) == 1:
        where = f"{having[0]:,} of the {images} {'has' if having[0] == 1 else 'have'} it"
    else:
        where = f"some of the {images} have them"
    return [
        f"{subject} {verb} never predicted, although {where}: more epochs can help, or an overlap loss such "
        f"as dice, {weights}: balanced, or with data.fit: crop more windows that show {it} "
        "(data.crop.foreground, crop.classes)."
    ]


def never_there(classes: Sequence[str], images: str) -> list[str]:
    """A sentence about classes that no ground truth of the scored images shows.

    Args:
        classes: their names.
        images: what is scored in words, such as "20 test images".
    """
    if not len(classes):
        return []
    subject, verb = _subject(classes)
    where = (
        f"not in the ground truth of the {images}"
        if images.startswith("1 ")
        else (f"in the ground truth of none of the {images}")
    )
    return [
        f"{subject} {verb} {where}, so that no score says how well "
        f"{'it is' if verb == 'is' else 'they are'} found: score images that have "
        f"{'it' if verb == 'is' else 'them'}, for example with another data.split."
    ]


def _subject(classes: Sequence[str]) -> tuple[str, str]:
    """``The class 'a'`` and ``is``, or ``The classes 'a' and 'b'`` and ``are``."""
    shown = [repr(str(name)) for name in classes[:MAX_LISTED]]
    if more := len(classes) - len(shown):
        shown.append(f"{more} more")
    if len(shown) == 1:
        return f"The class {shown[0]}", "is"
    return f"The classes {', '.join(shown[:-1])} and {shown[-1]}", "are"
