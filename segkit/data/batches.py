"""Batches of prepared images. What a sample or an epoch draws is a function of (seed, epoch, sample index)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from segkit.contracts import Pixels, Transform


@dataclass(frozen=True)
class Batch:
    """Images and what is true of them.

    Args:
        image: (B, C, H, W) uint8.
        target: (B, H, W), or (B, K, H, W) for multilabel, uint8.
        indices: of the samples, for messages.
    """

    image: Tensor
    target: Tensor
    indices: list[int]


class TrainBatches:
    """Shuffled, augmented batches, the same for the same seed and epoch whatever the number of workers.

    An epoch's images are dealt into batches of nearly equal size, so that no last batch of one image upsets
    BatchNorm and none is dropped.

    Args:
        images: (N, H, W, C) uint8.
        masks: (N, H, W) or (N, H, W, K) uint8.
        transforms: applied one after the other.
        batch_size: at most.
        seed: of order and augmentation.
        workers: processes that augment; 0 is this one.
    """

    def __init__(
        self,
        images: Pixels,
        masks: Pixels,
        transforms: Sequence[Transform],
        batch_size: int,
        seed: int,
        *,
        workers: int = 0,
    ) -> None:
        self.samples = _Augmented(images, masks, transforms, seed)
        self.steps = math.ceil(len(images) / batch_size)
        self.seed = seed
        self.workers = workers

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """All images once, in the epoch's own order."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.samples.images))
        dealt = [[(epoch, int(i)) for i in part] for part in np.array_split(order, self.steps)]
        loader = DataLoader(
            self.samples,
            batch_sampler=dealt,
            collate_fn=_stack,
            num_workers=self.workers,
            # Forked workers share the images' memory; threads of the parent are idle between two epochs.
            multiprocessing_context="fork" if self.workers else None,
        )
        yield from loader


class EvalBatches:
    """The images as they are, in order.

    Args:
        images: (N, H, W, C) uint8.
        masks: (N, H, W) or (N, H, W, K) uint8.
        batch_size: at most.
    """

    def __init__(self, images: Pixels, masks: Pixels, batch_size: int) -> None:
        self.images = images
        self.masks = masks
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.images), self.batch_size):
            chosen = range(start, min(start + self.batch_size, len(self.images)))
            yield _stack([(self.images[i], self.masks[i], i) for i in chosen])


class _Augmented(Dataset[tuple[Pixels, Pixels, int]]):
    """Samples by (epoch, index)."""

    def __init__(self, images: Pixels, masks: Pixels, transforms: Sequence[Transform], seed: int) -> None:
        self.images = images
        self.masks = masks
        self.transforms = transforms
        self.seed = seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Pixels, Pixels, int]:
        epoch, index = key
        image, mask = self.images[index], self.masks[index]
        rng = np.random.default_rng([self.seed, epoch, index])
        for transform in self.transforms:
            image, mask = transform(image, mask, rng)
        return image, mask, index


def _stack(samples: list[tuple[Pixels, Pixels, int]]) -> Batch:
    images, masks, indices = zip(*samples, strict=True)
    image = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)  # B C H W, channels-last in memory
    target = torch.from_numpy(np.stack(masks))
    return Batch(
        image, target if target.ndim == 3 else target.permute(0, 3, 1, 2).contiguous(), list(indices)
    )
