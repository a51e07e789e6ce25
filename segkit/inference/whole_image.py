"""Whole images, resized to the size of training; what is said of them, at the size they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segkit.inference.tta import ensemble, predict_tta, resized, scaled

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.image_source import ImageSource, Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions

_BAND = 2**22  # numbers in a band: 16 MiB


def resize_inputs(
    picture: ImageSource, networks: Sequence[Network], ways: PredictOptions
) -> dict[Size, Pixels]:
    """A whole image at every size at which one of the networks is asked about it."""
    return {size: picture.at(size) for network in networks for size in sizes_of(network, ways)}


def predict_small(
    networks: Sequence[Network], looks: Sequence[Mapping[Size, Pixels]], ways: PredictOptions
) -> Probabilities:
    """What networks say of some whole images, as their mean, at the first one's size.

    Args:
        networks: of one task.
        looks: each image as `resize_inputs` gives it.
        ways: how they are asked.

    Shape:
        output: (B, K, h, w).
    """
    answers = []
    for network in networks:
        for size in sizes_of(network, ways):
            answer = predict_tta(network, np.stack([look[size] for look in looks]), flips=ways.flips)
            answers.append(np.stack([resized(one, networks[0].facts.size) for one in answer]))
    return ensemble(answers)


def sizes_of(network: Network, ways: PredictOptions) -> list[Size]:
    """The sizes at which a network is asked about a whole image."""
    facts = network.facts
    return [scaled(facts.size, scale, facts.multiple) for scale in ways.scales]


def bands_at(small: Probabilities, extent: Size) -> Iterator[Probabilities]:
    """(K, h, w) -> the same at another size, in bands (K, rows, width) from top to bottom."""
    (height, width), (classes, rows, columns) = extent, small.shape
    step = max(1, _BAND // (width * classes))
    for top in range(0, height, step):
        bottom = min(height, top + step)
        box = (0.0, top * rows / height, float(columns), bottom * rows / height)
        yield resized(small, (bottom - top, width), box)
