"""Augmentation, tried on an image before training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import PartError, SegkitError
from segkit.data.pixel_range import range_to_apply
from segkit.data.preprocess import layout_of
from segkit.recipe import entry_for
from segkit.recipe.build import build, errors_of
from segkit.recipe.transform_images import transform_problems

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.data.preprocess import Prepared
    from segkit.recipe.part_schema import TransformPart
    from segkit.recipe.schema import DataSettings

_DRAWS = 8  # a rotation by 90 degrees keeps the shape in every second


def try_transforms(data: DataSettings, train: Prepared | None) -> None:
    """Apply every transform several times to the first training image, or to a black one if there is none.

    Images are as in training: uint8, or float32 in 0..1 (see `segkit.data.batches`).

    Raises:
        PartError: listing the transforms that cannot be built or fail, or that change the size of image or
            mask, their type, or the values of the mask.
    """
    layout, stay = layout_of(data.size, data.goal, data.in_channels), data.pixel_range.is_eight_bits
    image = np.zeros(layout.image, np.uint8 if stay else np.float32)
    mask = np.zeros(layout.mask, np.uint8)
    if train:
        pixel_range = range_to_apply(train.images, data.pixel_range)
        image, mask = train.images[0], train.masks[0]
        image = pixel_range.unit(image) if pixel_range else image
    refused = transform_problems(data, image.dtype.name)
    problems = [*refused.values()]
    for number, part in enumerate(data.augment):
        if number in refused:
            continue
        try:
            build(part)  # as a run does, also where it is never applied
            if part.options.get("p") != 0:
                _try(part, image, mask, data.goal)
        except SegkitError as error:
            problems += [replace(problem, path=f"data.augment.{number}") for problem in error.problems]
    if problems:
        raise PartError.of(problems)


def _try(part: TransformPart, image: Pixels, mask: Pixels, task: Task) -> None:
    transform = build(part, p=1.0)  # in a run, sooner or later it is applied
    allowed = {*range(task.channels if task.kind == "multiclass" else 2), task.ignore_index}
    for draw in range(_DRAWS):
        with errors_of(part):
            result: Any = transform(image.copy(), mask.copy(), np.random.default_rng(draw))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            _refuse(part, f"returns a {type(result).__name__}", "return image, mask")
        for name, before, after in zip(("image", "mask"), (image, mask), result, strict=True):
            if _kind(before) != _kind(after):
                hint = "a transform must keep size and type; rotations by 90 degrees need a square data.size"
                _refuse(part, f"changes the {name} from {_kind(before)} to {_kind(after)}", hint)
        if new := sorted({*np.unique(result[1]).tolist()} - allowed):
            values = ", ".join(map(str, new[:5]))
            _refuse(part, f"gives masks the values {values}, which are no classes", "use nearest neighbours")


def _kind(array: Any) -> str:
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"


def _refuse(part: TransformPart, problem: str, hint: str) -> None:
    raise PartError(f"transform {part.name!r} {problem}", where=entry_for(part).where, hint=hint)
