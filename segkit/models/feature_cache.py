"""What a frozen encoder has said of an image, kept: it will say the same of the same pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Encode = Callable[[Tensor], list[Tensor]]

# Convolutions of another number of images may be computed in another order, and their last digits differ.
# Encoded by so many at a time, always, an image's maps do not depend on what was known before.
IMAGES_AT_ONCE = 8
_SHARE_OF_MEMORY = 8  # one eighth of the machine's


class FeatureCache:
    """Feature maps by the content of an image: equal pixels are one image, whatever they were made from.

    Args:
        limit_bytes: of all maps that are kept; what comes when they are reached is encoded every time.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.limit_bytes = _memory_bytes() // _SHARE_OF_MEMORY if limit_bytes is None else limit_bytes
        self.kept_bytes = 0
        self._known: dict[bytes, list[Tensor]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __deepcopy__(self, memo: object) -> FeatureCache:
        """A copy of a model goes its own way, and begins with an empty one."""
        return FeatureCache(self.limit_bytes)

    def forget(self) -> None:
        """Begin anew, for another encoder."""
        self._known.clear()
        self.kept_bytes = 0

    def maps(self, image: Tensor, encode: Encode) -> list[Tensor]:
        """The maps of some images, of which only the unknown ones are encoded.

        Shape:
            image: (B, C, H, W) uint8, on the CPU.
            output: for each stage (B, channels, h, w).
        """
        keys = [hashlib.sha256(one.contiguous().numpy()).digest() for one in image.permute(0, 2, 3, 1)]
        unknown = {key: index for index, key in enumerate(keys) if key not in self._known}
        fresh: dict[bytes, list[Tensor]] = {}
        for some in _parts(list(unknown), IMAGES_AT_ONCE):
            rows = [unknown[key] for key in some]
            padded = rows + rows[:1] * (IMAGES_AT_ONCE - len(rows))
            maps = encode(image[padded])
            fresh.update((key, [map_[i].clone() for map_ in maps]) for i, key in enumerate(some))
        found = [fresh.get(key) or self._known[key] for key in keys]
        self._keep(fresh)
        return [_stacked(stage) for stage in zip(*found, strict=True)]

    def _keep(self, fresh: dict[bytes, list[Tensor]]) -> None:
        for key, maps in fresh.items():
            size = sum(map_.nbytes for map_ in maps)
            if self.kept_bytes + size > self.limit_bytes:
                return
            self._known[key] = maps
            self.kept_bytes += size


def _parts(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _stacked(maps: tuple[Tensor, ...]) -> Tensor:
    """(C, h, w) each -> (B, C, h, w), in the memory order that they have."""
    if maps[0].is_contiguous():
        return torch.stack(maps)
    return torch.stack([map_.permute(1, 2, 0) for map_ in maps]).permute(0, 3, 1, 2)


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 << 30
