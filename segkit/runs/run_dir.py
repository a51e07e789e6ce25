"""File names and formats of a run directory: who writes which file, and how it is read again. No torch."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel

from segkit.core.errors import SegkitError
from segkit.core.events import EpochEnded
from segkit.core.types import Pixels
from segkit.runs.schema import Environment, Epoch, MeasuredCosts, RunRecipe, Sample, Samples, Summary
from segkit.utils.atomic import atomic_write, remove_leftovers
from segkit.utils.locks import LockedError, exclusive
from segkit.utils.os_errors import cannot_write
from segkit.utils.safe_read import (
    corrupt_file,
    read_json,
    read_json_lines,
    read_number,
    read_png,
    read_rows,
    read_text,
    read_yaml,
)


@dataclass(frozen=True)
class ScoredSample:
    """One scored image with its masks, to look at.

    Masks are (H, W), one number per pixel: 0 is background, 255 ignored.

    Args:
        record: what is known of it.
        pixels: (H, W, C) as the model saw it.
        truth: the true mask.
        prediction: the predicted mask.
    """

    record: Sample
    pixels: Pixels
    truth: Pixels
    prediction: Pixels


class RunDir:
    """A run directory; see the documentation's table of its files.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.scores = path / "scores.csv"
        self.summary = path / "summary.json"
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.costs = path / "costs.json"
        self.thumbnails = path / "thumbnails.zip"
        self.report = path / "report.html"
        self.lock = path / ".lock"

    def __fspath__(self) -> str:
        """So that it can be named wherever a path can."""
        return str(self.path)

    @classmethod
    def create(cls, runs: Path, recipe: str) -> RunDir:
        """A new directory ``runs/<recipe>/<number>``, the next free number.

        Raises:
            OSError: if it cannot be made.
        """
        name = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in recipe)
        folder = runs / (name if name.strip(".") else "_")
        folder.mkdir(parents=True, exist_ok=True)
        taken = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
        number = max(taken, default=0) + 1
        while True:
            try:
                (folder / f"{number:03}").mkdir()
            except FileExistsError:  # another run was faster
                number += 1
            else:
                run = cls(folder / f"{number:03}")
                run.checkpoints.mkdir()
                return run

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """An existing, complete run directory.

        Raises:
            SegkitError: if it is none, or its run did not end.
        """
        run = cls.begun(path)
        if not run.summary.is_file():
            with suppress(OSError), run.held():  # whoever is at work on it is told of
                pass
            hint = f"segkit resume {path} goes on with it"
            raise SegkitError("this run has not ended", where=str(path), hint=hint)
        return run

    @classmethod
    def begun(cls, path: Path) -> RunDir:
        """An existing run directory, whether its run has ended or not.

        Raises:
            SegkitError: if it is none, or links lead out of it.
        """
        run = cls(path)
        if path.suffix.lower() == ".pt2":
            hint = (
                "the run directory that it was exported from, or an .onnx file of that run to predict with; "
                "torch.export.load opens a .pt2 file"
            )
            raise SegkitError("segkit writes .pt2 files and does not read them", where=str(path), hint=hint)
        if path.suffix.lower() == ".onnx" or (path / "config.json").is_file():
            hint = "the run that it was exported from; segkit predict and segkit.load take an export too"
            raise SegkitError("this is an export, and no run directory", where=str(path), hint=hint)
        if not run.recipe.is_file():
            inside = sorted(file.parent for file in path.glob("*/recipe.yaml"))
            hint = f"{inside[-1]} is one" if inside else "runs/<recipe>/<number>"
            raise SegkitError("this is no run directory", where=str(path), hint=hint)
        run._refuse_links_outside()
        return run

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one process that writes to it while the body runs; what killed ones left half-written goes.

        Raises:
            SegkitError: if another is; says which one.
            OSError: if nothing can be written to it.
        """
        try:
            with exclusive(self.lock):
                remove_leftovers(self.path)
                yield
        except LockedError as taken:
            raise SegkitError(
                f"another segkit is at work on this run{taken.holder and f': {taken.holder}'}",
                where=str(self.path),
                hint="wait until it has ended, or stop it with Ctrl-C or kill: it saves what it has done",
            ) from None

    def is_free(self) -> bool:
        """Whether no process holds it, and this one could."""
        try:
            with self.held():
                return True
        except (SegkitError, OSError):
            return False

    @contextmanager
    def written(self) -> Iterator[None]:
        """The body writes to the directory; what the system says of a full disk becomes an error of words.

        Raises:
            TrainingError: if something cannot be written; what is there is as it was.
        """
        try:
            yield
        except OSError as error:
            raise cannot_write(error, self.path, f"segkit resume {self.path} goes on") from error

    def write_recipe(self, text: str) -> None:
        """Write the complete recipe."""
        with atomic_write(self.recipe) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_environment(self, environment: Environment) -> None:
        """Write versions, hardware and digests."""
        write_json(self.environment, environment)

    def write_summary(self, summary: Summary) -> None:
        """Write the run's outcome."""
        write_json(self.summary, summary)

    def write_costs(self, costs: MeasuredCosts) -> None:
        """Write what the model was measured to cost."""
        write_json(self.costs, costs)

    def record(self, event: EpochEnded) -> None:
        """Append an epoch's line."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(_line(event))

    def record_anew(self, events: Sequence[EpochEnded]) -> None:
        """Write the lines of these epochs, and no others: some may have been written twice, or by halves."""
        with atomic_write(self.metrics) as temporary:
            temporary.write_text("".join(map(_line, events)), encoding="utf-8")

    def write_scores(self, names: Sequence[str], scores: Mapping[str, Sequence[float]]) -> None:
        """Write every metric of every scored image; an undefined score is an empty cell."""
        with (
            atomic_write(self.scores) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["image", *scores])
            for name, *row in zip(names, *scores.values(), strict=True):
                writer.writerow([name, *("" if math.isnan(score) else repr(score) for score in row)])

    def write_samples(self, samples: Sequence[ScoredSample], palette: Pixels) -> None:
        """Write images and masks: `samples.json` lists them, masks are PNGs of class numbers with colours.

        Args:
            samples: in order.
            palette: (256, 3), the colour of every value of a mask.
        """
        self.samples.mkdir(exist_ok=True)
        for sample in samples:
            files = sample.record.files
            _save(_image(sample.pixels), self.samples / files.image)
            for name, pixels in ((files.truth, sample.truth), (files.prediction, sample.prediction)):
                mask = Image.fromarray(pixels)
                mask.putpalette(palette.tobytes())
                _save(mask, self.samples / name)
        write_json(self.samples / "samples.json", Samples([sample.record for sample in samples]))

    def read_recipe(self) -> dict[str, Any]:
        """The complete recipe as plain data.

        Raises:
            SegkitError: here and in every reader below: if the file is missing or damaged.
        """
        return read_yaml(self.recipe, RunRecipe)

    def recipe_text(self) -> str:
        """The complete recipe as it is written."""
        return read_text(self.recipe)

    def read_environment(self) -> Environment:
        """Versions, hardware and digests."""
        return read_json(self.environment, Environment)

    def read_summary(self) -> Summary:
        """The run's outcome."""
        return read_json(self.summary, Summary)

    def read_costs(self) -> MeasuredCosts | None:
        """What the model was measured to cost; None if nobody has measured."""
        if not self.costs.is_file():
            return None
        return read_json(self.costs, MeasuredCosts, hint="delete the file, and measure again")

    def read_epochs(self) -> list[dict[str, Any]]:
        """One mapping per epoch, as `record` wrote it; undefined scores are None."""
        return read_json_lines(self.metrics, Epoch)

    def read_scores(self) -> tuple[list[str], dict[str, list[float]]]:
        """Image names, and each metric's scores in their order; NaN where undefined."""
        header, rows = read_rows(self.scores)
        try:
            scores = {
                name: [read_number(row[column]) for row in rows]
                for column, name in enumerate(header[1:], start=1)
            }
        except ValueError as error:
            raise corrupt_file(self.scores, str(error)) from None
        return [row[0] for row in rows], scores

    def read_samples(self) -> list[ScoredSample]:
        """What `write_samples` wrote."""
        listed = self.samples / "samples.json"
        if not listed.is_file():
            return []
        samples = []
        for record in read_json(listed, Samples).root:
            files = record.files
            image = read_png(self.samples / files.image, ("L", "RGB", "RGBA"))
            truth, prediction = (
                read_png(self.samples / name, ("P", "L")) for name in (files.truth, files.prediction)
            )
            if not image.shape[:2] == truth.shape == prediction.shape:
                raise corrupt_file(self.samples / files.image, "it is of another size than its masks")
            image = image if image.ndim == 3 else image[..., None]
            samples.append(ScoredSample(record, image, truth, prediction))
        return samples

    def _refuse_links_outside(self) -> None:
        """What another's run directory links to is not read into a report, and not written to.

        Raises:
            SegkitError: naming the link.
        """
        inside = self.path.resolve()
        for folder, folders, files in os.walk(self.path):
            for path in (Path(folder, name) for name in (*folders, *files)):
                if path.is_symlink() and not path.resolve().is_relative_to(inside):
                    raise SegkitError(
                        "this links to a place outside of its run directory, and is not followed",
                        where=str(path),
                        hint="put what it links to in its place, if you trust it",
                    )


def _line(event: EpochEnded) -> str:
    line = asdict(event)
    line |= line.pop("metrics")
    return json.dumps(_finite(line)) + "\n"


def _save(picture: Image.Image, path: Path) -> None:
    with atomic_write(path) as temporary:
        picture.save(temporary, "PNG")


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _finite(value: Any) -> Any:
    """JSON knows no NaN: an undefined score is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def write_json(path: Path, content: Any) -> None:
    """Write a record or plain data; what JSON has no number for becomes null.

    The file appears whole or not at all.
    """
    if isinstance(content, BaseModel):
        content = content.model_dump(mode="json", exclude_unset=True)
    with atomic_write(path) as temporary:
        temporary.write_text(
            json.dumps(_finite(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
