"""Many image files to files of masks: one that cannot be read is told of in the end, and the rest is done."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from segkit.core.errors import DataError, Problem
from segkit.inference.image_source import FilePicture

if TYPE_CHECKING:
    from segkit.inference.image_source import ImageSource
    from segkit.inference.inputs import Input
    from segkit.inference.network import Probabilities
    from segkit.inference.options import PredictOptions
    from segkit.inference.outputs import Outputs
    from segkit.inference.predictor import Predictor

Progress = Callable[[str, int, int], None]
_MAX_THREADS = 4  # that write: each holds an image's mask at full size


def predict_files(
    predictor: Predictor,
    inputs: Sequence[Input],
    outputs: Outputs,
    ways: PredictOptions,
    on_progress: Progress = lambda label, done, total: None,
) -> list[Problem]:
    """Predict image files, and write what `outputs` says of each. Files appear whole or not at all.

    Args:
        predictor: the model.
        inputs: the images.
        outputs: where their masks go.
        ways: how the model is asked.
        on_progress: callback of (label, done, total).

    Returns:
        What was wrong with images: nothing is written for those.

    Raises:
        SegkitError: if the model cannot be asked so.
        OSError: if something cannot be written.
    """
    problems: list[Problem] = []
    # One after the other: each may hold a whole decoded image, and is forgotten once its mask is written.
    pictures = (FilePicture(input_.path, predictor.facts.channels) for input_ in inputs)
    answers = predictor.answers(pictures, ways, partial(on_progress, "tiles"))
    named = ((input_.name, *answer) for input_, answer in zip(inputs, answers, strict=True))
    # Of tiles, the network is asked while they are written.
    for done, found in enumerate(_written(named, outputs, in_threads=not ways.tile), start=1):
        problems += found
        on_progress("images", done, len(inputs))
    return problems


def _written(
    answers: Iterator[tuple[str, ImageSource, Iterator[Probabilities]]], outputs: Outputs, *, in_threads: bool
) -> Iterator[Sequence[Problem]]:
    """Write every answer; gives what was wrong with each, in order."""

    def write(name: str, picture: ImageSource, bands: Iterator[Probabilities]) -> Sequence[Problem]:
        try:
            outputs.write(name, picture, bands)
        except DataError as error:
            return error.problems
        return ()

    if not in_threads:
        yield from (write(*answer) for answer in answers)
        return
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    waiting: deque[Future[Sequence[Problem]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for answer in answers:
            waiting.append(pool.submit(write, *answer))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)
