"""Cache of frozen-encoder features, keyed by pixel hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

from segkit.utils.machine import machine_memory

Encode = Callable[[Tensor], list[Tensor]]

# Fixed, as the last digits of convolutions may depend on the batch size, and features must not.
ENCODE_BATCH_SIZE = 8


class FeatureCache:
    """Feature maps by image content.

    Args:
        limit_bytes: maximum size of all cached maps, by default an eighth of the machine's memory; further
            images are encoded every time.
        at_once: number of images that are encoded together; fewer are filled up.
    """

    def __init__(self, limit_bytes: int | None = None, at_once: int = ENCODE_BATCH_SIZE) -> None:
        self.at_once = at_once
        self.limit_bytes = machine_memory() // 8 if limit_bytes is None else limit_bytes
        self.used_bytes = 0
        self._maps: dict[bytes, list[Tensor]] = {}

    def __len__(self) -> int:
        return len(self._maps)

    def __deepcopy__(self, memo: object) -> FeatureCache:
        """An empty cache, as the copied encoder may change."""
        return FeatureCache(self.limit_bytes, self.at_once)

    def clear(self) -> None:
        """Remove all maps."""
        self._maps.clear()
        self.used_bytes = 0

    def features(self, image: Tensor, encode: Encode) -> list[Tensor]:
        """Feature maps of a batch; only images that are not cached are encoded.

        Shape:
            image: (B, C, H, W) uint8 or float32, on the CPU.
            output: for each stage (B, channels, h, w).
        """
        keys = [hashlib.sha256(pixels.contiguous().numpy()).digest() for pixels in image.permute(0, 2, 3, 1)]
        missing = {key: index for index, key in enumerate(keys) if key not in self._maps}
        new: dict[bytes, list[Tensor]] = {}
        for start in range(0, len(missing), self.at_once):
            batch = list(missing)[start : start + self.at_once]
            rows = [missing[key] for key in batch]
            padded = rows + rows[:1] * (self.at_once - len(rows))
            maps = encode(image[padded])
            new.update((key, [map_[i].clone() for map_ in maps]) for i, key in enumerate(batch))
        features = [new.get(key) or self._maps[key] for key in keys]
        self._add(new)
        return [_stack(maps) for maps in zip(*features, strict=True)]

    def _add(self, new: dict[bytes, list[Tensor]]) -> None:
        for key, maps in new.items():
            size = sum(map_.nbytes for map_ in maps)
            if self.used_bytes + size > self.limit_bytes:
                return
            self._maps[key] = maps
            self.used_bytes += size


def _stack(maps: tuple[Tensor, ...]) -> Tensor:
    """(C, h, w) each -> (B, C, h, w), in the memory format of the maps."""
    if maps[0].is_contiguous():
        return torch.stack(maps)
    return torch.stack([map_.permute(1, 2, 0) for map_ in maps]).permute(0, 3, 1, 2)
