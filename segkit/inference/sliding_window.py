"""Images of any size at their own resolution, tile by tile, blended where tiles overlap.

Tiles start at multiples of `ways.GRID`, so that a convolutional network sees the same pixels under the
same places of its maps as in the whole image: where a tile's border is far, it says the same. The outermost
quarter of an overlap counts nothing, the half within it is blended into the neighbour's. The weights of all
tiles sum to one everywhere: nothing has to be divided in the end, and rows are given away as soon as no
further tile reaches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segkit.data.resize import resize_image
from segkit.inference.tta import ensemble, predict_tta, resized, scaled

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.inference.image_source import ImageSource, Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions

Weights = npt.NDArray[np.float32]


def tiled_bands(
    networks: Sequence[Network],
    picture: ImageSource,
    ways: PredictOptions,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Probabilities]:
    """What networks say of an image at its own resolution, in bands (K, rows, width) from top to bottom.

    Args:
        networks: the mean of their answers is taken.
        picture: of any size; beyond its borders it is continued by its mirror image.
        ways: with a tile that all networks take.
        on_progress: callback of (label, done, total).
    """
    height, width = picture.extent
    tile, step = ways.tile, ways.tile - ways.shared()
    tops, lefts = _starts(height, tile, step), _starts(width, tile, step)
    classes = networks[0].facts.task.channels
    held = np.zeros((classes, tile, width), np.float32)  # the rows that the present tiles reach
    done = 0
    for top in tops:
        down = _weights(top, tops, tile, step)
        for some in _batches(lefts, ways.at_once(networks[0].facts.size)):
            tiles = np.stack([_cut(picture, top, left, tile) for left in some])
            for left, answer in zip(some, _answers(networks, tiles, ways), strict=True):
                weights = down[:, None] * _weights(left, lefts, tile, step)
                part = min(tile, width - left)
                held[:, :, left : left + part] += (answer * weights)[:, :, :part]
            done += len(some)
            on_progress(done, len(tops) * len(lefts))
        rows = min(height - top, tile if top == tops[-1] else step)
        yield held[:, :rows].copy()
        held[:, :-step] = held[:, step:]  # what the next tiles reach too
        held[:, -step:] = 0


def _starts(length: int, tile: int, step: int) -> list[int]:
    """Where tiles start along one side, so that they cover it; the last one may reach beyond."""
    return [*range(0, max(length - (tile - step), 1), step)]


def _batches(starts: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (starts[first : first + size] for first in range(0, len(starts), size))


def _weights(start: int, starts: Sequence[int], tile: int, step: int) -> Weights:
    """(tile,): how much each of a tile's rows counts; together with its neighbours' they sum to one."""
    shared = tile - step
    rising = np.clip((np.arange(shared) + 0.5 - shared / 4) / max(shared / 2, 1), 0, 1)
    ramp = np.sin(np.pi / 2 * rising) ** 2
    weights = np.ones(tile)
    if start > starts[0]:
        weights[:shared] = ramp
    if start < starts[-1]:
        weights[step:] = 1 - ramp
    return weights.astype(np.float32)


def _cut(picture: ImageSource, top: int, left: int, tile: int) -> Pixels:
    """(tile, tile, C): pixels of the image, continued by its mirror image where it ends."""
    height, width = picture.extent
    rows, columns = min(tile, height - top), min(tile, width - left)
    if (rows, columns) == (tile, tile):
        return picture.cut(top, left, tile, tile)
    # A tile at the end may hold too few of the image's pixels to mirror: those before it are needed too.
    above, beside = (max(0, start - tile) for start in (top, left))
    there = picture.cut(above, beside, top + rows - above, left + columns - beside)
    padding = ((0, tile - rows), (0, tile - columns), (0, 0))
    return np.pad(there, padding, mode="symmetric")[top - above :, left - beside :]


def _answers(networks: Sequence[Network], tiles: Pixels, ways: PredictOptions) -> Probabilities:
    """(B, K, tile, tile): the mean over networks, scales and mirror images."""
    size = tiles.shape[1:3]
    answers = []
    for network in networks:
        for scale in ways.scales:
            seen = tiles if scale == 1 else _resized(tiles, scaled(size, scale, network.facts.multiple))
            answer = predict_tta(network, seen, flips=ways.flips)
            answers.append(np.stack([resized(one, size) for one in answer]))
    return ensemble(answers)


def _resized(tiles: Pixels, size: Size) -> Pixels:
    return np.stack([resize_image(tile, size) for tile in tiles])
