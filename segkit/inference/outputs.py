"""Output files of `segkit predict`: masks, probabilities and overlays at the image's own size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segkit.core.types import class_file_name, classes_of_one_file
from segkit.data.palette import mask_palette
from segkit.inference.options import ProbabilityFormat
from segkit.inference.overlays import class_colours, draw_overlay
from segkit.inference.postprocess import mask_of
from segkit.inference.probability_files import ProbabilityWriter, npy_writer, png_writer
from segkit.utils.atomic import atomic_write

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.data.postprocess import MaskSteps
    from segkit.inference.image_source import ImageSource, Size
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Probabilities

StepsOf = Callable[["Size"], "MaskSteps | None"]
OVERLAYS, PROBABILITIES = "overlays", "probabilities"  # subfolders


@dataclass(frozen=True)
class Outputs:
    """Output files for many images.

    Args:
        folder: folder of the masks, which are named after the images.
        task: what is predicted.
        overlays: whether to write overlays, into a subfolder.
        probabilities: format of probabilities, written into a subfolder; None writes none.
    """

    folder: Path
    task: Task
    overlays: bool = False
    probabilities: ProbabilityFormat | None = None

    def files(self, name: str) -> list[Path]:
        """All files of an image; its name has no extension and may contain subfolders."""
        overlay = [self._overlay_file(name)] if self.overlays else []
        probabilities = self._probability_files(name) if self.probabilities else {}
        return [*mask_files(self.folder, name, self.task).values(), *overlay, *probabilities.values()]

    def write(
        self,
        name: str,
        image: ImageSource,
        chunks: Iterator[Probabilities],
        steps_of: StepsOf = lambda size: None,
    ) -> Pixels:
        """Write all files of an image; returns its mask, as `mask_of`.

        Args:
            name: name of the image without extension.
            image: the image.
            chunks: probabilities (K, rows, W) from top to bottom; never all in memory.
            steps_of: function of a size (height, width) that returns the post-processing of its mask.

        Raises:
            SegkitError: if the prediction fails, raised by `chunks`.
            OSError: if a file cannot be written.
        """
        first = next(chunks)  # fails before a folder is made if the image cannot be read
        for file in self.files(name):
            file.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                file.stat()  # fails if the name is too long: before any file of the image is written
        height, width = image.size
        steps = steps_of(image.size)
        mask: Pixels | None = None
        with self._probability_writer(name, (self.task.channels, height, width)) as write:
            top = 0
            for chunk in chain([first], chunks):
                bottom = top + chunk.shape[1]
                part = steps.decide(chunk) if steps else mask_of(chunk, self.task)
                mask = np.empty((height, *part.shape[1:]), np.uint8) if mask is None else mask
                mask[top:bottom] = part
                write(slice(top, bottom), chunk)
                top = bottom
        assert mask is not None, "there is a first chunk"
        mask = steps.finish(mask) if steps else mask
        save_mask(mask, self.task, mask_files(self.folder, name, self.task))
        if self.overlays:
            with atomic_write(self._overlay_file(name)) as temporary:
                draw_overlay(image, mask, self.task).save(temporary, "JPEG", quality=90)
        return mask

    def _overlay_file(self, name: str) -> Path:
        return self.folder / OVERLAYS / f"{name}.jpg"

    def _probability_files(self, name: str) -> dict[str, Path]:
        folder = self.folder / PROBABILITIES
        if self.probabilities is ProbabilityFormat.npy:
            return {"": folder / f"{name}.npy"}
        return _file_per_class(folder, name, self.task)

    def _probability_writer(
        self, name: str, shape: tuple[int, int, int]
    ) -> AbstractContextManager[ProbabilityWriter]:
        if not self.probabilities:
            return nullcontext(lambda rows, chunk: None)
        files = [*self._probability_files(name).values()]
        is_npy = self.probabilities is ProbabilityFormat.npy
        return npy_writer(files[0], shape) if is_npy else png_writer(files, shape)


def mask_files(folder: Path, name: str, task: Task) -> dict[str, Path]:
    """Mask files of an image by class: one per class for multilabel, else a single one under ""."""
    return _file_per_class(folder, name, task) if task.kind == "multilabel" else {"": folder / f"{name}.png"}


def mask_classes(info: ModelInfo) -> list[dict[str, Any]]:
    """What the masks of a model mean, for each class.

    `file` is the name of its mask, where {name} is that of the image, `value` its number in that mask,
    `color` its colour in pictures, `labels` its values in the training masks, None without `data.labels`.
    """
    task, colours = info.task, class_colours(info.task)
    first, files = (0 if task.kind == "multiclass" else 1), mask_files(Path(), "{name}", task)
    return [
        {
            "name": name,
            "file": str(files[name if task.kind == "multilabel" else ""]),
            "value": index if task.kind == "multiclass" else 255,
            "color": "#{:02x}{:02x}{:02x}".format(*colours[first + index].tolist()),
            "labels": [*info.labels[name]] if name in info.labels else None,
        }
        for index, name in enumerate(task.classes)
    ]


def save_mask(mask: Pixels, task: Task, files: Mapping[str, Path]) -> None:
    """Write the result of `mask_of` as PNG: 0 and 255, or class indices with a palette for multiclass.

    Raises:
        OSError: if a file cannot be written.
    """
    planes = np.moveaxis(mask, -1, 0) if task.kind == "multilabel" else [mask]
    for plane, file in zip(planes, files.values(), strict=True):
        if task.kind == "multiclass":
            image = Image.fromarray(plane)
            image.putpalette(mask_palette(task).tobytes())
        else:
            image = Image.fromarray(plane * np.uint8(255))
        with atomic_write(file) as temporary:
            # Half the time of the default compression, and masks are no larger.
            image.save(temporary, "PNG", compress_level=1)


def _file_per_class(folder: Path, name: str, task: Task) -> dict[str, Path]:
    if task.kind == "binary":
        return {task.classes[0]: folder / f"{name}.png"}
    numbered = classes_of_one_file(task.classes)
    return {
        label: folder / f"{name}_{f'{index}_' if numbered else ''}{class_file_name(label)}.png"
        for index, label in enumerate(task.classes)
    }
