"""Sliding-window prediction: overlapping tiles at full resolution, blended as in `segkit.data.windows`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segkit.data.resize import resize_image, resize_probabilities
from segkit.data.windows import Grid, read_window
from segkit.inference.tta import ensemble, predict_tta, scaled_size

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.image_source import ImageSource
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions


def predict_tiled(
    networks: Sequence[Network],
    image: ImageSource,
    options: PredictOptions,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Probabilities]:
    """Mean probabilities of networks at full resolution, in chunks (K, rows, width) from top to bottom.

    The image is padded by reflection; `on_progress` is a callback of (tiles done, tiles).
    """
    size, step = (options.tile, options.tile), options.step()
    grid = Grid(image.size, size, (step, step))
    at_once = options.images_per_batch(networks[0].info.size)

    def predictions() -> Iterator[Probabilities]:
        done = 0
        for top in grid.tops:
            for first in range(0, len(grid.lefts), at_once):
                lefts = grid.lefts[first : first + at_once]
                tiles = np.stack([read_window(image.crop, image.size, top, left, size) for left in lefts])
                maps = _predict(networks, tiles, options)
                done += len(lefts)
                on_progress(done, len(grid))
                yield from maps

    return grid.blend(networks[0].info.task.channels, predictions())


def _predict(networks: Sequence[Network], tiles: Pixels, options: PredictOptions) -> Probabilities:
    """(B, tile, tile, C) -> (B, K, tile, tile), averaged over networks, scales and flips."""
    size = tiles.shape[1:3]
    predictions = []
    for network in networks:
        for scale in options.scales:
            inputs = tiles
            if scale != 1:
                scaled = scaled_size(size, scale, network.info.multiple)
                inputs = np.stack([resize_image(tile, scaled) for tile in tiles])
            maps = predict_tta(network, inputs, flips=options.flips)
            predictions.append(np.stack([resize_probabilities(image, size) for image in maps]))
    return ensemble(predictions)
