"""Prediction of many image files: unreadable images are reported at the end, the others are written."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from segkit.core.errors import DataError, Problem
from segkit.data.scales import boundary_density, scale
from segkit.inference.image_source import ImageFile
from segkit.inference.scale_warnings import scale_warnings
from segkit.inference.seen_numbers import number_warnings
from segkit.utils.os_errors import is_path_too_long

if TYPE_CHECKING:
    from segkit.inference.image_source import ImageSource, Size
    from segkit.inference.inputs import InputFile
    from segkit.inference.network import Probabilities
    from segkit.inference.options import PredictOptions
    from segkit.inference.outputs import Outputs
    from segkit.inference.predictor import Predictor
    from segkit.inference.seen_numbers import SeenNumbers

_MAX_THREADS = 4  # each holds an image's mask at full size


class Predicted(NamedTuple):
    """Result of predicting files.

    Args:
        problems: problems of unreadable images, for which nothing is written.
        without_foreground: number of masks without foreground; for multiclass, of the first class only.
        warnings: warnings about the images, in whole sentences.
    """

    problems: list[Problem]
    without_foreground: int
    warnings: list[str]


def predict_files(
    predictor: Predictor,
    inputs: Sequence[InputFile],
    outputs: Outputs,
    options: PredictOptions,
    on_progress: Callable[..., None] = lambda label, done, total, details="": None,
) -> Predicted:
    """Predict image files and write the results; files are written completely or not at all.

    `on_progress` is called with a label, done and total; of several images also with a text about the windows
    of the current one.

    Raises:
        SegkitError: if the model cannot predict with these options.
        OSError: if a file cannot be written.
    """
    problems: list[Problem] = []
    written: list[_Written] = []
    done = 0

    def on_windows(window: int, windows: int) -> None:
        if len(inputs) == 1:
            on_progress("windows", window, windows)
        else:
            on_progress("images", done, len(inputs), f"window {window:,} of {windows:,}")

    # A generator: each image may hold its decoded pixels, and is freed once its mask is written.
    images = (ImageFile(file.path, predictor.info, predictor.ranges) for file in inputs)
    predictions = predictor.predict_chunks(images, options, on_windows)
    items = ((file, *prediction) for file, prediction in zip(inputs, predictions, strict=True))
    # Windows are predicted while their chunks are written, so the network must stay in this thread.
    results = (
        _write_in_threads(items, outputs)
        if predictor.sees_whole(options)
        else (_write(outputs, *item) for item in items)
    )
    with warnings.catch_warnings():  # Pillow's, of harmless oddities; the state is shared by all threads
        warnings.simplefilter("ignore")
        for done, result in enumerate(results, start=1):
            if isinstance(result, _Written):
                written.append(result)
            else:
                problems += result
            on_progress("images", done, len(inputs))
    without_foreground = sum(not image.has_foreground for image in written)
    unlike = number_warnings(predictor.ranges, [(str(image.path), image.numbers) for image in written])
    return Predicted(problems, without_foreground, unlike + _scale_warnings(predictor, written, options))


class _Written(NamedTuple):
    """Facts about an image and its mask."""

    path: Path
    size: Size
    numbers: SeenNumbers
    has_foreground: bool
    boundary_density: float


_Result = _Written | Sequence[Problem]


def _scale_warnings(predictor: Predictor, images: Sequence[_Written], options: PredictOptions) -> list[str]:
    found: list[str] = []
    for info in (network.info for network in predictor.networks):
        if info.fit == "crop":  # images have the scale of the training images
            continue
        fit = options.fit(info)
        scales = [median(options.scales) * scale(fit, image.size) for image in images]
        density_of = None if options.tile else lambda index: images[index].boundary_density
        found += scale_warnings(info, scales, density_of, "images")
    return [*dict.fromkeys(found)]


def _write_in_threads(
    items: Iterator[tuple[InputFile, ImageSource, Iterator[Probabilities]]], outputs: Outputs
) -> Iterator[_Result]:
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(_write, outputs, *item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)


def _write(outputs: Outputs, file: InputFile, image: ImageSource, chunks: Iterator[Probabilities]) -> _Result:
    try:
        mask = outputs.write(file.name, image, chunks)
    except DataError as error:
        return error.problems
    except OSError as error:
        if not is_path_too_long(error):
            raise
        problem = f"the name of its mask is too long: {Path(error.filename or '').name}"
        return [Problem(problem, str(file.path), hint="give the image a shorter name")]
    except MemoryError:
        hint = "close other programs, raise the memory limit, or make the image smaller"
        return [Problem("there is too little memory for this image", str(file.path), hint=hint)]
    return _Written(file.path, image.size, image.numbers, bool(mask.any()), boundary_density(mask))
