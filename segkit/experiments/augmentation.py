"""Augmentation, tried on a training image before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import PartError, Problem, SegkitError
from segkit.recipe import entry_for
from segkit.recipe.build import build, errors_of

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.data.preprocess import Prepared
    from segkit.recipe.part_schema import TransformPart

_DRAWS = 8  # a rotation by 90 degrees keeps the shape in every second


def try_transforms(transforms: Sequence[TransformPart], train: Prepared, task: Task) -> None:
    """Apply every transform several times to the first training image.

    Raises:
        PartError: listing the transforms that cannot be built or fail, or that change the size of image or
            mask, their type, or the values of the mask.
    """
    problems: list[Problem] = []
    for number, part in enumerate(transforms):
        try:
            _try(part, train.images[0], train.masks[0], task)
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
