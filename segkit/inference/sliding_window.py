"""Sliding-window prediction: overlapping tiles at full resolution, blended.

Tiles start at multiples of `options.GRID`, so that pixels lie at the same positions of the feature maps as in
the whole image: away from the borders of tiles, a convolutional network gives the same result. The outermost
quarter of an overlap has weight 0, and the half inside it is blended into the neighbouring tiles. Weights are
divided by the sum over all tiles at a pixel: rows can be yielded once no further tile reaches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segkit.data.resize import resize_image
from segkit.inference.tta import ensemble, predict_tta, resize_probabilities, scaled_size

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.image_source import ImageSource
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions

Weights = npt.NDArray[np.float32]


def predict_tiled(
    networks: Sequence[Network],
    image: ImageSource,
    options: PredictOptions,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Probabilities]:
    """Mean probabilities of networks at full resolution, in chunks (K, rows, width) from top to bottom.

    The image is padded by reflection; `on_progress` is a callback of (tiles done, tiles).
    """
    height, width = image.size
    tile, step = options.tile, options.step()
    tops, lefts = _starts(height, tile, step), _starts(width, tile, step)
    row_weights, column_weights = _weights(tops, tile, step), _weights(lefts, tile, step)
    size = options.images_per_batch(networks[0].info.size)
    total = np.zeros((networks[0].info.task.channels, tile, width), np.float32)  # rows of the current tiles
    done = 0
    for top in tops:
        for batch in (lefts[first : first + size] for first in range(0, len(lefts), size)):
            tiles = np.stack([_crop(image, top, left, tile) for left in batch])
            for left, probabilities in zip(batch, _predict(networks, tiles, options), strict=True):
                weights = row_weights[top][:, None] * column_weights[left]
                columns = min(tile, width - left)
                total[:, :, left : left + columns] += (probabilities * weights)[:, :, :columns]
            done += len(batch)
            on_progress(done, len(tops) * len(lefts))
        rows = min(height - top, tile if top == tops[-1] else step)
        yield np.minimum(total[:, :rows], 1)  # rounded, the weights may sum to slightly more
        total[:, :-step] = total[:, step:]  # rows that the next tiles reach too
        total[:, -step:] = 0


def _starts(length: int, tile: int, step: int) -> list[int]:
    return [*range(0, max(length - (tile - step), 1), step)]  # the last tile may reach beyond the image


def _weights(starts: Sequence[int], tile: int, step: int) -> dict[int, Weights]:
    """Weights (tile,) of each tile along one side; those of all tiles at a pixel sum to 1."""
    overlap = tile - step
    rising = np.clip((np.arange(overlap) + 0.5 - overlap / 4) / max(overlap / 2, 1), 0, 1)
    ramp = np.sin(np.pi / 2 * rising) ** 2
    weights = {start: np.ones(tile) for start in starts}
    total = np.zeros(starts[-1] + tile)
    for start, window in weights.items():
        if start > starts[0]:
            window[:overlap] *= ramp
        if start < starts[-1]:
            window[step:] *= 1 - ramp
        total[start : start + tile] += window
    return {s: (window / total[s : s + tile]).astype(np.float32) for s, window in weights.items()}


def _crop(image: ImageSource, top: int, left: int, tile: int) -> Pixels:
    height, width = image.size
    rows, columns = min(tile, height - top), min(tile, width - left)
    if (rows, columns) == (tile, tile):
        return image.crop(top, left, tile, tile)
    # A tile at the border may hold too few pixels to reflect: those before it are needed too.
    first_row, first_column = max(0, top - tile), max(0, left - tile)
    pixels = image.crop(first_row, first_column, top + rows - first_row, left + columns - first_column)
    padding = ((0, tile - rows), (0, tile - columns), (0, 0))
    return np.pad(pixels, padding, mode="symmetric")[top - first_row :, left - first_column :]


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
