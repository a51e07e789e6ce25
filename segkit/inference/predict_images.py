"""Prediction of images by networks, each as it was trained: resized whole, letterboxed, or in windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from segkit.data.resize import resize_chunks, row_chunks
from segkit.inference.sliding_window import predict_windows
from segkit.inference.whole_image import load_windows, predict_whole
from segkit.utils.prefetch import prefetch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from segkit.data.fit import Fit
    from segkit.inference.image_source import ImageSource
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions
    from segkit.inference.whole_image import LoadedImage

Source = TypeVar("Source", bound="ImageSource")
Chunks = Iterator["Probabilities"]  # (K, rows, width), from top to bottom


class Member(NamedTuple):
    """Networks that see images alike, and whose mean is wanted."""

    fit: Fit
    networks: Sequence[Network]


def grouped(networks: Sequence[Network], options: PredictOptions) -> list[Member]:
    """The networks, together if they see images alike."""
    groups: dict[Fit, list[Network]] = {}
    for network in networks:
        groups.setdefault(options.fit(network.info), []).append(network)
    return [Member(fit, group) for fit, group in groups.items()]


def mean_chunks(members: Sequence[Member], chunks: Sequence[Chunks]) -> Chunks:
    """Mean probabilities of all networks."""
    if len(members) == 1:
        return chunks[0]
    weights = [len(member.networks) for member in members]
    return (np.average(parts, axis=0, weights=weights).astype(np.float32) for parts in aligned(chunks))


def aligned(chunks: Sequence[Chunks]) -> Iterator[list[Probabilities]]:
    """Parts of chunks that hold the same rows; the chunks of one may end at other rows than another's."""
    parts = [next(each) for each in chunks]
    while True:
        rows = min(part.shape[1] for part in parts)
        yield [part[:, :rows] for part in parts]
        rest = [part[:, rows:] for part in parts]
        try:
            parts = [part if part.shape[1] else next(each) for part, each in zip(rest, chunks, strict=True)]
        except StopIteration:  # all of them end with the image
            return


def predict_images(
    members: Sequence[Member],
    images: Iterable[Source],
    options: PredictOptions,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    native: bool = True,
) -> Iterator[tuple[Source, list[Chunks]]]:
    """Each image with the chunks of every member.

    Errors of an image are raised by its chunks, so that the others are still predicted.

    Args:
        members: networks, each with how it sees images.
        images: images, in order.
        options: prediction options.
        on_progress: callback of (windows done, windows), of an image that is predicted in several.
        native: whether probabilities have the image's own size; else those of images in one window have the
            size at which their fit keeps them.
    """
    if any(member.fit.is_native for member in members):
        for image in images:
            yield image, [_chunks(member, image, options, on_progress) for member in members]
        return
    size = options.images_per_batch(members[0].fit.size)

    def load(image: ImageSource) -> list[LoadedImage]:
        return [load_windows(image, member.networks, member.fit, options) for member in members]

    loaded = prefetch(load, images, 2 * size)
    while batch := [*islice(loaded, size)]:
        inputs = [future.result() for _, future in batch if not future.exception()]
        maps = [
            iter(predict_whole(member.networks, member.fit, windows, options))
            for member, windows in zip(members, zip(*inputs, strict=True), strict=False)  # none: no inputs
        ]
        for image, future in batch:
            if future.exception():
                yield image, [_raise(future) for _ in members]
            else:
                found = [next(each) for each in maps]
                yield image, [row_chunks(one, image.size if native else one.shape[1:]) for one in found]


def _chunks(
    member: Member,
    image: ImageSource,
    options: PredictOptions,
    on_progress: Callable[[int, int], None],
) -> Chunks:
    """Chunks at the image's own size."""
    if not member.fit.is_native:
        loaded = load_windows(image, member.networks, member.fit, options)
        (found,) = predict_whole(member.networks, member.fit, [loaded], options)
        yield from row_chunks(found, image.size)
        return
    chunks = predict_windows(member.networks, member.fit, image, options, on_progress)
    content = member.fit.content(image.size)
    yield from chunks if content == image.size else resize_chunks(chunks, content[0], image.size)


def _raise(failed: Future[list[LoadedImage]]) -> Chunks:
    failed.result()
    yield from ()  # makes this a generator: the error is raised by whoever iterates
