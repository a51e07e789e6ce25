"""Predictor: one model or an ensemble, for images of any size."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.core.errors import SegkitError
from segkit.data.postprocess import area_factor
from segkit.inference.image_source import ImageSource, open_image
from segkit.inference.options import PredictOptions
from segkit.inference.postprocess import common_postprocess
from segkit.inference.predict_images import Chunks, grouped, mean_chunks, predict_images
from segkit.inference.prediction import Prediction
from segkit.inference.seen_numbers import number_warnings

if TYPE_CHECKING:
    from segkit.data.pixel_range import PixelRange
    from segkit.data.postprocess import MaskSteps
    from segkit.inference.image_source import Size
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Network
    from segkit.recipe.postprocess_settings import PostprocessSettings


class Predictor:
    """A trained model, or an ensemble that averages the probabilities of several.

    Args:
        networks: networks of the same task.
        warnings: warnings about the models, in whole sentences.
        postprocess: steps from probabilities to masks; by default those of the models, if they have the same.

    Raises:
        SegkitError: if the networks do not predict the same classes.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        warnings: Sequence[str] = (),
        postprocess: PostprocessSettings | None = None,
    ) -> None:
        infos = [network.info for network in networks]
        _check_same_task(infos)
        common, differ = (postprocess, []) if postprocess else common_postprocess(infos)
        self.networks = tuple(networks)
        self.warnings = (*warnings, *differ)
        self.postprocess = common

    @property
    def info(self) -> ModelInfo:
        """Model information: classes, size, scores; of an ensemble, those of its first model."""
        return self.networks[0].info

    @property
    def ranges(self) -> list[PixelRange]:
        """Numbers that become 0 and 1 for each model: each scales an image in its own way."""
        return [network.info.pixel_range for network in self.networks]

    def predict(
        self,
        image: Any,
        *,
        flips: bool = False,
        scales: Sequence[float] = (1.0,),
        tile: int = 0,
        overlap: int | None = None,
        postprocess: bool = True,
    ) -> Prediction:
        """Predict one image.

        Args:
            image: path, Pillow image, or array (H, W) or (H, W, C). Its numbers are of the same kind as those
                of the training images: 0 to 255 if they had 8 bits. A `UserWarning` tells if they are not.
            flips: average over the image and its flips.
            scales: average over these multiples of the image size.
            tile: side of windows of the image at its own size, or at the scale of a model with fit crop; by
                default the image is predicted as those of the training: resized whole, letterboxed, or in
                windows.
            overlap: overlap of windows in pixels; by default a quarter of the tile, or that of the model.
            postprocess: whether the mask is post-processed, if the model says how.

        Raises:
            DataError: if it is not an image, or its file is damaged.
            SegkitError: if the model cannot predict with these options.
        """
        (prediction,) = self.predict_many(
            [image], flips=flips, scales=scales, tile=tile, overlap=overlap, postprocess=postprocess
        )
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
        postprocess: bool = True,
    ) -> Iterator[Prediction]:
        """Predict many images, in order; images are read while the model computes.

        The arguments are those of `predict`, and `batch_size`: images or windows per batch, 0 chooses by
        size.

        Raises:
            SegkitError: as `predict`.
        """
        if isinstance(images, str | PathLike):
            hint = "pass a list, such as sorted(Path(folder).iterdir())"
            raise SegkitError("predict_many takes several images, not one path", hint=hint)
        options = PredictOptions(flips, tuple(scales), tile, overlap, batch_size, postprocess)
        sources = (open_image(image, self.info, self.ranges) for image in images)
        for number, (source, chunks) in enumerate(self.predict_chunks(sources, options), start=1):
            probabilities = np.concatenate([*chunks], axis=1)
            name = str(getattr(source, "path", f"image {number}"))
            for warning in number_warnings(self.ranges, [(name, source.numbers)]):
                warnings.warn(warning, stacklevel=2)
            yield Prediction(self.info.task, probabilities, source, self.mask_steps(source.size, options))

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
            on_progress: callback of (windows done, windows).

        Raises:
            SegkitError: if the model cannot predict with these options.
        """
        for network in self.networks:
            options.check(network.info)
        members = grouped(self.networks, options)
        predicted = predict_images(members, images, options, on_progress)
        return ((image, mean_chunks(members, chunks)) for image, chunks in predicted)

    def mask_steps(self, size: Size, options: PredictOptions) -> MaskSteps | None:
        """Post-processing of the mask of an image of (height, width); None if there is none."""
        if not self.postprocess or not options.postprocess:
            return None
        steps = self.postprocess.steps(self.info.task)
        return steps.scaled(area_factor(options.fit(self.info), size))

    def sees_whole(self, options: PredictOptions) -> bool:
        """Whether the networks see each image in one window, so that its chunks need no network any more."""
        return not any(options.fit(network.info).is_native for network in self.networks)


def _check_same_task(infos: Sequence[ModelInfo]) -> None:
    first = infos[0]
    for other in infos[1:]:
        channels = f"{first.channels} and {other.channels}"
        bands = f"{_bands_in_words(first)} and {_bands_in_words(other)}"
        for difference, same in (
            ("predict different classes", first.task == other.task),
            (f"take images with different numbers of channels, {channels}", first.channels == other.channels),
            (f"take different bands of their images, {bands}", first.bands == other.bands),
        ):
            if not same:
                raise SegkitError(
                    f"{first.name} and {other.name} {difference}, so they cannot be averaged",
                    hint="use models of the same task and the same kind of image",
                )


def _bands_in_words(info: ModelInfo) -> str:
    return str([*info.bands]) if info.bands else "all"
