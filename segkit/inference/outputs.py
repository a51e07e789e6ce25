"""The files that a prediction becomes: masks, probabilities, overlays; all at the image's own size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segkit.data.palette import mask_palette
from segkit.inference.options import ProbabilityFormat
from segkit.inference.overlays import overlay_of
from segkit.inference.postprocess import mask_of
from segkit.inference.probability_files import ProbabilityWriter, forgotten, kept_as_array, kept_as_pictures
from segkit.utils.atomic import atomic_write

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.inference.image_source import ImageSource
    from segkit.inference.network import Probabilities

OVERLAYS, PROBABILITIES = "overlays", "probabilities"  # folders beside the masks


@dataclass(frozen=True)
class Outputs:
    """Where the predictions of many images go.

    Args:
        folder: of the masks, which have the images' names.
        task: what is predicted.
        overlays: write a picture of each mask over its image, into a folder of their own.
        probabilities: write them too, as 16-bit PNGs or float32 arrays (K, H, W), into a folder of their own.
    """

    folder: Path
    task: Task
    overlays: bool = False
    probabilities: ProbabilityFormat | None = None

    def files(self, name: str) -> list[Path]:
        """All that is written for an image.

        Args:
            name: of the image, without its ending; may have folders before it.
        """
        overlay = [self._overlay(name)] if self.overlays else []
        probabilities = self._probabilities(name) if self.probabilities else {}
        return [*mask_files(self.folder, name, self.task).values(), *overlay, *probabilities.values()]

    def write(self, name: str, picture: ImageSource, bands: Iterator[Probabilities]) -> None:
        """Write what was predicted for an image.

        Args:
            name: of the image, without its ending.
            picture: the image.
            bands: its probabilities, (K, rows, W) from top to bottom; they are never all in memory.

        Raises:
            SegkitError: whatever asking for the bands raises.
            OSError: if something cannot be written.
        """
        first = next(bands)  # from here on the picture knows its extent
        for file in self.files(name):
            file.parent.mkdir(parents=True, exist_ok=True)
        shape = (self.task.channels, *picture.extent)
        mask = np.empty((*shape[1:], *shape[:1]) if self.task.kind == "multilabel" else shape[1:], np.uint8)
        with self._kept(name, shape) as kept:
            top = 0
            for band in chain([first], bands):
                mask[top : top + band.shape[1]] = mask_of(band, self.task)
                kept.put(top, band)
                top += band.shape[1]
        save_mask(mask, self.task, mask_files(self.folder, name, self.task))
        if self.overlays:
            with atomic_write(self._overlay(name)) as temporary:
                overlay_of(picture, mask, self.task).save(temporary, "JPEG", quality=90)

    def _overlay(self, name: str) -> Path:
        return self.folder / OVERLAYS / f"{name}.jpg"

    def _probabilities(self, name: str) -> dict[str, Path]:
        folder = self.folder / PROBABILITIES
        if self.probabilities is ProbabilityFormat.npy:
            return {"": folder / f"{name}.npy"}
        return _by_class(folder, name, self.task)

    def _kept(self, name: str, shape: tuple[int, int, int]) -> AbstractContextManager[ProbabilityWriter]:
        if not self.probabilities:
            return forgotten()
        files = self._probabilities(name)
        return kept_as_array(files[""], shape) if "" in files else kept_as_pictures(files, shape)


def mask_files(folder: Path, name: str, task: Task) -> dict[str, Path]:
    """The files of one image's mask: one, or for multilabel one for each class, by class."""
    return _by_class(folder, name, task) if task.kind == "multilabel" else {"": folder / f"{name}.png"}


def save_mask(mask: Pixels, task: Task, files: Mapping[str, Path]) -> None:
    """Write a mask without loss: 0 and 255, or for multiclass class indices with their colours.

    Args:
        mask: (H, W), or (H, W, K) for multilabel.
        task: what was predicted.
        files: as `mask_files` names them.

    Raises:
        OSError: if one cannot be written.
    """
    planes = np.moveaxis(mask, -1, 0) if task.kind == "multilabel" else [mask]
    for plane, file in zip(planes, files.values(), strict=True):
        if task.kind == "multiclass":
            picture = Image.fromarray(plane)
            picture.putpalette(mask_palette(task).tobytes())
        else:
            picture = Image.fromarray(plane * np.uint8(255))
        with atomic_write(file) as temporary:
            picture.save(
                temporary, "PNG", compress_level=1
            )  # half the time of the default, no larger for masks


def _by_class(folder: Path, name: str, task: Task) -> dict[str, Path]:
    """A file for each class; a binary task's one has no need of its name."""
    if task.kind == "binary":
        return {task.classes[0]: folder / f"{name}.png"}
    return {label: folder / f"{name}_{_in_a_name(label)}.png" for label in task.classes}


def _in_a_name(label: str) -> str:
    """A class as part of a file's name: what systems may take for something else becomes _."""
    return "".join(sign if sign.isalnum() or sign in "-+" else "_" for sign in label)
