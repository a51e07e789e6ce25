"""Prediction of whole images: resized to the training size, probabilities resized back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segkit.inference.tta import ensemble, predict_tta, resize_probabilities, scaled_size

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.image_source import ImageSource, Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions

_MAX_CHUNK = 2**22  # float32 numbers in a chunk: 16 MiB


def resize_inputs(
    image: ImageSource, networks: Sequence[Network], options: PredictOptions
) -> dict[Size, Pixels]:
    """The image at every input size of the networks."""
    return {size: image.resized(size) for network in networks for size in input_sizes(network, options)}


def predict_resized(
    networks: Sequence[Network], images: Sequence[Mapping[Size, Pixels]], options: PredictOptions
) -> Probabilities:
    """Mean probabilities (B, K, h, w) of several networks, at the first network's size."""
    predictions = []
    for network in networks:
        for size in input_sizes(network, options):
            batch = np.stack([image[size] for image in images])
            maps = predict_tta(network, batch, flips=options.flips)
            predictions.append(
                np.stack([resize_probabilities(image, networks[0].info.size) for image in maps])
            )
    return ensemble(predictions)


def input_sizes(network: Network, options: PredictOptions) -> list[Size]:
    """Input sizes of a network for a whole image, one per scale."""
    info = network.info
    return [scaled_size(info.size, scale, info.multiple) for scale in options.scales]


def row_chunks(probabilities: Probabilities, size: Size) -> Iterator[Probabilities]:
    """Resize (K, h, w) to (height, width), in chunks (K, rows, width) from top to bottom."""
    (height, width), (classes, rows, columns) = size, probabilities.shape
    step = max(1, _MAX_CHUNK // (width * classes))
    for top in range(0, height, step):
        bottom = min(height, top + step)
        box = (0.0, top * rows / height, float(columns), bottom * rows / height)
        yield resize_probabilities(probabilities, (bottom - top, width), box)
