"""Predictor: one model or an ensemble, for images of any size."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import SegkitError
from segkit.data.resize import row_chunks
from segkit.inference.image_source import ImageSource, open_image
from segkit.inference.options import PredictOptions
from segkit.inference.prediction import Prediction
from segkit.inference.seen_numbers import number_warnings
from segkit.inference.sliding_window import predict_tiled
from segkit.inference.whole_image import predict_resized, resize_inputs
from segkit.utils.prefetch import prefetch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from segkit.core.types import Pixels
    from segkit.inference.image_source import Size
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Network, Probabilities

Chunks = Iterator["Probabilities"]


class Predictor:
    """A trained model, or an ensemble that averages the probabilities of several.

    Args:
        networks: networks of the same task.
        warnings: warnings about the models, in whole sentences.

    Raises:
        SegkitError: if the networks do not predict the same classes.
    """

    def __init__(self, networks: Sequence[Network], warnings: Sequence[str] = ()) -> None:
        self.networks = tuple(networks)
        self.warnings = tuple(warnings)
        _check_same_task([network.info for network in networks])

    @property
    def info(self) -> ModelInfo:
        """Model information: classes, size, scores; of an ensemble, those of its first model."""
        return self.networks[0].info

    def predict(
        self,
        image: Any,
        *,
        flips: bool = False,
        scales: Sequence[float] = (1.0,),
        tile: int = 0,
        overlap: int | None = None,
    ) -> Prediction:
        """Predict one image.

        Args:
            image: path, Pillow image, or array (H, W) or (H, W, C). Its numbers are of the same kind as those
                of the training images: 0 to 255 if they had 8 bits. A `UserWarning` tells if they are not.
            flips: average over the image and its flips.
            scales: average over these multiples of the image size.
            tile: side of tiles at full resolution; by default the whole image is resized to the training
                size.
            overlap: overlap of tiles in pixels; by default a quarter of the tile.

        Raises:
            DataError: if it is not an image, or its file is damaged.
            SegkitError: if the model cannot predict with these options.
        """
        (prediction,) = self.predict_many([image], flips=flips, scales=scales, tile=tile, overlap=overlap)
        return prediction

    def predict_many(
        self,
        images: Iterable[Any],
        *,
        flips: bool = False,
        scales: Sequence[float] = (1.0,),
        tile: int = 0,
        overlap: int | None = None,
        batch_size: int = 0,
    ) -> Iterator[Prediction]:
        """Predict many images, in order; images are read while the model computes.

        The arguments are those of `predict`, and `batch_size`: images or tiles per batch, 0 chooses by size.

        Raises:
            SegkitError: as `predict`.
        """
        if isinstance(images, str | PathLike):
            hint = "pass a list, such as sorted(Path(folder).iterdir())"
            raise SegkitError("predict_many takes several images, not one path", hint=hint)
        options = PredictOptions(flips, tuple(scales), tile, overlap, batch_size)
        sources = (open_image(image, self.info) for image in images)
        for number, (source, chunks) in enumerate(self.predict_chunks(sources, options), start=1):
            probabilities = np.concatenate([*chunks], axis=1)
            name = str(getattr(source, "path", f"image {number}"))
            for warning in number_warnings(self.info.pixel_range, [(name, source.numbers)]):
                warnings.warn(warning, stacklevel=2)
            yield Prediction(self.info.task, probabilities, source)

    def predict_chunks(
        self,
        images: Iterable[ImageSource],
        options: PredictOptions,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[tuple[ImageSource, Chunks]]:
        """Each image with its probabilities, in chunks (K, rows, W) from top to bottom.

        Errors of an image are raised by its own chunks, so that the others are still predicted.

        Args:
            images: images, in order.
            options: prediction options.
            on_progress: callback of (tiles done, tiles).

        Raises:
            SegkitError: if the model cannot predict with these options.
        """
        for network in self.networks:
            options.check(network.info)
        if options.tile:
            return ((image, predict_tiled(self.networks, image, options, on_progress)) for image in images)
        return self._predict_whole(images, options)

    def _predict_whole(
        self, images: Iterable[ImageSource], options: PredictOptions
    ) -> Iterator[tuple[ImageSource, Chunks]]:
        size = options.images_per_batch(self.info.size)
        loaded = prefetch(lambda image: resize_inputs(image, self.networks, options), images, 2 * size)
        while batch := [*islice(loaded, size)]:
            inputs = [future.result() for _, future in batch if not future.exception()]
            maps = iter(predict_resized(self.networks, inputs, options) if inputs else ())
            for image, future in batch:
                yield image, _raise(future) if future.exception() else row_chunks(next(maps), image.size)


def _raise(failed: Future[dict[Size, Pixels]]) -> Chunks:
    failed.result()
    yield from ()  # makes this a generator: the error is raised by whoever iterates


def _check_same_task(infos: Sequence[ModelInfo]) -> None:
    first = infos[0]
    for other in infos[1:]:
        for difference, same in (
            ("predict different classes", first.task == other.task),
            ("take images with different numbers of channels", first.channels == other.channels),
            ("take different bands of their images", first.bands == other.bands),
        ):
            if not same:
                raise SegkitError(
                    f"{first.name} and {other.name} {difference}, so they cannot be averaged",
                    hint="use models of the same task and the same kind of image",
                )
