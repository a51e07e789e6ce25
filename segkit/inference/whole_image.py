"""Prediction of whole images in one window each: resized to its size, or letterboxed into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segkit.data.resize import resize_probabilities
from segkit.data.windows import cut_window
from segkit.inference.tta import ensemble, predict_tta, scaled_size

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.data.fit import Fit
    from segkit.inference.image_source import ImageSource, Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions


class LoadedImage(NamedTuple):
    """An image that has been read.

    Args:
        content: (height, width) at which it is kept.
        windows: what networks see of it, and the size of that without padding, by how it is fitted to them.
    """

    content: Size
    windows: Mapping[Fit, tuple[Pixels, Size]]


def load_windows(
    image: ImageSource, networks: Sequence[Network], fit: Fit, options: PredictOptions
) -> LoadedImage:
    """The image as the networks see it, at every scale: resized, and padded by reflection."""
    windows = {}
    for scaled in {scaled for network in networks for scaled in _scaled(network, fit, options)}:
        pixels = image.resized(scaled)
        windows[scaled] = cut_window(pixels, 0, 0, scaled.size), (pixels.shape[0], pixels.shape[1])
    # Some files must be decoded to know their size: only if it is needed, and not before they are.
    return LoadedImage(fit.size if fit.kind == "stretch" else fit.content(image.size), windows)


def predict_whole(
    networks: Sequence[Network], fit: Fit, images: Sequence[LoadedImage], options: PredictOptions
) -> list[Probabilities]:
    """Mean probabilities of networks for each image, (K, h, w) at the size at which the fit keeps it."""
    predictions: list[list[Probabilities]] = [[] for _ in images]
    for network in networks:
        for scaled in _scaled(network, fit, options):
            batch = np.stack([image.windows[scaled][0] for image in images])
            maps = predict_tta(network, batch, flips=options.flips)
            for image, window, found in zip(images, maps, predictions, strict=True):
                _, (height, width) = image.windows[scaled]
                found.append(resize_probabilities(window[:, :height, :width], image.content))
    return [ensemble(found) for found in predictions]


def _scaled(network: Network, fit: Fit, options: PredictOptions) -> list[Fit]:
    """How images are fitted to a network, once for each scale of the options."""
    multiple = network.info.multiple
    return [replace(fit, size=scaled_size(fit.size, scale, multiple)) for scale in options.scales]
