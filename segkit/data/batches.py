"""Batches for training and evaluation, reproducible from seed, epoch and sample index."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from segkit.core.errors import SegkitError
from segkit.core.types import Pixels, Transform
from segkit.data import prefetch_workers as feed
from segkit.data.augment import Augmentation, Pair
from segkit.data.cache.array_view import Stack
from segkit.data.draw_windows import WindowDraw
from segkit.data.pixel_range import PixelRange, range_to_apply
from segkit.data.sample_epoch import AUGMENTATION, NO_TARGET, OTHERS, SampleEpochs
from segkit.data.windows import Extent
from segkit.utils.machine import usable_cores

# On the CPU, alternating between training and augmentation empties the processor's caches; so make several.
_IMAGES_TOGETHER, _BYTES_TOGETHER = 96, 16 << 20
_MAX_WAITING = 0.03  # share of an epoch's time that may be spent waiting for batches
_MAX_WORKERS = 16
_TRIES = 8  # to keep the class of a window in it, before it is left untransformed
_Key = tuple[int, int]  # epoch, number of the sample in it
_Arrays = tuple[Pixels, Pixels, list[int]]


@dataclass(frozen=True)
class Batch:
    """Images and masks as tensors.

    Args:
        image: (B, C, H, W) in 0..255: uint8, or float32 for other images than 8-bit ones.
        target: (B, H, W), or (B, K, H, W) for multilabel, uint8.
        indices: indices of the images, for messages; numbers of windows in `EvalWindows`.
        contents: (height, width) of each image without its padding, if images may be padded.
    """

    image: Tensor
    target: Tensor
    indices: list[int]
    contents: tuple[Extent, ...] | None = None


class TrainBatches:
    """Shuffled, augmented batches, equal for the same seed and epoch with any number of workers.

    The samples of an epoch are divided into batches of nearly equal size, so that there is no last batch of
    one image, which would disturb BatchNorm. A thread prepares batches ahead, unless training uses the same
    cores. If the first epoch has to wait for batches, later ones use worker processes, which live as long as
    this object.

    Everything that is drawn for a sample is a function of the seed, the epoch, the image and how often the
    epoch has shown it before. If a window lost its class to the transforms, they are drawn again, up to eight
    times, and then left out.

    Args:
        images: (N, H, W, C); of windows, rows of any size.
        masks: (N, H, W) or (N, H, W, K) uint8; of windows, rows of any size.
        transforms: transforms, applied in order.
        batch_size: maximum batch size.
        seed: seed of order and augmentation.
        workers: number of worker processes; 0 for none, None to choose after the first epoch.
        on_cpu: whether training runs on the CPU: then several batches are made at a time, without a thread,
            and workers are only started for cores that training does not use.
        rank: rank of this process.
        processes: number of processes; each gets its shard of every batch.
        pixel_range: numbers that become 0 and 255; default: 0 and 255. Images of any other range or type than
            uint8 are float32 in 0..1 for the transforms, and in 0..255 in batches.
        others: number of other samples that each transform gets; default: none.
        epochs: images of the samples of every epoch; default: every image once.
        windows: how windows of the images are drawn; None for whole images, all of one size.
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
        pixel_range: PixelRange | None = None,
        others: Sequence[int] = (),
        epochs: SampleEpochs | None = None,
        windows: WindowDraw | None = None,
    ) -> None:
        epochs = epochs or SampleEpochs(len(images), seed)
        augmentation = Augmentation(transforms, others, windows.size if windows else None)
        pixel_range = range_to_apply(images, pixel_range)
        self.samples = _Samples(images, masks, augmentation, epochs, windows, pixel_range)
        self.steps = math.ceil(len(epochs) / batch_size)
        self.seed = seed
        self.workers = workers or 0
        self._choose_workers = workers is None
        self._on_cpu = on_cpu
        self.rank, self.processes = rank, processes
        self._sampler = feed.EpochSampler[list[_Key]]()
        self._loader = feed.worker_loader(self.samples, self._sampler, workers) if workers else None

    @property
    def batches_at_once(self) -> int:
        """Number of batches that are prepared at a time."""
        if self._loader is not None or not self._on_cpu:  # a loader is empty before its first epoch
            return 1
        most = min(_IMAGES_TOGETHER, _BYTES_TOGETHER // self.samples.bytes_of_one)
        return max(1, min(self.steps, most * self.steps // len(self.samples.epochs)))

    def size(self, step: int) -> int:
        """Samples of a step, counted from 1, in all processes together."""
        size, remainder = divmod(len(self.samples.epochs), self.steps)
        return size + (step <= remainder)

    def indices(self, epoch: int, step: int) -> list[int]:
        """Indices of the images of a step, in all processes together."""
        numbers = self._numbers()[(step - 1) % self.steps]
        return [int(index) for index in self.samples.epochs.of(epoch).image[numbers]]

    def epoch(self, epoch: int, *, after: int = 0) -> Iterator[Batch]:
        """The samples of an epoch, in its order; this process's shard of every batch.

        Args:
            epoch: epoch, from 1.
            after: number of batches to skip, to resume within an epoch.

        Raises:
            PartError: if a transform fails.
        """
        self._sampler.batches = [
            [(epoch, number) for number in np.array_split(batch, self.processes)[self.rank].tolist()]
            for batch in self._numbers()[after:]
        ]
        timer = feed.WaitTimer(self._on_cpu)
        for arrays in timer.timed(self._batches()):
            if isinstance(arrays, SegkitError):
                raise arrays
            yield as_batch(arrays)
        if self._choose_workers and not after:
            self._start_workers_if_slow(timer)

    def first(self, count: int) -> Batch:
        """The first samples of the first epoch, in all processes together; at most `count`.

        Raises:
            PartError: if a transform fails.
        """
        arrays = self.samples[[(1, number) for number in range(min(count, len(self.samples.epochs)))]]
        if isinstance(arrays, SegkitError):
            raise arrays
        return as_batch(arrays)

    def _batches(self) -> Iterator[_Arrays | SegkitError]:
        if self._loader:
            return feed.start(self._loader)
        make = self.samples.__getitem__
        if self._on_cpu:
            return feed.synchronous(make, self._sampler, self.batches_at_once)
        return feed.prefetch(make, self._sampler)

    def _start_workers_if_slow(self, timer: feed.WaitTimer) -> None:
        self._choose_workers = False
        free = usable_cores() - (torch.get_num_threads() if self._on_cpu else 1)
        # As many as make a batch in the time of a step.
        workers = min(math.ceil(timer.seconds / max(timer.busy, 1e-9)), free, _MAX_WORKERS)
        if timer.waited > _MAX_WAITING * timer.seconds and workers > 0:
            self.workers = workers
            self._loader = feed.worker_loader(self.samples, self._sampler, workers)

    def _numbers(self) -> list[np.ndarray]:
        return np.array_split(np.arange(len(self.samples.epochs)), self.steps)


class EvalBatches:
    """Images in order, without augmentation.

    Args:
        images: (N, H, W, C).
        masks: (N, H, W) or (N, H, W, K) uint8.
        batch_size: maximum batch size.
        pixel_range: as in `TrainBatches`.
    """

    def __init__(
        self, images: Stack, masks: Stack, batch_size: int, *, pixel_range: PixelRange | None = None
    ) -> None:
        self.images = images
        self.masks = masks
        self.batch_size = batch_size
        self._range = range_to_apply(images, pixel_range)

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Batch]:
        return self.batches(range(len(self.images)))

    def batches(self, indices: range) -> Iterator[Batch]:
        """Batches of consecutive images."""
        for part in (
            indices[first : first + self.batch_size] for first in range(0, len(indices), self.batch_size)
        ):
            rows = slice(part.start, part.stop)
            images = self.images[rows]
            pixels = (
                np.stack([255 * self._range.unit(row) for row in images]) if self._range else images.copy()
            )
            yield as_batch((pixels, self.masks[rows].copy(), [*part]))


class _Samples(Dataset[_Arrays | SegkitError]):
    # Arrays, not tensors: these travel as open files, which a worker that is stopping cannot hand over.

    def __init__(
        self,
        images: Stack,
        masks: Stack,
        augmentation: Augmentation,
        epochs: SampleEpochs,
        windows: WindowDraw | None,
        pixel_range: PixelRange | None,
    ) -> None:
        self.images = images
        self.masks = masks
        self.epochs = epochs
        self._augmentation = augmentation
        self._windows = windows
        self._range = pixel_range

    def __getitem__(self, keys: list[_Key]) -> _Arrays | SegkitError:
        try:
            images, masks = zip(*(self._sample(*key) for key in keys), strict=True)
        except SegkitError as error:  # returned, as a worker would bury it in its traceback
            return error
        indices = [int(self.epochs.of(epoch).image[number]) for epoch, number in keys]
        return np.stack(images), np.stack(masks), indices

    @property
    def bytes_of_one(self) -> int:
        """Bytes of a sample."""
        image, mask = self._reader(0, NO_TARGET, np.random.default_rng(0))(self._size)
        return image.nbytes + mask.nbytes

    @property
    def _size(self) -> Extent | None:
        return self._windows.size if self._windows else None

    def _sample(self, epoch: int, number: int) -> Pair:
        index, target, repeat = (int(values[number]) for values in self.epochs.of(epoch))
        state = [AUGMENTATION, self.epochs.seed, epoch, index]
        rng = np.random.default_rng([*state, repeat] if repeat else state)
        read = self._reader(index, target, rng)
        given = read(self._augmentation.extent)
        for _ in range(_TRIES):
            image, mask = self._augmentation.apply(*given, rng, partial(self._other, epoch))
            if self._windows is None or self._windows.shows(mask, target):
                break
        else:
            image, mask = read(self._size)
        return 255 * image if self._range else image, mask

    def _other(self, epoch: int, seed: int, extent: Extent | None) -> Pair:
        """A sample of the epoch that the seed draws, in another window, without transforms."""
        rng = np.random.default_rng([OTHERS, self.epochs.seed, epoch, seed])
        samples = self.epochs.of(epoch)
        number = int(rng.integers(len(samples.image)))
        return self._reader(int(samples.image[number]), int(samples.target[number]), rng)(extent)

    def _reader(self, index: int, target: int, rng: np.random.Generator) -> Callable[[Extent | None], Pair]:
        """Function that reads (height, width) around a window that is drawn here; without windows, all."""
        image, mask = self.images[index], self.masks[index]
        window = self._windows.draw(image, mask, index, target, rng) if self._windows else None

        def read(extent: Extent | None) -> Pair:
            pixels, labels = window.cut(extent) if window and extent else (image, mask)
            return self._range.unit(pixels) if self._range else pixels, labels

        return read


def as_batch(arrays: _Arrays) -> Batch:
    """Images (B, H, W, C), masks (B, H, W) or (B, H, W, K) and indices as tensors."""
    images, masks, indices = arrays
    image = torch.from_numpy(images).permute(0, 3, 1, 2)  # B C H W, channels-last in memory
    target = torch.from_numpy(masks)
    if target.ndim == 4:
        target = target.permute(0, 3, 1, 2).contiguous()  # B K H W
    return Batch(image, target, indices)
