"""Sliding-window prediction: overlapping windows of an image, blended as in `segkit.data.windows`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from segkit.data.resize import resize_image, resize_probabilities
from segkit.data.windows import Grid, cut_window, read_window
from segkit.inference.tta import ensemble, predict_tta, scaled_size

if TYPE_CHECKING:
    from segkit.core.types import Pixels
    from segkit.data.fit import Fit
    from segkit.inference.image_source import ImageSource
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions


def predict_windows(
    networks: Sequence[Network],
    fit: Fit,
    image: ImageSource,
    options: PredictOptions,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Probabilities]:
    """Mean probabilities of networks, in chunks (K, rows, width) from top to bottom.

    They have the size at which the fit keeps the image. Beyond it, windows are padded by reflection.
    `on_progress` is a callback of (windows done, windows).
    """
    content = fit.content(image.size)
    grid = Grid(content, fit.size, fit.step)
    cut = partial(read_window, image.crop, content)
    if content != image.size:
        cut = partial(cut_window, image.resized(fit))
    at_once = options.images_per_batch(fit.size)

    def predictions() -> Iterator[Probabilities]:
        done = 0
        for top in grid.tops:
            for first in range(0, len(grid.lefts), at_once):
                lefts = grid.lefts[first : first + at_once]
                windows = np.stack([cut(top, left, fit.size) for left in lefts])
                maps = _predict(networks, windows, options)
                done += len(lefts)
                on_progress(done, len(grid))
                yield from maps

    yield from grid.blend(networks[0].info.task.channels, predictions())


def _predict(networks: Sequence[Network], windows: Pixels, options: PredictOptions) -> Probabilities:
    """(B, height, width, C) -> (B, K, height, width), averaged over networks, scales and flips."""
    height, width = windows.shape[1:3]
    predictions = []
    for network in networks:
        for scale in options.scales:
            inputs = windows
            if scale != 1:
                scaled = scaled_size((height, width), scale, network.info.multiple)
                inputs = np.stack([resize_image(window, scaled) for window in windows])
            maps = predict_tta(network, inputs, flips=options.flips)
            predictions.append(np.stack([resize_probabilities(image, (height, width)) for image in maps]))
    return ensemble(predictions)
