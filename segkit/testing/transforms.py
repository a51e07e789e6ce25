"""The contract of transforms: image and mask change together, by the generator given and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from segkit.core.types import Pixels, Transform
from segkit.testing.check import Point, Subject, accepted, on_every, require
from segkit.testing.states import global_seed

_SEEDS = range(8)  # enough for most ways to flip and turn an image to come up
_COLOURS = {0: (60, 90, 120), 1: (220, 60, 40), 2: (20, 200, 90), 5: (140, 140, 230), 255: (250, 230, 60)}
_AS_PAINTED, _CLEARLY_LESS = 0.9, 0.3


@dataclass(frozen=True)
class _Images:
    """What kind of image and mask.

    Args:
        size: height and width.
        channels: of the image.
        labels: K of a mask (H, W, K); 0 for a mask (H, W).
    """

    size: tuple[int, int]
    channels: int = 3
    labels: int = 0

    def pixels(self) -> tuple[Pixels, Pixels]:
        """An image whose regions have a colour each, and the mask that names them; new arrays every time."""
        rows, columns = np.mgrid[: self.size[0], : self.size[1]]
        y, x = rows / self.size[0], columns / self.size[1]
        mask = np.zeros(self.size, np.uint8)
        mask[(y < 0.45) & (x < 0.6)] = 1  # in each of the eight ways that it can lie it looks different
        mask[(y - 0.7) ** 2 + (x - 0.25) ** 2 < 0.05] = 2
        mask[(x > 0.75) & (y < 0.8)] = 5
        mask[(y > 0.88) & (x > 0.5)] = 255
        colours = np.zeros((256, 4), np.uint8)
        for value, colour in _COLOURS.items():
            colours[value] = (*colour, 255)
        image = np.ascontiguousarray(colours[mask][..., : self.channels])
        # A value that may be ignored, far from the others, so that blending shows.
        planes = [np.where(mask == 255, 255, mask == 1 + label % 2) for label in range(self.labels)]
        return image, np.stack(planes, axis=-1).astype(np.uint8) if planes else mask


_SQUARE = _Images((32, 32))
_IMAGES = (_SQUARE, _Images((24, 40), channels=1), _Images((32, 32), labels=1), _Images((32, 32), labels=5))


@dataclass(frozen=True)
class _Case:
    """A transform, and images that it accepts."""

    subject: Subject
    transform: Transform
    images: _Images

    def __str__(self) -> str:
        return f"for images and masks of shapes {', '.join(str(one.shape) for one in self.images.pixels())}"

    def apply(self, seed: int, transform: Transform | None = None) -> tuple[Pixels, Pixels]:
        """Image and mask after the transform."""
        changed: Any = (transform or self.transform)(*self.images.pixels(), np.random.default_rng([7, seed]))
        right = isinstance(changed, tuple) and [isinstance(one, np.ndarray) for one in changed] == [
            True,
            True,
        ]
        require(right, f"it gives {type(changed).__name__}, not two arrays", "return image, mask")
        return changed[0], changed[1]


def _cases(subject: Subject) -> list[_Case]:
    transform = subject.build(p=1.0)

    def case(images: _Images) -> _Case:
        made = _Case(subject, transform, images)
        made.apply(0)
        return made

    return accepted("kind of image", (*_IMAGES, *_of_its_size(subject)), case)


def _of_its_size(subject: Subject) -> list[_Images]:
    """Images of the size that the options name, as a crop to a size may fit no others."""
    size = subject.options.get("size")
    side = [size, size] if isinstance(size, int) else size
    named = isinstance(side, (list, tuple)) and [type(one) for one in side] == [int, int]
    return [_Images((side[0], side[1]))] if named and side else []


def it_fits_some_images(subject: Subject) -> None:
    """A transform may refuse sizes, channels and kinds of masks, by a PartError, but not all of them."""
    _cases(subject)


@on_every(_cases)
def images_and_masks_keep_their_shape_and_stay_uint8(case: _Case) -> None:
    """The images of a batch are stacked, and a mask lies on its image, pixel on pixel."""
    hint = "return uint8 of the shape that came; OpenCV drops a last axis of 1 and takes up to 4 channels"
    for seed in _SEEDS[:2]:
        for what, given, made in zip(
            ("an image", "a mask"), case.images.pixels(), case.apply(seed), strict=True
        ):
            told = [f"{one.dtype} {one.shape}" for one in (given, made)]
            require(told[0] == told[1], f"{what} of {told[0]} becomes {told[1]}", hint)


@on_every(_cases)
def masks_keep_their_values(case: _Case) -> None:
    """A mask is moved and never blended: a value between two classes is another class, or none."""
    known = {0, *np.unique(case.images.pixels()[1]).tolist()}
    for seed in _SEEDS[:2]:
        new = sorted({*np.unique(case.apply(seed)[1]).tolist()} - known)
        require(
            not new,
            f"a mask of {', '.join(map(str, sorted(known)))} holds {', '.join(map(str, new[:5]))} afterwards",
            "take the nearest pixel for masks, as INTER_NEAREST does, and leave colours of masks alone",
        )


@on_every(_cases)
def image_and_mask_move_together(case: _Case) -> None:
    """A mask that lies elsewhere than its image teaches nothing but noise, and no error says so."""
    before = case.images.pixels()[1]
    if before.ndim == 3 or case.images.channels != 3:
        return
    ways = [np.rot90(one, quarters) for one in (before, before[:, ::-1]) for quarters in range(4)]
    for seed in _SEEDS:
        image, mask = case.apply(seed)
        fitting = [way for way in ways if way.shape == image.shape[:2]]
        if not any(np.array_equal(mask, way) for way in ways) or not fitting:
            continue  # moved in another way, of which an image that has changed tells little
        best = max(_fit(image, way) for way in fitting)
        require(
            best < _AS_PAINTED
            or (mask.shape == image.shape[:2] and _fit(image, mask) > best - _CLEARLY_LESS),
            "the image is flipped or turned in another way than its mask",
            "draw once, and do the same to both",
        )


@on_every(_cases)
def all_randomness_comes_from_rng(case: _Case) -> None:
    """What an epoch shows of an image is a function of seed, epoch and image, in every worker."""
    for seed in _SEEDS[:2]:
        with global_seed(1):
            first = _bytes(case.apply(seed))
        with global_seed(2):
            again = _bytes(case.apply(seed))
            anew = _bytes(case.apply(seed, case.subject.build(p=1.0)))
        require(
            first == again == anew,
            "the same rng gives another result the second time",
            "draw everything from the rng that every call is given, nothing when it is built; "
            "keep nothing between two calls",
        )


@on_every(_cases)
def inputs_stay_unchanged(case: _Case) -> None:
    """The arrays hold the training images: what changes them changes every later epoch."""
    given = case.images.pixels()
    case.transform(*given, np.random.default_rng(0))
    for what, now, then in zip(("image", "mask"), given, case.images.pixels(), strict=True):
        same = np.array_equal(now, then)
        require(same, f"it changes the {what} that it was given", f"work on {what}.copy()")


def _fit(image: Pixels, mask: Pixels) -> float:
    """Share of an image's variance that is between the regions of a mask; 1 where each has one colour."""
    values = image.astype(np.float64)
    total = float(((values - values.mean(axis=(0, 1))) ** 2).sum())
    regions = [values[mask == value] for value in np.unique(mask)]
    inside = sum(float(((region - region.mean(axis=0)) ** 2).sum()) for region in regions)
    return 1 - inside / total if total else 0.0


def _bytes(pixels: tuple[Pixels, Pixels]) -> tuple[bytes, bytes]:
    return pixels[0].tobytes(), pixels[1].tobytes()


CHECKS: tuple[Point, ...] = (
    it_fits_some_images,
    images_and_masks_keep_their_shape_and_stay_uint8,
    masks_keep_their_values,
    image_and_mask_move_together,
    all_randomness_comes_from_rng,
    inputs_stay_unchanged,
)
