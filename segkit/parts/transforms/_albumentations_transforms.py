"""albumentations transforms with external randomness."""

from __future__ import annotations

import os
import random
import re
import warnings
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no version check over the network

import albumentations
import cv2
import numpy as np
import numpy.typing as npt
from albumentations.augmentations.geometric import functional as geometric
from pydantic import ValidationError

from segkit.core.errors import PartError, first_line
from segkit.core.types import Pixels
from segkit.data.windows import Extent
from segkit.parts.transforms._room import room
from segkit.utils.os_errors import is_out_of_memory

cv2.setNumThreads(0)  # its threads would compete with torch's
_IDENTITY = np.eye(3)
_COLOURS = ("fill", "drop_value")  # of 0..255 in recipes, whatever the type of the images
_ADVICE = re.compile("special case of|very slow")  # warnings that recommend another class


def _is_identity(matrix: npt.NDArray[np.floating]) -> bool:
    return bool((np.abs(matrix - _IDENTITY) <= 1e-8 + 1e-5 * _IDENTITY).all())


# albumentations' own function takes a sixth of the time of warping a small image.
if hasattr(geometric, "is_identity_matrix"):
    geometric.is_identity_matrix = _is_identity


class _NumpyRandom(random.Random):
    # Draws from a numpy generator: seeding Python's generator for every call is slow.

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def reset(self, rng: np.random.Generator) -> _NumpyRandom:
        self.rng = rng
        self.gauss_next = None
        return self

    def random(self) -> float:
        return self.rng.random()

    def getrandbits(self, bits: int, /) -> int:
        return int.from_bytes(self.rng.bytes(-(-bits // 8)), "little") >> (-bits % 8)


class AlbumentationsTransform:
    """A transform of albumentations that draws from a given random generator.

    Args:
        name: name of the class in albumentations.
        options: arguments of the class; OpenCV's constants as words.

    Raises:
        PartError: if albumentations rejects the options or replaces them by others.
    """

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.options = options
        self.random = _NumpyRandom()
        self._of_floats: AlbumentationsTransform | None = None
        arguments = {key: _constant(value) for key, value in options.items()}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                self.transform = getattr(albumentations, name)(**arguments)
            except (ValueError, TypeError) as error:
                raise PartError(f"{name}: {_reason(error)}", hint=f"segkit show transform {name}") from error
        # albumentations only warns when it replaces an option; the recipe would be wrong.
        problems = [str(warning.message) for warning in caught if not _ADVICE.search(str(warning.message))]
        if problems:
            raise PartError(f"{name}: {'; '.join(problems)}", hint=f"segkit show transform {name}")

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Transform image (H, W, C), uint8 or float32 in 0..1, and mask (H, W) or (H, W, K).

        Raises:
            PartError: if the transform fails, or changes the size.
        """
        if image.dtype == np.float32 and any(map(_is_colour, self.options.items())):
            self._of_floats = self._of_floats or _with_unit_colours(self.name, self.options)
            return self._of_floats._apply(image, mask, rng)
        return self._apply(image, mask, rng)

    def room(self, extent: Extent) -> Extent | None:
        """(height, width) that it needs to fill the central `extent`; None if it gives images of one size."""
        return room(self.transform, extent)

    def _apply(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        self.transform.set_random_state(rng, self.random.reset(rng))
        try:
            changed = self.transform(image=image, mask=mask)
        except Exception as error:  # mostly on images without three channels
            if is_out_of_memory(error):
                raise
            height, width, channels = image.shape
            raise PartError(
                f"{self.name} fails on {height}x{width} images of {channels} channels: {first_line(error)}",
                hint="another transform, or other data.channels",
            ) from error
        if changed["image"].shape != image.shape or changed["mask"].shape != mask.shape:
            raise PartError(
                f"{self.name} changes the shape of images from {image.shape} to {changed['image'].shape}",
                hint="a transform must keep the size, data.size; rotations by 90 degrees need a square one",
            )
        return changed["image"], changed["mask"]


def _is_colour(option: tuple[str, Any]) -> bool:
    name, value = option
    numbers = value if isinstance(value, (list, tuple)) else [value]
    return name in _COLOURS and any(isinstance(number, (int, float)) and number for number in numbers)


def _with_unit_colours(name: str, options: dict[str, Any]) -> AlbumentationsTransform:
    def unit(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [unit(item) for item in value]
        return value / 255 if isinstance(value, (int, float)) else value

    colours = {key: unit(value) if key in _COLOURS else value for key, value in options.items()}
    return AlbumentationsTransform(name, colours)


def _constant(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _constant(item) for key, item in value.items()}
    is_constant = isinstance(value, str) and value.isupper() and hasattr(cv2, value)
    return getattr(cv2, value) if is_constant else value


def _reason(error: ValueError | TypeError) -> str:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error).splitlines()[0]
    reasons: dict[str, list[str]] = {}
    for problem in cause.errors():
        option = str(problem["loc"][0]) if problem["loc"] else ""
        reasons.setdefault(option, []).append(problem["msg"].removeprefix("Value error, "))
    return "; ".join(
        f"{option}: {' or '.join(dict.fromkeys(texts))}".removeprefix(": ")
        for option, texts in reasons.items()
    )
