"""albumentations behind one door."""

from __future__ import annotations

import os
import random
import re
import warnings
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version

import albumentations
import cv2
import numpy as np
import numpy.typing as npt
from albumentations.augmentations.geometric import functional as geometric
from pydantic import ValidationError

from segkit.core.errors import PartError, first_line
from segkit.core.types import Pixels

cv2.setNumThreads(0)  # its threads would fight with torch's
_UNITY = np.eye(3)
_ADVICE = re.compile("special case of|very slow")  # to prefer another class, which is up to the user


def _is_unity(matrix: npt.NDArray[np.floating]) -> bool:
    return bool((np.abs(matrix - _UNITY) <= 1e-8 + 1e-5 * _UNITY).all())


if hasattr(geometric, "is_identity_matrix"):
    geometric.is_identity_matrix = _is_unity


class _Drawn(random.Random):
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def drawing_from(self, rng: np.random.Generator) -> _Drawn:
        """The same, out of another generator, and as if it were new."""
        self.rng = rng
        self.gauss_next = None
        return self

    def random(self) -> float:
        """From 0 to 1."""
        return self.rng.random()

    def getrandbits(self, bits: int, /) -> int:
        """A whole number of so many bits."""
        return int.from_bytes(self.rng.bytes(-(-bits // 8)), "little") >> (-bits % 8)


class AlbumentationsTransform:
    """One transform of albumentations, with all its randomness from outside.

    Args:
        name: of the class in albumentations.
        options: its arguments; OpenCV's constants as words.

    Raises:
        PartError: if albumentations refuses the options, or would go on with others.
    """

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.drawn = _Drawn()
        arguments = {key: _constant(value) for key, value in options.items()}
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                self.transform = getattr(albumentations, name)(**arguments)
            except (ValueError, TypeError) as error:
                raise PartError(f"{name}: {_reason(error)}", hint=f"segkit show transform {name}") from error
        # It warns where it goes on with other options than it was given, which a recipe would then misstate.
        problems = [str(warning.message) for warning in told if not _ADVICE.search(str(warning.message))]
        if problems:
            raise PartError(f"{name}: {'; '.join(problems)}", hint=f"segkit show transform {name}")

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """(H, W, C) and (H, W) or (H, W, K) -> the same, changed.

        Raises:
            PartError: if the transform fails on such images, or changes their size.
        """
        self.transform.set_random_state(rng, self.drawn.drawing_from(rng))
        try:
            changed = self.transform(image=image, mask=mask)
        except Exception as error:  # in many ways, on images that have not three channels mostly
            height, width, channels = image.shape
            raise PartError(
                f"{self.name} fails on {height}x{width} images of {channels} channels: {first_line(error)}",
                hint="another transform, or other data.channels",
            ) from error
        if changed["image"].shape != image.shape or changed["mask"].shape != mask.shape:
            raise PartError(
                f"{self.name} makes images of shape {changed['image'].shape} from {image.shape}",
                hint="a transform keeps the size, which data.size decides; turning needs a square one",
            )
        return changed["image"], changed["mask"]


def _constant(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _constant(item) for key, item in value.items()}
    known = isinstance(value, str) and value.isupper() and hasattr(cv2, value)
    return getattr(cv2, value) if known else value


def _reason(error: ValueError | TypeError) -> str:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error).splitlines()[0]
    reasons: dict[str, list[str]] = {}
    for problem in cause.errors():
        option = str(problem["loc"][0]) if problem["loc"] else ""
        reasons.setdefault(option, []).append(problem["msg"].removeprefix("Value error, "))
    return "; ".join(
        f"{option}: {' or '.join(dict.fromkeys(told))}".removeprefix(": ") for option, told in reasons.items()
    )
