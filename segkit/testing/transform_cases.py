"""Images and masks to try a transform with, and which of them it accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from segkit.core.errors import PartError, ShapeError
from segkit.core.types import Pixels, Transform
from segkit.testing.check import Subject, require

SEEDS = range(2)
SQUARE, WIDE = (32, 32), (24, 40)
_COLOURS = {0: (60, 90, 120), 1: (220, 60, 40), 2: (20, 200, 90), 5: (140, 140, 230), 255: (250, 230, 60)}


@dataclass(frozen=True)
class TransformCase:
    """What kind of image and mask.

    Args:
        size: height and width.
        channels: of the image.
        labels: K of a mask (H, W, K); 0 for a mask (H, W).
    """

    size: tuple[int, int]
    channels: int = 3
    labels: int = 0

    def __str__(self) -> str:
        shape = f"({', '.join(map(str, (*self.size, *([self.labels] if self.labels else []))))})"
        return f"{self.channels} channels and a mask of shape {shape}"

    def pixels(self) -> tuple[Pixels, Pixels]:
        """An image whose regions have a colour each, and the mask that names them; new arrays every time."""
        regions = _regions(*self.size)
        if not self.labels:
            return _painted(regions, self.channels), regions
        # One value that may be ignored, far from the others, so that blending shows.
        planes = [np.where(regions == 255, 255, regions == 1 + label % 2) for label in range(self.labels)]
        return _painted(regions, self.channels), np.stack(planes, axis=-1).astype(np.uint8)


CASES = (
    TransformCase(SQUARE),
    TransformCase(WIDE),
    TransformCase(SQUARE, channels=1),
    TransformCase(SQUARE, channels=4),
    *(TransformCase(SQUARE, labels=labels) for labels in (1, 2, 5)),
)
FEW = (TransformCase(SQUARE), TransformCase(WIDE, labels=2))  # for what no kind of pixels should change


@dataclass(frozen=True)
class Trial:
    """A transform that was applied once, and accepted what it was given."""

    case: TransformCase
    seed: int
    transform: Transform
    image: Pixels
    mask: Pixels

    def __str__(self) -> str:
        return f"for {self.case}"

    def again(self, transform: Transform | None = None) -> tuple[bytes, bytes]:
        """What the same image, mask and random state become."""
        image, mask = apply(transform or self.transform, *self.case.pixels(), self.seed)
        return image.tobytes(), mask.tobytes()

    @property
    def bytes(self) -> tuple[bytes, bytes]:
        """What image and mask became."""
        return self.image.tobytes(), self.mask.tobytes()


def trials(
    subject: Subject, cases: tuple[TransformCase, ...] = CASES, seeds: range = SEEDS
) -> Iterator[Trial]:
    """Apply the transform to every case with several random states; what it refuses is left out.

    Args:
        subject: the transform; its option p, if it has one, is 1.
        cases: to which those of the transform's own size are added.
        seeds: of the random states.
    """
    transform = subject.build(p=1.0)
    for case in (*cases, *own_cases(subject)):
        for seed in seeds:
            try:
                yield Trial(case, seed, transform, *apply(transform, *case.pixels(), seed))
            except (PartError, ShapeError):
                continue


def own_cases(subject: Subject) -> list[TransformCase]:
    """Images of the size that the options name, as a crop to a size may fit no others."""
    size = subject.options.get("size")
    side = [size, size] if isinstance(size, int) else size
    named = isinstance(side, (list, tuple)) and [type(one) for one in side] == [int, int]
    found = [TransformCase((side[0], side[1]))] if named and side else []
    return [case for case in found if case not in CASES]


def apply(transform: Transform, image: Pixels, mask: Pixels, seed: int) -> tuple[Pixels, Pixels]:
    """Image and mask after the transform.

    Raises:
        ContractError: if it gives anything else than two arrays.
    """
    changed: Any = transform(image, mask, np.random.default_rng([7, seed]))
    right = isinstance(changed, tuple) and [isinstance(one, np.ndarray) for one in changed] == [True, True]
    require(right, f"it gives {type(changed).__name__}, not two arrays", "return image, mask")
    return changed[0], changed[1]


def turned(mask: Pixels) -> list[Pixels]:
    """A mask (H, W) as it is, and in the seven other ways a square can lie."""
    return [np.rot90(one, quarters) for one in (mask, mask[:, ::-1]) for quarters in range(4)]


def fit(image: Pixels, mask: Pixels) -> float:
    """Share of an image's variance that is between the regions of a mask; 1 where each has one colour."""
    values = image.astype(np.float64)
    total = float(((values - values.mean(axis=(0, 1))) ** 2).sum())
    regions = [values[mask == value] for value in np.unique(mask)]
    inside = sum(float(((region - region.mean(axis=0)) ** 2).sum()) for region in regions)
    return 1 - inside / total if total else 0.0


def _regions(height: int, width: int) -> Pixels:
    """(H, W) of 0, 1, 2, 5 and 255, which looks different in each of the eight ways that it can lie."""
    rows, columns = np.mgrid[:height, :width]
    y, x = rows / height, columns / width
    mask = np.zeros((height, width), np.uint8)
    mask[(y < 0.45) & (x < 0.6)] = 1
    mask[(y - 0.7) ** 2 + (x - 0.25) ** 2 < 0.05] = 2
    mask[(x > 0.75) & (y < 0.8)] = 5
    mask[(y > 0.88) & (x > 0.5)] = 255
    return mask


def _painted(regions: Pixels, channels: int) -> Pixels:
    """(H, W, C): a colour for each region, and a little noise."""
    colours = np.zeros((256, 4))
    for value, colour in _COLOURS.items():
        colours[value] = (*colour, 255)
    noise = np.random.default_rng(0).integers(-5, 6, (*regions.shape, 4))
    painted = (colours[regions] + noise).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(painted[..., :channels])
