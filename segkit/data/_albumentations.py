"""albumentations behind one door."""

from __future__ import annotations

import os
import random
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version

import albumentations
import cv2
import numpy as np

from segkit.contracts import Pixels
from segkit.errors import PartError

cv2.setNumThreads(0)  # its threads would fight with torch's


class AlbumentationsTransform:
    """One transform of albumentations, with all its randomness from outside; see `segkit.contracts.Transform`.

    Args:
        name: of the class in albumentations.
        options: its arguments; OpenCV's constants as words.

    Raises:
        PartError: if albumentations refuses the options.
    """

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        arguments = {key: _constant(value) for key, value in options.items()}
        try:
            self.transform = getattr(albumentations, name)(**arguments)
        except (ValueError, TypeError) as error:
            raise PartError(f"{name}: {_reason(error)}", hint=f"segkit show transform {name}") from error

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """(H, W, C) and (H, W) or (H, W, K) -> the same, changed.

        Raises:
            PartError: if the transform fails on such images, or changes their size.
        """
        self.transform.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        try:
            changed = self.transform(image=image, mask=mask)
        except (
            Exception
        ) as error:  # its transforms fail in many ways, on images without three channels mostly
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise PartError(f"{self.name} fails on images of shape {image.shape}: {reason}") from error
        if changed["image"].shape != image.shape or changed["mask"].shape != mask.shape:
            raise PartError(
                f"{self.name} makes images of shape {changed['image'].shape} from {image.shape}",
                hint="a transform keeps the size: data.size decides it",
            )
        return changed["image"], changed["mask"]


def _constant(value: Any) -> Any:
    """OpenCV's number for the name of one of its constants; any other value as it is."""
    if isinstance(value, dict):
        return {key: _constant(item) for key, item in value.items()}
    known = isinstance(value, str) and value.isupper() and hasattr(cv2, value)
    return getattr(cv2, value) if known else value


def _reason(error: ValueError | TypeError) -> str:
    """Pydantic's several lines as one: "limit: Input should be ..."."""
    lines = [line.strip() for line in str(error).splitlines()]
    if "validation error" not in lines[0]:
        return lines[0]
    told = [
        line.split(" [type=")[0].removeprefix("Value error, ")
        for line in lines[1:]
        if "errors.pydantic" not in line
    ]
    return "; ".join(f"{name}: {problem}" for name, problem in zip(told[::2], told[1::2], strict=False))
