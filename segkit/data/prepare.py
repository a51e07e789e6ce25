"""Decoding every file once, before training: what is wrong is known before the first step."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from segkit.contracts import Pixels, Sample, Task
from segkit.data.pairing import check_extent
from segkit.errors import DataError, Problem

MOST_PROBLEMS = 50
MOST_THREADS = 16  # each holds an image at full size


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
    """Read samples and bring them to one size: bilinear filtering for images, the nearest pixel for masks.

    Args:
        samples: in order.
        size: (height, width).
        task: decides the masks' shape.
        channels: of the images.
        progress: told how many are done, and of how many.

    Raises:
        DataError: with every file that is at fault, up to the first fifty problems.
    """
    height, width = size
    labels = (len(task.classes),) if task.kind == "multilabel" else ()
    images = np.empty((len(samples), height, width, channels), np.uint8)
    masks = np.empty((len(samples), height, width, *labels), np.uint8)

    def read(index: int) -> Sequence[Problem]:
        try:
            image, mask = samples[index].read()
            files = [str(file) for file in samples[index].files] or [samples[index].name]
            check_extent(image, mask, files[0], files[-1])
        except DataError as error:
            return error.problems
        images[index] = resize_image(image, size)
        masks[index] = resize_mask(mask, size)
        return ()

    _refuse(_run(read, len(samples), progress))
    _check_foreground(masks, task)
    return Prepared([sample.name for sample in samples], images, masks)


def resize_image(image: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, C) -> (height, width, C); shrinking averages over the pixels that fall together."""
    height, width = size

    def resized(pixels: Pixels) -> Pixels:
        return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))

    if image.shape[-1] == 3:
        return resized(image)
    # One by one, as Pillow would darken colours by an alpha channel, and knows no other numbers of channels.
    return np.stack([resized(image[..., channel]) for channel in range(image.shape[-1])], axis=-1)


def resize_mask(mask: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W) or (H, W, K) -> the same at (height, width); no value is new."""
    height, width = size
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.intp)
    resized: Pixels = mask[rows[:, None], columns]
    return resized


def _run(
    read: Callable[[int], Sequence[Problem]], count: int, progress: Callable[[int, int], None]
) -> list[Problem]:
    """Problems by sample, whichever thread is done first."""
    problems: list[Problem] = []
    # Set once out here, as filters are one state for all threads: Pillow warns of oddities that harm nothing.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        for done, found in enumerate(pool.map(read, range(count)), start=1):
            problems += found
            progress(done, count)
    return problems


def _refuse(problems: list[Problem]) -> None:
    if not problems:
        return
    rest = len(problems) - MOST_PROBLEMS
    more = [Problem(f"and {rest} more problems like these")] if rest > 0 else []
    raise DataError.of([*problems[:MOST_PROBLEMS], *more])


def _check_foreground(masks: Pixels, task: Task) -> None:
    """Masks of 0 and 255 whose 255 is also the value to ignore would leave nothing to learn."""
    ignored = task.ignore_index
    if task.kind != "binary" or ignored is None or (masks == 1).any() or not (masks == ignored).any():
        return
    raise DataError(
        f"no mask has any foreground, as every pixel of value {ignored} is ignored",
        hint="leave out data.ignore_index, or save foreground as 1",
    )
