"""Augmentation, tried on an image before training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import PartError, Problem, SegkitError
from segkit.data.augment import input_extents
from segkit.data.draw_windows import Window
from segkit.data.pixel_range import range_to_apply
from segkit.recipe import entry_for
from segkit.recipe.build import build, errors_of
from segkit.recipe.transform_images import transform_problems

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.data.preprocess import Prepared
    from segkit.data.windows import Extent
    from segkit.recipe.data_settings import DataSettings
    from segkit.recipe.part_schema import TransformPart

_DRAWS = 8  # a rotation by 90 degrees keeps the shape in every second


def try_transforms(data: DataSettings, train: Prepared | None) -> None:
    """Apply every transform several times to the first training image, or to a black one if there is none.

    Images are as in training: uint8, or float32 in 0..1 (see `segkit.data.batches`); windows with their room.

    Raises:
        PartError: listing the transforms that cannot be built or fail, or that change the size of image or
            mask, their type, or the values of the mask.
    """
    dtype = _example(data, train, data.size)[0].dtype.name
    refused = transform_problems(data, dtype)
    problems = [*refused.values()]
    transforms: list[Any] = [None] * len(data.augment)
    for number, part in enumerate(data.augment):
        with _collected(problems, number):
            transforms[number] = None if number in refused else build(part)  # as a run does, also if p is 0
    extents = [data.size for _ in transforms]
    if data.fit != "stretch":
        extents = input_extents(transforms, data.size)
    for number, (part, transform, extent) in enumerate(zip(data.augment, transforms, extents, strict=True)):
        if transform and part.options.get("p") != 0:
            with _collected(problems, number):
                _try(part, *_example(data, train, extent), data.padded_goal)
    if problems:
        raise PartError.of(problems)


@contextmanager
def _collected(problems: list[Problem], number: int) -> Iterator[None]:
    try:
        yield
    except SegkitError as error:
        problems += [replace(problem, path=f"data.augment.{number}") for problem in error.problems]


def _example(data: DataSettings, train: Prepared | None, extent: Extent) -> tuple[Pixels, Pixels]:
    if not train:
        labels = (len(data.classes),) if data.task == "multilabel" else ()
        dtype = np.uint8 if data.pixel_range.is_eight_bits else np.float32
        return np.zeros((*extent, data.in_channels), dtype), np.zeros((*extent, *labels), np.uint8)
    image, mask = train.images[0], train.masks[0]
    if data.fit != "stretch":
        padding = data.padded_goal.ignore_index or 0
        image, mask = Window(image, mask, 0, 0, data.size, padding).cut(extent)
    pixel_range = range_to_apply(train.images, data.pixel_range)
    return pixel_range.unit(image) if pixel_range else image, mask


def _try(part: TransformPart, image: Pixels, mask: Pixels, task: Task) -> None:
    transform = build(part, p=1.0)  # in a run, sooner or later it is applied
    others = [(image.copy(), mask.copy()) for _ in range(entry_for(part).traits["others"])]
    more = {"others": others} if others else {}
    allowed = {*range(task.channels if task.kind == "multiclass" else 2), task.ignore_index}
    for draw in range(_DRAWS):
        with errors_of(part):
            result: Any = transform(image.copy(), mask.copy(), np.random.default_rng(draw), **more)
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
