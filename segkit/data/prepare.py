"""Decoding every file once, before training: what is wrong is known before the first step, and nothing waits."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from segkit.contracts import Pixels, Sample, Task
from segkit.errors import DataError, Problem

MOST_PROBLEMS = 50


@dataclass(frozen=True)
class Prepared:
    """The images of one split, at the recipe's size.

    Args:
        names: in order.
        images: (N, H, W, C) uint8.
        masks: (N, H, W) uint8, or (N, H, W, K) for multilabel.
    """

    names: list[str]
    images: Pixels
    masks: Pixels

    def __len__(self) -> int:
        return len(self.names)


def prepare(
    samples: Sequence[Sample],
    size: tuple[int, int],
    task: Task,
    channels: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Read samples and bring them to one size: images by area-aware bilinear filtering, masks by the nearest pixel.

    Args:
        samples: in order.
        size: (height, width).
        task: decides the masks' shape.
        channels: of the images.
        progress: told how many are done, and of how many.

    Raises:
        DataError: with every file that is at fault, up to the first fifty.
    """
    height, width = size
    labels = (len(task.classes),) if task.kind == "multilabel" else ()
    images = np.empty((len(samples), height, width, channels), np.uint8)
    masks = np.empty((len(samples), height, width, *labels), np.uint8)
    problems: list[Problem] = []

    def read(index: int) -> None:
        try:
            image, mask = samples[index].read()
            _check_sizes(samples[index], image, mask)
        except DataError as error:
            problems.extend(error.problems)
            return
        images[index] = resize_image(image, size)
        masks[index] = resize_mask(mask, size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(read, range(len(samples))), start=1):
            progress(done, len(samples))
    if problems:
        problems.sort(key=lambda problem: problem.file)
        rest = len(problems) - MOST_PROBLEMS
        more = [Problem(f"{rest} more files are at fault")] if rest > 0 else []
        raise DataError.of([*problems[:MOST_PROBLEMS], *more])
    return Prepared([sample.name for sample in samples], images, masks)


def resize_image(image: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, C) -> (height, width, C); shrinking averages over the pixels that fall together."""
    height, width = size
    channels = image.shape[-1]
    pillow = Image.fromarray(image[..., 0] if channels == 1 else image)
    resized = np.asarray(pillow.resize((width, height), Image.Resampling.BILINEAR))
    return resized if resized.ndim == 3 else resized[..., None]


def resize_mask(mask: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W) or (H, W, K) -> the same at (height, width); no value is new."""
    height, width = size
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.intp)
    return mask[rows[:, None], columns]


def _check_sizes(sample: Sample, image: Pixels, mask: Pixels) -> None:
    if image.shape[:2] != mask.shape[:2]:
        (height, width), (mask_height, mask_width) = image.shape[:2], mask.shape[:2]
        files = [str(file) for file in sample.files] or [sample.name]
        raise DataError(
            f"the mask is {mask_width}x{mask_height} pixels, its image {width}x{height}",
            where=files[-1],
            hint=f"the image is {files[0]}",
        )
