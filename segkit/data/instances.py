"""Masks of objects, united to a foreground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segkit.core.errors import DataError
from segkit.core.types import Pixels, Task
from segkit.data.masks import read_objects
from segkit.data.readers.raster import Extent
from segkit.data.resize import resize_mask


def read_union(masks: Sequence[Path], task: Task, size: Extent | None = None) -> tuple[Pixels, Extent]:
    """The pixels of all objects, as 1; a mask may hold one object, or a number for each.

    Args:
        masks: mask files of one image.
        task: binary task.
        size: (height, width) of the result; by default that of the masks, which must be the same.

    Returns:
        The mask (H, W) uint8, and the (height, width) of the files.

    Raises:
        DataError: if a file is missing, damaged or in colour, or the masks differ in size.
    """
    united = read_objects(masks[0], task)
    height, width = extent = united.shape[0], united.shape[1]
    for path in masks[1:]:
        mask = read_objects(path, task)
        if mask.shape != extent:
            problem = f"the mask is {mask.shape[1]}x{mask.shape[0]} pixels, another one {width}x{height}"
            raise DataError(problem, where=str(path), hint=f"the other is {masks[0]}", kind="size")
        united = np.maximum(united, mask)
    return (united if size is None else resize_mask(united, size)), extent
