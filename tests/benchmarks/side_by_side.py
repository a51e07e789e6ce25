"""segkit and the straightforward program beside it train the same recipe in turns, an epoch each.

    python tests/benchmarks/side_by_side.py recipes/isic_frozen.yaml --rounds 5

Each side is a process of its own that lives through the whole run and waits while the other one works, so
that imports do not count and whatever else the machine does meets both. The first epoch of each is told
apart: in it the models are built, and segkit decodes every image, once, into an empty cache. The rounds
after it are compared. It prints JSON lines: the number of workers, the first epochs, each round, and at last
how many times as long the straightforward program takes, by the medians. A whole epoch of segkit has its
checkpoint in it, which the other one does not write.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from segkit import Recipe, load_recipe
from segkit.recipe.dataset import find_samples

Epoch = dict[str, Any]
FAIR = ("metrics=[iou, dice]", "training.early_stopping_epochs=null", "data.split=official")


def main() -> None:
    """See the top of this file."""
    chosen = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGKIT_CACHE"] = str(Path(folder, "cache"))
        recipe = load_recipe(chosen.recipe, chosen.overrides)
        source = lay_out(recipe, Path(folder), images=chosen.images, copies=chosen.copies)
        overrides = [*chosen.overrides, *FAIR, f"training.epochs={chosen.rounds + 1}", source]
        for line in compare(chosen.recipe, overrides, Path(folder), chosen.rounds, chosen.workers):
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def compare(
    recipe: str, overrides: list[str], folder: Path, rounds: int, workers: str
) -> Iterator[dict[str, Any]]:
    """Both sides in turns: what to print, line by line.

    Args:
        recipe: a YAML file.
        overrides: as `--set` takes them.
        folder: for what segkit writes.
        rounds: epochs of each side, after its first one.
        workers: of the straightforward program, or "best".
    """
    sides: dict[str, Side] = {}
    try:
        sides["straightforward"] = Side(straightforward, recipe, overrides, workers)
        yield sides["straightforward"].answer()
        sides["segkit"] = Side(segkit, recipe, overrides, str(folder / "runs"))
        sides["segkit"].answer()
        first = {name: side.epoch() for name, side in sides.items()}
        yield {"first_epochs": first}
        told: dict[str, list[Epoch]] = {name: [] for name in sides}
        for number in range(rounds):
            for name in list(sides)[:: 1 if number % 2 else -1]:
                told[name].append(sides[name].epoch())
            yield {"round": number + 1, **{name: epochs[-1] for name, epochs in told.items()}}
        yield _verdict(told, first)
    finally:
        for side in sides.values():
            side.end()


class Side:
    """A process that trains an epoch whenever it is asked to."""

    def __init__(self, serve: Callable[..., None], *given: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, *given))
        self._process.start()
        other.close()

    def epoch(self) -> Epoch:
        """Have it train an epoch; `seconds` is all that it took until then."""
        started = time.perf_counter()
        self._connection.send("epoch")
        answer = self.answer()
        return {**answer, "seconds": time.perf_counter() - started}

    def answer(self) -> dict[str, Any]:
        """What it says next."""
        try:
            return dict(self._connection.recv())
        except EOFError:
            sys.exit("one side has failed")

    def end(self) -> None:
        """It has nothing more to do."""
        self._process.kill()
        self._process.join()


def straightforward(connection: Connection, file: str, overrides: list[str], workers: str) -> None:
    """The side of the straightforward program."""
    recipe = load_recipe(file, overrides)
    from straightforward import best_workers, epochs

    number = best_workers(recipe) if workers == "best" else int(workers)
    connection.send({"workers": number})
    _serve(connection, epochs(recipe, number))


def segkit(connection: Connection, file: str, overrides: list[str], runs: str) -> None:
    """The side of segkit: a run, which stands still between two epochs."""
    recipe = load_recipe(file, overrides)
    from segkit.core.events import EpochEnded
    from segkit.experiments.run import run
    from segkit.models.dry_run import dry_run
    from segkit.recipe.build import build

    # What it imports, the other side has imported by now.
    dry_run(recipe.model, recipe.data)
    for part in recipe.data.augment:
        build(part)
    connection.send({})
    _serve(
        connection,
        (
            {
                "epoch": event.epoch,
                "train_seconds": event.train_seconds,
                "score_seconds": event.seconds - event.train_seconds,
                "train_loss": event.train_loss,
                **event.metrics,
            }
            for event in run(recipe, Path(runs))
            if isinstance(event, EpochEnded)
        ),
    )


def _serve(connection: Connection, epochs: Iterator[Epoch]) -> None:
    while connection.recv():
        connection.send(next(epochs))


def _verdict(told: dict[str, list[Epoch]], first: dict[str, Epoch]) -> dict[str, Any]:
    """How many times as long the straightforward program takes."""

    def ratio(*keys: str) -> float:
        medians = {
            name: statistics.median(sum(epoch[key] for key in keys) for epoch in epochs)
            for name, epochs in told.items()
        }
        return medians["straightforward"] / medians["segkit"]

    return {
        "train_ratio": ratio("train_seconds"),
        "train_and_score_ratio": ratio("train_seconds", "score_seconds"),
        "whole_epoch_ratio": ratio("seconds"),
        "first_epoch_ratio": first["straightforward"]["seconds"] / first["segkit"]["seconds"],
        "segkit_first_epoch_seconds": first["segkit"]["seconds"],
    }


def lay_out(recipe: Recipe, folder: Path, *, images: int | None, copies: int) -> str:
    """The recipe's images in a folder of their own, perhaps fewer of them, perhaps several copies of each.

    Copies differ in bytes, behind the end of the picture: nobody can know that they look the same.

    Returns:
        An override of the recipe's source.
    """
    places = {kind: folder / kind for kind in ("images", "masks")}
    for split, samples in find_samples(recipe).items():
        for place in places.values():
            (place / split).mkdir(parents=True)
        for sample in samples[:images]:
            if not sample.files:
                sys.exit(f"{recipe.data.source.name} has no files to decode: another data.source")
            for place, file in zip(places.values(), sample.files, strict=True):
                for copy in range(copies):
                    _copy(file, place / split / f"{sample.name}-{copy}{file.suffix}", copy)
    return (
        f"data.source={{name: folder, images: {places['images']}, masks: {places['masks']}, "
        'pattern: "{name}", colours: null}'
    )


def _copy(file: Path, target: Path, number: int) -> None:
    shutil.copyfile(file, target)
    if number:
        with target.open("ab") as stream:
            stream.write(f"copy {number}".encode())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each side, after its first one")
    parser.add_argument("--images", type=int, metavar="N", help="take at most so many of each split")
    parser.add_argument("--copies", type=int, default=1, metavar="N", help="take each image so many times")
    parser.add_argument("--workers", default="best", help="of the straightforward program: 0, 1, 2, or best")
    return parser.parse_args()


if __name__ == "__main__":
    main()
