"""Masks from probabilities: thresholds, filled holes, removed objects.

Pixels of an object may touch at corners only, those of a hole may not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segkit.data.windows import Maps

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.data.fit import Fit
    from segkit.data.readers.raster import Extent

Plane = npt.NDArray[np.bool_]  # (H, W), the pixels of one class
_STRIP = 2**22  # pixels that are counted or looked up at once


@dataclass(frozen=True)
class MaskSteps:
    """Post-processing: in this order threshold, fill holes, remove small objects, keep the largest one.

    In multiclass tasks, holes are pixels of the first class inside of another one, and pixels of removed
    objects become the next probable class.

    Args:
        task: what is predicted.
        threshold: probability above which a pixel belongs to a class, by class; not used for multiclass.
        fill_holes: largest area of holes that are filled, in pixels of the mask, by class; may be infinite.
        min_size: smallest area of objects that are kept, in pixels of the mask, by class.
        keep_largest: whether only the largest object is kept, by class; of several, the first from the top.
    """

    task: Task
    threshold: tuple[float, ...]
    fill_holes: tuple[float, ...]
    min_size: tuple[float, ...]
    keep_largest: tuple[bool, ...]

    def scaled(self, factor: float) -> MaskSteps:
        """The same for masks with `factor` times as many pixels."""
        fill, size = (tuple(factor * area for area in areas) for areas in (self.fill_holes, self.min_size))
        return replace(self, fill_holes=fill, min_size=size)

    def mask(self, probabilities: Maps) -> Pixels:
        """Mask of a whole image from its probabilities.

        Shape:
            probabilities: (K, H, W).
            output: (H, W) uint8, or (H, W, K) for multilabel.
        """
        return self.finish(self.decide(probabilities))

    def decide(self, probabilities: Maps) -> Pixels:
        """What `finish` needs of some rows, uint8.

        Shape:
            probabilities: (K, rows, W).
            output: as `mask`, but for multiclass (rows, W, 2): the most and the next probable class.
        """
        if self.task.kind == "multiclass":
            best = probabilities.argmax(axis=0)
            others = probabilities.copy()
            np.put_along_axis(others, best[None], -1, axis=0)
            return np.stack([best, others.argmax(axis=0)], axis=-1).astype(np.uint8)
        limits = np.array(self.threshold, probabilities.dtype)[:, None, None]
        above: Pixels = (probabilities > limits).astype(np.uint8)
        return above[0] if self.task.kind == "binary" else np.ascontiguousarray(np.moveaxis(above, 0, -1))

    def finish(self, decided: Pixels) -> Pixels:
        """Mask of a whole image, as `mask`, from what `decide` has made of its rows."""
        if self.task.kind == "multiclass":
            return self._finish_multiclass(decided)
        planes = decided if self.task.kind == "multilabel" else decided[..., None]
        cleaned = [self._clean(planes[..., index] != 0, index) for index in range(planes.shape[-1])]
        if self.task.kind == "binary":
            return cleaned[0].view(np.uint8)
        return np.stack([plane.view(np.uint8) for plane in cleaned], axis=-1)

    def _clean(self, plane: Plane, index: int) -> Plane:
        filled = fill_holes(plane, self.fill_holes[index])
        return keep_objects(filled, self.min_size[index], largest=self.keep_largest[index])

    def _finish_multiclass(self, decided: Pixels) -> Pixels:
        best, second = decided[..., 0], decided[..., 1]
        mask: Pixels = np.ascontiguousarray(best)
        for index, limit in enumerate(self.fill_holes):
            if limit >= 1:
                plane = best == index
                mask[fill_holes(plane, limit, best == 0) & ~plane] = index
        removed = np.zeros(mask.shape, bool)
        for index, (size, largest) in enumerate(zip(self.min_size, self.keep_largest, strict=True)):
            if size or largest:
                plane = mask == index
                removed |= plane & ~keep_objects(plane, size, largest=largest)
        # Filled pixels of a removed object are what they were.
        mask[removed] = np.where(mask == best, second, best)[removed]
        return mask


def area_factor(fit: Fit, size: Extent) -> float:
    """Pixels of an image of (height, width) for each pixel at the size at which a model sees it."""
    height, width = fit.content(size)
    return size[0] * size[1] / (height * width)


def scoring_factor(fit: Fit, size: Extent) -> float:
    """The same for the size (height, width) at which masks are scored: the image's own only with fit crop."""
    return area_factor(fit, size) if fit.is_native else 1.0


class _Components:
    """Connected components inside the smallest box around a plane: labels from 1, and areas by label."""

    def __init__(self, plane: Plane, *, of_holes: bool) -> None:
        from scipy import ndimage  # 0.2 s, which only post-processing needs

        # Outside of the box there is neither an object nor a hole.
        rows, columns = (np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0))
        ends = [(side[0], side[-1] + 1) if len(side) else (0, 0) for side in (rows, columns)]
        self.plane = plane
        self.box = slice(*ends[0]), slice(*ends[1])
        inside = plane[self.box]
        inside, corners = (~inside, None) if of_holes else (inside, np.ones((3, 3)))
        labels, count = ndimage.label(inside, corners) if inside.size else (np.zeros((0, 0), np.int32), 0)
        self.labels: npt.NDArray[Any] = labels
        self.areas = np.zeros(count + 1, np.int64)  # the first is that of all other pixels
        for part in _strips(labels):
            self.areas += np.bincount(labels[part].ravel(), minlength=count + 1)

    def flagged(self, flags: Plane) -> Plane:
        """Pixels of the box whose label is flagged."""
        result = np.empty(self.labels.shape, bool)
        for part in _strips(self.labels):  # an array as index is copied as int64
            result[part] = flags[self.labels[part]]
        return result


class Holes(_Components):
    """Holes of a plane: what is not of it, and does not reach the border of the image.

    Args:
        plane: (H, W).
        fillable: only holes all of whose pixels are of these; by default all.
    """

    def __init__(self, plane: Plane, fillable: Plane | None = None) -> None:
        super().__init__(plane, of_holes=True)
        labels = self.labels
        self._is_hole = np.ones(len(self.areas), bool)
        self._is_hole[0] = False
        for side in (labels[:1], labels[-1:], labels[:, :1], labels[:, -1:]):
            self._is_hole[side] = False
        if fillable is not None:
            self._is_hole[labels[~fillable[self.box]]] = False

    def filled(self, limit: float) -> Plane:
        """The plane without holes of at most `limit` pixels; the plane itself if there are none."""
        flags = self._is_hole & (self.areas <= limit)
        if not flags.any():
            return self.plane
        result = self.plane.copy()
        result[self.box] |= self.flagged(flags)
        return result


class Objects(_Components):
    """Objects of a plane (H, W)."""

    def __init__(self, plane: Plane) -> None:
        super().__init__(plane, of_holes=False)

    def kept(self, min_size: float, *, largest: bool) -> Plane:
        """The plane without objects of fewer pixels, and without all but the largest one if `largest`.

        The plane itself if nothing is removed.
        """
        flags = self.areas >= min_size
        if largest and len(flags) > 1:
            flags &= np.arange(len(flags)) == 1 + self.areas[1:].argmax()
        flags[0] = False
        if flags[1:].all():
            return self.plane
        result = np.zeros_like(self.plane)
        result[self.box] = self.flagged(flags)
        return result


def fill_holes(plane: Plane, limit: float, fillable: Plane | None = None) -> Plane:
    """`Holes.filled`, if the limit allows any."""
    return Holes(plane, fillable).filled(limit) if limit >= 1 else plane


def keep_objects(plane: Plane, min_size: float, *, largest: bool) -> Plane:
    """`Objects.kept`, if anything could be removed."""
    return Objects(plane).kept(min_size, largest=largest) if largest or min_size > 1 else plane


def _strips(labels: npt.NDArray[Any]) -> list[slice]:
    step = max(1, _STRIP // max(1, labels.shape[1]))
    return [slice(top, top + step) for top in range(0, len(labels), step)]
