"""Batches of prepared images. What is drawn is a function of seed, epoch and sample index alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from segkit.core.errors import SegkitError
from segkit.core.types import Pixels, Transform
from segkit.data import prefetch_workers as feed
from segkit.data.cache.array_view import Stack

_ORDER, _AUGMENTATION = 0, 1  # first word of a random state, so that no two purposes share one
# Where training and augmentation take turns on the CPU, each finds its code and tables gone from the caches.
_IMAGES_TOGETHER, _BYTES_TOGETHER = 96, 16 << 20
_WAITING = 0.03  # share of an epoch's time that may be spent in waiting for batches
_MAX_WORKERS = 16
_Key = tuple[int, int]
_Stacked = tuple[Pixels, Pixels, list[int]]


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
    BatchNorm and none is dropped. A thread makes batches ahead of the training, unless both compute on the
    same cores; where the first epoch waits all the same, the next ones get workers. They live as long as
    this object.

    Args:
        images: (N, H, W, C) uint8.
        masks: (N, H, W) or (N, H, W, K) uint8.
        transforms: applied one after the other.
        batch_size: at most.
        seed: of order and augmentation.
        workers: processes that augment; 0 is this one, None as many as it takes.
        on_cpu: whether the training computes on the CPU too: then batches are made in turn with it, several
            at a time, as a thread would only get in its way; and workers need cores that it leaves.
        rank: of this process among those that share every batch.
        processes: how many these are; each has its images of every batch, in their order.
    """

    def __init__(
        self,
        images: Stack,
        masks: Stack,
        transforms: Sequence[Transform],
        batch_size: int,
        seed: int,
        *,
        workers: int | None = 0,
        on_cpu: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.samples = _Augmented(images, masks, transforms, seed)
        self.steps = math.ceil(len(images) / batch_size)
        self.seed = seed
        self.workers = workers or 0
        self._may_hire = workers is None
        self._on_cpu = on_cpu
        self.rank, self.processes = rank, processes
        self._deal = feed.EpochSampler[list[_Key]]()
        self._loader = feed.with_workers(self.samples, self._deal, workers) if workers else None

    @property
    def together(self) -> int:
        """How many batches are made when one is asked for."""
        if self._loader or not self._on_cpu:
            return 1
        images, masks = self.samples.images, self.samples.masks
        most = min(_IMAGES_TOGETHER, _BYTES_TOGETHER // (images[0].nbytes + masks[0].nbytes))
        return max(1, min(self.steps, most * self.steps // len(images)))

    def size(self, step: int) -> int:
        """Images of a step, counted from 1, in all processes together."""
        each, left = divmod(len(self.samples.images), self.steps)
        return each + (step <= left)

    def indices(self, epoch: int, step: int) -> list[int]:
        """Which images a step has, in all processes together."""
        return [int(index) for index in self._parts(epoch)[(step - 1) % self.steps]]

    def epoch(self, epoch: int, *, after: int = 0) -> Iterator[Batch]:
        """All images once, in the epoch's own order; of every batch, this process's share.

        Args:
            epoch: counted from 1.
            after: leave out so many batches, which have been learned from before.

        Raises:
            PartError: if a transform fails.
        """
        self._deal.batches = [
            [(epoch, int(index)) for index in np.array_split(part, self.processes)[self.rank]]
            for part in self._parts(epoch)[after:]
        ]
        clock = feed.WaitTimer(self._on_cpu)
        for stacked in clock.waiting_for(self._arriving()):
            if isinstance(stacked, SegkitError):
                raise stacked
            yield _batch(stacked)
        if self._may_hire and not after:
            self._hire(clock)

    def _arriving(self) -> Iterator[_Stacked | SegkitError]:
        if self._loader:
            return feed.from_workers(self._loader)
        make = self.samples.__getitem__
        return (
            feed.synchronous(make, self._deal, self.together)
            if self._on_cpu
            else feed.prefetch(make, self._deal)
        )

    def _hire(self, clock: feed.WaitTimer) -> None:
        self._may_hire = False
        spare = feed.cores() - (torch.get_num_threads() if self._on_cpu else 1)
        wanted = min(math.ceil(clock.seconds / max(clock.busy, 1e-9)), spare, _MAX_WORKERS)
        if clock.waited > _WAITING * clock.seconds and wanted > 0:
            self.workers = wanted
            self._loader = feed.with_workers(self.samples, self._deal, wanted)

    def _parts(self, epoch: int) -> list[np.ndarray]:
        order = np.random.default_rng([_ORDER, self.seed, epoch]).permutation(len(self.samples.images))
        return np.array_split(order, self.steps)


class EvalBatches:
    """The images as they are, in order.

    Args:
        images: (N, H, W, C) uint8.
        masks: (N, H, W) or (N, H, W, K) uint8.
        batch_size: at most.
    """

    def __init__(self, images: Stack, masks: Stack, batch_size: int) -> None:
        self.images = images
        self.masks = masks
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.images), self.batch_size):
            chosen = slice(start, start + self.batch_size)
            indices = range(len(self.images))[chosen]
            yield _batch((self.images[chosen].copy(), self.masks[chosen].copy(), [*indices]))


class _Augmented(Dataset[_Stacked | SegkitError]):
    """What a batch holds, by the (epoch, index) of its samples.

    As arrays: tensors would travel as open files, which a worker that is told to stop cannot hand over.
    """

    def __init__(self, images: Stack, masks: Stack, transforms: Sequence[Transform], seed: int) -> None:
        self.images = images
        self.masks = masks
        self.transforms = transforms
        self.seed = seed

    def __getitem__(self, keys: list[_Key]) -> _Stacked | SegkitError:
        """For workers: an error travels as a value, or it would arrive buried in the worker's traceback."""
        try:
            return self.stacked(keys)
        except SegkitError as error:
            return error

    def stacked(self, keys: list[_Key]) -> _Stacked:
        images, masks = zip(*(self._sample(*key) for key in keys), strict=True)
        return np.stack(images), np.stack(masks), [index for _, index in keys]

    def _sample(self, epoch: int, index: int) -> tuple[Pixels, Pixels]:
        image, mask = self.images[index], self.masks[index]
        rng = np.random.default_rng([_AUGMENTATION, self.seed, epoch, index])
        for transform in self.transforms:
            image, mask = transform(image, mask, rng)
        return image, mask


def _batch(stacked: _Stacked) -> Batch:
    images, masks, indices = stacked
    image = torch.from_numpy(images).permute(0, 3, 1, 2)  # B C H W, channels-last in memory
    target = torch.from_numpy(masks)
    if target.ndim == 4:
        target = target.permute(0, 3, 1, 2).contiguous()  # B K H W
    return Batch(image, target, indices)
