"""A trained model with everything around it: any image in, probabilities at its own size out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import SegkitError
from segkit.inference.image_source import ImageSource, picture_of
from segkit.inference.options import PredictOptions
from segkit.inference.prediction import Prediction
from segkit.inference.sliding_window import tiled_bands
from segkit.inference.whole_image import bands_at, predict_small, resize_inputs
from segkit.utils.prefetch import prefetch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from segkit.core.types import Pixels
    from segkit.inference.image_source import Size
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Network, Probabilities

Bands = Iterator["Probabilities"]


class Predictor:
    """A trained model, or several whose mean is taken, ready for any image.

    Args:
        networks: of one task.
        warnings: what its user should know, in whole sentences.

    Raises:
        SegkitError: if the networks do not predict the same.
    """

    def __init__(self, networks: Sequence[Network], warnings: Sequence[str] = ()) -> None:
        self.networks = tuple(networks)
        self.warnings = tuple(warnings)
        _check_alike([network.facts for network in networks])

    @property
    def facts(self) -> ModelInfo:
        """What it is: classes, size, scores; of several, the first one."""
        return self.networks[0].facts

    def predict(
        self,
        image: Any,
        *,
        flips: bool = False,
        scales: Sequence[float] = (1.0,),
        tile: int = 0,
        overlap: int | None = None,
    ) -> Prediction:
        """What the model says of one image.

        Args:
            image: a path, Pillow's image, or an array (H, W) or (H, W, C) of uint8.
            flips: ask about its mirror images too, and take the mean.
            scales: ask about it at these multiples of its size, and take the mean.
            tile: side of the tiles in which the model goes over the image's own pixels; by default the whole
                image is resized to the size of training.
            overlap: pixels that neighbouring tiles share; by default a quarter of the tile.

        Raises:
            DataError: if the image is none, or its file is damaged.
            SegkitError: if the model cannot be asked so.
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
        """What the model says of many images, in their order; they are read while it works.

        Args:
            images: each as for `predict`.
            flips: as for `predict`.
            scales: as for `predict`.
            tile: as for `predict`.
            overlap: as for `predict`.
            batch_size: images, or tiles, asked about at once; 0 leaves that to their size.

        Raises:
            SegkitError: as `predict` does.
        """
        if isinstance(images, str | PathLike):
            hint = "a list of them, such as sorted(Path(folder).iterdir())"
            raise SegkitError("predict_many takes several images, and this is one path", hint=hint)
        ways = PredictOptions(flips, tuple(scales), tile, overlap, batch_size)
        pictures = (picture_of(image, self.facts.channels) for image in images)
        for picture, bands in self.answers(pictures, ways):
            yield Prediction(self.facts.task, np.concatenate([*bands], axis=1), picture)

    def answers(
        self,
        pictures: Iterable[ImageSource],
        ways: PredictOptions,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[tuple[ImageSource, Bands]]:
        """Every picture with its probabilities, in bands (K, rows, W) from top to bottom.

        What is wrong with a picture is raised by its own bands, so that the others come all the same.

        Args:
            pictures: in order.
            ways: how the model is asked.
            on_progress: callback of (label, done, total).

        Raises:
            SegkitError: if the model cannot be asked so.
        """
        for network in self.networks:
            ways.check(network.facts)
        if ways.tile:
            return ((picture, tiled_bands(self.networks, picture, ways, on_progress)) for picture in pictures)
        return self._of_whole_images(pictures, ways)

    def _of_whole_images(
        self, pictures: Iterable[ImageSource], ways: PredictOptions
    ) -> Iterator[tuple[ImageSource, Bands]]:
        at_once = ways.at_once(self.facts.size)
        looks = prefetch(lambda picture: resize_inputs(picture, self.networks, ways), pictures, 2 * at_once)
        while batch := [*islice(looks, at_once)]:
            read = [seen.result() for _, seen in batch if not seen.exception()]
            small = iter(predict_small(self.networks, read, ways) if read else ())
            for picture, seen in batch:
                yield (
                    picture,
                    bands_at(next(small), picture.extent) if not seen.exception() else _raised(seen),
                )


def _raised(seen: Future[dict[Size, Pixels]]) -> Bands:
    """Bands that come to nothing: what went wrong is said by whoever asks for them."""
    seen.result()
    yield from ()


def _check_alike(facts: Sequence[ModelInfo]) -> None:
    """Several networks can be asked as one.

    Raises:
        SegkitError: naming what differs.
    """
    first = facts[0]
    for other in facts[1:]:
        for what, one, two in (
            ("predict other classes", first.task, other.task),
            ("look at images of other channels", first.channels, other.channels),
        ):
            if one != two:
                raise SegkitError(
                    f"{first.name} and {other.name} {what}, so no mean can be taken of them",
                    hint="runs of one task on one kind of image",
                )
