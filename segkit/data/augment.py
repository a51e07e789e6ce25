"""Transforms applied in order, with the room and the other samples that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from segkit.core.types import Pixels, Transform
from segkit.data.windows import Extent

Pair = tuple[Pixels, Pixels]
ReadOther = Callable[[int, Extent | None], Pair]


class Augmentation:
    """Transforms of training images, in order.

    Windows of images are read larger than they will be, by what the transforms ask for, and each transform
    gets the centre of the former one's result: so the last result has no pixels that a transform has made up
    beyond the borders of what it got. Whole images have no room.

    Args:
        transforms: transforms; one that reads pixels from further away has a method `room`: the size of the
            image that it needs to fill (height, width), or None if its result always has the recipe's size.
        others: number of other samples that each transform gets; default: none.
        size: (height, width) of windows; None for whole images.
    """

    def __init__(
        self, transforms: Sequence[Transform], others: Sequence[int] = (), size: Extent | None = None
    ) -> None:
        self._transforms = transforms
        self._others = [*others] or [0] * len(transforms)
        self._size = size
        self._extents: Sequence[Extent | None] = [None] * len(transforms)
        if size is not None:
            self._extents = input_extents(transforms, size)

    @property
    def extent(self) -> Extent | None:
        """(height, width) of the windows to read; None for whole images."""
        return self._extents[0] if self._extents else self._size

    def __bool__(self) -> bool:
        return bool(self._transforms)

    def apply(self, image: Pixels, mask: Pixels, rng: np.random.Generator, read: ReadOther) -> Pair:
        """Image and mask after all transforms.

        Args:
            image: (H, W, C) of `extent`.
            mask: (H, W) or (H, W, K).
            rng: random generator.
            read: function that reads another sample, given a seed and (height, width), or None for all of it.
        """
        for transform, count, extent in zip(self._transforms, self._others, self._extents, strict=True):
            more: dict[str, Any] = {"others": Others(count, extent, rng, read)} if count else {}
            image, mask = transform(centre(image, extent), centre(mask, extent), rng, **more)
        return centre(image, self._size), centre(mask, self._size)


class Others(Sequence[Pair]):
    """Other samples, each read when it is indexed.

    Args:
        count: number of samples.
        extent: (height, width) of their images, or None for whole ones.
        rng: random generator, from which the samples are drawn.
        read: function that reads a sample, given a seed and the extent.
    """

    def __init__(self, count: int, extent: Extent | None, rng: np.random.Generator, read: ReadOther) -> None:
        self._seeds = rng.integers(2**32, size=count).tolist()
        self._extent = extent
        self._read = read

    def __len__(self) -> int:
        return len(self._seeds)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        return self._read(self._seeds[index], self._extent)

    def __iter__(self) -> Iterator[Pair]:
        return (self[number] for number in range(len(self)))


def input_extents(transforms: Sequence[Transform], size: Extent) -> list[Extent]:
    """(height, width) of what each transform gets, so that the last result has at least `size`."""
    extents: list[Extent] = []
    needed = size
    for transform in reversed(transforms):
        room = getattr(transform, "room", None)
        larger = room(needed) if room else needed
        if larger is None:  # its result has the recipe's size, so later transforms have no room
            larger, extents = size, [size] * len(extents)
        if size[0] == size[1]:  # later rotations by 90 degrees need a square
            larger = (max(larger), max(larger))
        extents.insert(0, larger)
        needed = larger
    return extents


def centre(pixels: Pixels, extent: Extent | None) -> Pixels:
    """The central (height, width) of an image or mask; all of it for None."""
    if extent is None or pixels.shape[:2] == extent:
        return pixels
    top, left = ((have - side) // 2 for have, side in zip(pixels.shape[:2], extent, strict=True))
    return np.ascontiguousarray(pixels[top : top + extent[0], left : left + extent[1]])
