"""Decoding and resizing of all samples before training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError
from segkit.core.types import Pixels, Sample, Task
from segkit.data.cache.array_view import Stack
from segkit.data.cache.cache import Cache
from segkit.data.cache.store import pixel_digest
from segkit.data.class_counts import ClassCounts
from segkit.data.decoding import IMAGE_TYPES, Count, Layout, decode_in_memory
from segkit.data.fit import Fit
from segkit.data.images import extent_in_header, non_finite
from segkit.data.large_arrays import by_strips, strips
from segkit.data.pairing import check_extent
from segkit.data.readers.raster import Extent
from segkit.data.resize import resize_by_strips, resize_image, resize_mask
from segkit.utils.listing import listed


@dataclass(frozen=True)
class Prepared:
    """Images and masks of one split, fitted to the model (`Fit.content`).

    Args:
        names: sample names, in order.
        images: (N, H, W, C) uint8, uint16, int16 or float32, also mixed; H and W differ by row unless images
            are stretched.
        masks: (N, H, W) uint8, or (N, H, W, K) for multilabel; of the images' size, or of that in the file
            with `Fit.is_native`.
        digests: (N,), SHA-256 of each image with its mask; None if not computed.
        warnings: sentences for the user.
        counts: pixels and images of each class; None if they are not counted.
    """

    names: list[str]
    images: Stack
    masks: Stack
    digests: npt.NDArray[Any] | None = None
    warnings: tuple[str, ...] = ()
    counts: ClassCounts | None = None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sample_digests(self) -> list[bytes]:
        """SHA-256 of each image with its mask."""
        if self.digests is not None:
            return [digest.tobytes() for digest in self.digests]
        return [pixel_digest(image, mask) for image, mask in zip(self.images, self.masks, strict=True)]

    def digest(self) -> str:
        """SHA-256 over the names and the SHA-256 of each image with its mask."""
        return digest_of(self.names, self.sample_digests)


def digest_of(names: Sequence[str], digests: Sequence[bytes]) -> str:
    """SHA-256 over names, and the SHA-256 of each image with its mask."""
    return hashlib.sha256("\n".join(names).encode() + b"".join(digests)).hexdigest()


def layout_of(fit: Fit | Extent, task: Task, channels: int) -> Layout:
    """Shapes of images and masks; a size stands for images that are stretched to it."""
    labels = (len(task.classes),) if task.kind == "multilabel" else ()
    return Layout(fit if isinstance(fit, Fit) else Fit("stretch", fit), channels, labels)


def prepare(
    samples: Sequence[Sample],
    fit: Fit | Extent,
    task: Task,
    channels: int,
    on_progress: Count = lambda done, total: None,
    cache: Cache | None = None,
    *,
    bands: Sequence[int] | None = None,
) -> Prepared:
    """Decode and resize samples: bilinear filtering for images, nearest neighbour for masks.

    Args:
        samples: samples, in order.
        fit: how images are fitted to the model, or the size to which they are stretched.
        task: kind of masks, classes and ignored value.
        channels: channels of the images, after selection of bands.
        on_progress: callback of (done, total).
        cache: cache of this fit; by default images are held in memory.
        bands: channels to select from what the source gives; default: all.

    Raises:
        DataError: listing every file at fault.
    """
    layout = layout_of(fit, task, channels)
    read = partial(decode, layout=layout, bands=bands, task=task)
    if cache:
        decoded = cache.get_or_decode(samples, read, on_progress)
    else:
        decoded = decode_in_memory(samples, read, layout, on_progress)
    return Prepared([sample.name for sample in samples], *decoded)


def select_bands(image: Pixels, bands: Sequence[int] | None) -> Pixels:
    """(..., channels of the file) -> (..., C): the bands in their order, or all of them."""
    if bands is None:
        return image
    return by_strips(lambda part: np.ascontiguousarray(part[..., list(bands)]), image)


def decode(
    sample: Sample, layout: Layout, bands: Sequence[int] | None = None, *, task: Task | None = None
) -> tuple[Pixels, Pixels]:
    """Decode a sample, fitted to the model; the image keeps its type.

    Args:
        sample: sample to decode.
        layout: shapes of image and mask, and the fit.
        bands: channels to select from what the source gives; default: all.
        task: task whose integers the mask must hold; by default they are not checked.

    Raises:
        DataError: naming the files at fault, also if the mask holds values that are not the task's.
    """
    image, mask = _read(sample, layout.fit)
    image = select_bands(image, bands)
    if not layout.admits(image.shape, mask.shape) or image.dtype not in IMAGE_TYPES:
        expected, labels = layout.in_words
        raise DataError(
            f"the source gives an image {image.shape} of {image.dtype} and a mask {mask.shape}, "
            f"expected {expected} of uint8, uint16, int16 or float32, and {labels}",
            where=sample.name,
            hint="check the source with segkit test-plugin",
        )
    if task:
        _check_values(mask, sample, task)
    if image.dtype == np.float32 and not all(np.isfinite(image[rows]).all() for rows in strips(image)):
        raise non_finite(image, str((*sample.files, sample.name)[0]))
    return image, mask.astype(np.uint8, copy=False)


def _read(sample: Sample, fit: Fit) -> tuple[Pixels, Pixels]:
    size = _size_in_advance(sample, fit) if sample.read_at else None
    if size and sample.read_at:
        return sample.read_at(size)
    image, mask = sample.read()
    files = [str(file) for file in sample.files] or [sample.name]
    check_extent(image.shape, mask.shape, files[0], files[-1])
    extent = image.shape[0], image.shape[1]
    image_size, mask_size = fit.content(extent), fit.mask_content(extent)
    if image_size != extent:
        image = (resize_by_strips if fit.is_native else resize_image)(image, image_size)
    return image, mask if mask_size == extent else resize_mask(mask, mask_size)


def _size_in_advance(sample: Sample, fit: Fit) -> Extent | None:
    """Size of image and mask, if they have the same, and it is known before they are decoded."""
    if fit.kind == "stretch":
        return fit.size
    if fit.kind != "letterbox" or not sample.files or sample.variant != "":  # a part of the file
        return None
    try:
        extent = extent_in_header(sample.files[0])
    except DataError:
        return None  # a plugin's source may read other formats; else read() reports it
    return extent and fit.content(extent)


def _check_values(mask: Pixels, sample: Sample, task: Task) -> None:
    """A source that does not know `task.labels` gives the numbers in its files."""
    classes = len(task.classes) if task.kind == "multiclass" else 2
    if mask.dtype == np.uint8 and mask.max(initial=0) < classes:
        return
    values = {*np.unique(mask).tolist()} - {*range(classes), task.ignore_index}
    if values:
        raise DataError(
            f"the source gives a mask of {listed(sorted(values))}, which is not a class",
            where=str(sample.files[-1]) if sample.files else sample.name,
            hint=f"masks of this task hold 0 to {classes - 1}: does the source know data.labels?",
            kind="labels",
        )
