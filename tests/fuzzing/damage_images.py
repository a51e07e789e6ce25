"""Damaged images: each one is read, or refused by name; never a traceback, never a hang, never a warning.

python tests/fuzzing/damage_images.py --count 10000 --seed 0
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cases import Tally, arguments, run_cases
from image_damage import MODES, draw_case
from PIL import Image

from segkit.core.errors import DataError
from segkit.core.types import Sample, Task
from segkit.data.cache.cache import Cache
from segkit.data.images import read_header, read_image, read_image_at
from segkit.data.masks import read_mask, read_mask_at
from segkit.data.pairing import sample
from segkit.data.preprocess import layout_of, prepare

SIZE = (24, 20)
COLOURS = (("background", ("#000000",)), ("lesion", ("#ffffff", "#ff0000")))
NUMBERS = (("skin", (0, 7)), ("lesion", ("#ff0000", 300)), ("hair", (-1, 2)), ("ignore", (255,)))
TASKS = [
    Task("binary", ("lesion",)),
    Task("binary", ("lesion",), 255),
    Task("multiclass", ("skin", "lesion", "hair")),
    Task("binary", ("lesion",), None, COLOURS),
    Task("multiclass", ("skin", "lesion", "hair"), 255, NUMBERS),
]


def judge(seed: int, folder: Path, endings: Sequence[str] = tuple(MODES)) -> tuple[str, str]:
    """Read one file as an image and as a mask, alone, and for part of the cases as a run does."""
    chance = random.Random(seed)
    case = draw_case(chance, endings)
    folder.mkdir(exist_ok=True)
    path = folder / f"case.{case.ending}"
    path.write_bytes(case.content)
    logging.lastResort = records = _Records()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as `prepare` has it
        answers = read_in_every_way(path, chance)
    if seed % 10 == 0:
        leaked = read_as_a_run_does(path, folder)
        records.told += leaked
    path.unlink()
    if nameless := [str(error) for error in answers if error and str(path) not in str(error)]:
        return "nameless", nameless[0]
    if records.told:
        return "leak", "\n".join(records.told)
    return ("refused", "") if answers[0] else ("accepted", "")


def read_in_every_way(path: Path, chance: random.Random) -> list[DataError | None]:
    """What is wrong with the file as an image, at a size, and as a mask; right shapes where nothing is."""
    channels, task = chance.choice([1, 3, 4]), chance.choice(TASKS)
    header, header_error = _attempt(lambda: read_header(path))
    if header and chance.randrange(4):
        channels = header.channels if header.pages == 1 else header.pages
    whole, error = _attempt(lambda: read_image(path, channels))
    small, small_error = _attempt(lambda: read_image_at(path, channels, SIZE))
    if whole is not None and small is not None:
        _require(whole, (*small[1], channels), whole.dtype)
        _require(small[0], (*SIZE, channels), whole.dtype)
        assert header, "what has no readable header is read"
        assert (header.extent, header.dtype) == (small[1], whole.dtype), "the header tells another image"
    mask, mask_error = _attempt(lambda: read_mask(path, task))
    thin, thin_error = _attempt(lambda: read_mask_at(path, task, SIZE))
    assert (mask is None) == (thin is None), "a mask is refused at one size only"
    if mask is not None and thin is not None:
        _require(mask, thin[1])
        _require(thin[0], SIZE)
        allowed = {*range(max(2, len(task.classes))), task.ignore_index}
        assert set(np.unique(mask).tolist()) <= allowed, "a mask holds a value that means nothing"
    return [error, header_error, small_error, mask_error, thin_error]


def read_as_a_run_does(path: Path, folder: Path) -> list[str]:
    """Through `prepare`, without a cache, into one, and out of it: the same pixels, or the same problems."""
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        extent = (7, 5)
        found, _ = _attempt(lambda: read_image_at(path, 3, SIZE))
        if found is not None:
            extent = found[1]
        leaked.clear()
        mask = folder / "mask.png"
        Image.fromarray(np.zeros(extent, np.uint8)).save(mask)
        samples = [sample("a", path, mask, TASKS[0], 3)]
        cache = folder / "cache"
        layout = layout_of(SIZE, TASKS[0], 3)
        answers = [
            _prepared(samples, None),
            *(_prepared(samples, Cache(cache, layout, {})) for _ in range(2)),
        ]
        shutil.rmtree(cache, ignore_errors=True)
    assert answers[0] == answers[1] == answers[2], "the cache changes what is read"
    return [f"{warning.category.__name__}: {warning.message}" for warning in leaked]


def _prepared(samples: list[Sample], cache: Cache | None) -> bytes | str:
    try:
        prepared = prepare(samples, SIZE, TASKS[0], 3, cache=cache)
    except DataError as error:
        return str(error)
    return prepared.images[0].tobytes() + prepared.masks[0].tobytes()


def _attempt(read: Callable[[], Any]) -> tuple[Any, DataError | None]:
    try:
        return read(), None
    except DataError as error:
        return None, error


def _require(pixels: Any, shape: tuple[int, ...], kind: Any = np.uint8) -> None:
    assert kind in (np.uint8, np.uint16, np.int16, np.float32), kind
    assert pixels.dtype == kind, pixels.dtype
    assert pixels.shape == shape, f"{pixels.shape} is not {shape}"


class _Records(logging.Handler):
    """What decoders say through `logging`, which would reach the terminal."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def main() -> None:
    """Run the cases and print the figures; the files of what went wrong are kept."""
    import resource  # not on Windows

    given = arguments(__doc__, [*MODES])
    endings = given.ending or [*MODES]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGKIT_CACHE"] = f"{folder}/home"
        seeds = range(given.seed, given.seed + given.count)
        tally = run_cases(partial(judge, endings=endings), seeds, Path(folder, "case"), seconds=given.seconds)
    _keep(tally, given.keep, endings)
    print(tally.table())
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"{'MB of a process, at most':30}{memory:>8,}")
    raise SystemExit(bool(tally.faults))


def _keep(tally: Tally, folder: Path, endings: Sequence[str]) -> None:
    for seed, verdict, words in tally.faults:
        case = draw_case(random.Random(seed), endings)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{seed}.{case.ending}").write_bytes(case.content)
        (folder / f"{seed}.txt").write_text(f"{verdict}\n{case.damage}\n{words}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
