"""Prediction of whole images: resized to the training size, probabilities resized back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segkit.data.resize import resize_probabilities
from segkit.inference.tta import ensemble, predict_tta, scaled_size

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.image_source import ImageSource, Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions


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
