"""Files of a run directory: names, writers, readers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel

from segkit.core.class_scores import MEASURES, PixelCounts
from segkit.core.events import EpochEnded
from segkit.core.types import Pixels
from segkit.recipe.postprocess_record import PostprocessRecord
from segkit.runs.provisional import provisional_summary
from segkit.runs.recipe_schema import RunRecipe
from segkit.runs.schema import (
    Environment,
    Epoch,
    MeasuredCosts,
    NativeScores,
    Sample,
    Samples,
    SeenSample,
    SeenSamples,
    Summary,
)
from segkit.utils.atomic import atomic_write, write_text
from segkit.utils.csv_files import original_text, write_csv
from segkit.utils.safe_read import (
    MAX_LIST_BYTES,
    MAX_NUMBER,
    corrupt_file,
    each_row,
    read_json,
    read_json_lines,
    read_number,
    read_png,
    read_rows,
    read_text,
    read_yaml,
)

CLASS_SCORES = ("image", "class", *MEASURES, "pixels")  # columns of class_scores.csv
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoredSample:
    """One scored image and its masks."""

    record: Sample
    pixels: Pixels  # 8-bit picture (H, W, 3), or (H, W, 1) for grey; (H, W, 4) in files of earlier versions
    truth: Pixels  # (H, W); 0 is background, 255 ignored
    prediction: Pixels  # (H, W), likewise


@dataclass(frozen=True)
class TrainingSample:
    """A training image or window as the model saw it, and its mask."""

    image: str  # its name
    pixels: Pixels  # 8-bit picture (H, W, 3), or (H, W, 1) for grey
    mask: Pixels  # (H, W); 0 is background, 255 ignored


class RunFiles:
    """Paths in a run directory, with a writer and a reader for each file.

    Every reader raises `SegkitError` if its file is missing or damaged.

    Args:
        path: path of the directory.
        overrides: changes of its recipe for predictions, in the form of `--set`: those of a cross-validation.
    """

    def __init__(self, path: Path, overrides: Sequence[str] = ()) -> None:
        self.path = path
        self.overrides = tuple(overrides)
        self.recipe = path / "recipe.yaml"
        self.environment = path / "environment.json"
        self.splits = path / "splits.csv"
        self.metrics = path / "metrics.jsonl"
        self.scores = path / "scores.csv"
        self.class_scores = path / "class_scores.csv"
        self.summary = path / "summary.json"
        self.checkpoints = path / "checkpoints"
        self.weights = self.checkpoints / "best.safetensors"
        self.samples = path / "samples"
        self.costs = path / "costs.json"
        self.native_scores = path / "native_scores.json"
        self.postprocess = path / "postprocess.json"
        self.thumbnails = path / "thumbnails.zip"
        self.report = path / "report.html"
        self.lock = path / ".lock"

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def has_ended(self) -> bool:
        """Whether the run is complete."""
        return self.summary.is_file()

    def write_recipe(self, text: str) -> None:
        """Write the complete recipe."""
        write_text(self.recipe, text)

    def write_environment(self, environment: Environment) -> None:
        """Write versions, hardware and digests."""
        write_json(self.environment, environment)

    def write_splits(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Write name, split and group of every image, as `data.split` reads them."""
        with atomic_write(self.splits) as temporary:
            write_csv(temporary, chain([("name", "split", "group")], rows))

    def write_summary(self, summary: Summary) -> None:
        """Write the results; the run is complete from then on."""
        write_json(self.summary, summary)

    def remove_results(self) -> None:
        """Remove what a finished run has, before it is trained on."""
        report = self.report, self.report.with_suffix(".md")
        scores = self.scores, self.class_scores, self.native_scores, self.postprocess
        for path in (self.summary, *scores, self.thumbnails, *report):
            path.unlink(missing_ok=True)

    def write_costs(self, costs: MeasuredCosts) -> None:
        """Write measured costs of the model."""
        write_json(self.costs, costs)

    def write_native_scores(self, scores: NativeScores) -> None:
        """Write scores at the images' own size."""
        write_json(self.native_scores, scores)

    def write_postprocess(self, record: PostprocessRecord) -> None:
        """Write how the post-processing was chosen."""
        write_json(self.postprocess, record)

    def append_epoch(self, event: EpochEnded) -> None:
        """Append one line to metrics.jsonl."""
        with self.metrics.open("a", encoding="utf-8", newline="\n") as file:
            file.write(_line(event))

    def rewrite_epochs(self, events: Sequence[EpochEnded]) -> None:
        """Replace metrics.jsonl; after a kill it may hold incomplete or repeated lines."""
        write_text(self.metrics, "".join(map(_line, events)))

    def write_scores(self, names: Sequence[str], scores: Mapping[str, Sequence[float]]) -> None:
        """Write the scores of every image; an undefined score is an empty cell.

        Args:
            names: image names.
            scores: scores of all images, by metric.
        """
        with atomic_write(self.scores) as temporary:
            write_csv(temporary, [["image", *scores], *zip(names, *scores.values(), strict=True)])

    def write_class_scores(self, names: Sequence[str], counts: PixelCounts) -> None:
        """Write the scores of every image and class; a class that is in neither mask has no row.

        Args:
            names: image names.
            counts: pixels of these images by class.
        """
        classes = counts.task.classes

        def rows() -> Iterator[Sequence[str | float]]:
            yield CLASS_SCORES
            for index, name in enumerate(names):
                _, predicted, truth = counts.pixels[index].T
                columns = [values.tolist() for values in counts.per_image(index).values()]
                for position in np.flatnonzero(predicted + truth).tolist():
                    scores = (column[position] for column in columns)
                    yield name, classes[position], *scores, int(truth[position])

        with atomic_write(self.class_scores) as temporary:
            write_csv(temporary, rows())

    def write_samples(self, samples: Sequence[ScoredSample], palette: Pixels) -> None:
        """Write samples.json, images, and masks as PNGs with a palette.

        Args:
            samples: samples in the order of the report.
            palette: (256, 3), the colour of every mask value.
        """
        self.samples.mkdir(exist_ok=True)
        for sample in samples:
            files = sample.record.files
            self._save_image(files.image, sample.pixels)
            self._save_mask(files.truth, sample.truth, palette)
            self._save_mask(files.prediction, sample.prediction, palette)
        write_json(self.samples / "samples.json", Samples([sample.record for sample in samples]))

    def write_training_samples(self, samples: Sequence[TrainingSample], palette: Pixels) -> None:
        """Write training.json, images, and masks as PNGs with a palette (256, 3)."""
        self.samples.mkdir(exist_ok=True)
        seen = [SeenSample.numbered(number, sample.image) for number, sample in enumerate(samples, start=1)]
        for entry, sample in zip(seen, samples, strict=True):
            self._save_image(entry.picture, sample.pixels)
            self._save_mask(entry.mask, sample.mask, palette)
        write_json(self.samples / "training.json", SeenSamples(seen))

    def _save_image(self, name: str, pixels: Pixels) -> None:
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels))
        _save_png(image, self.samples / name)

    def _save_mask(self, name: str, mask: Pixels, palette: Pixels) -> None:
        image = Image.fromarray(np.ascontiguousarray(mask))
        image.putpalette(palette.tobytes())
        _save_png(image, self.samples / name)

    def read_recipe(self) -> dict[str, Any]:
        """The complete recipe as plain data."""
        return read_yaml(self.recipe, RunRecipe)

    def recipe_text(self) -> str:
        """The complete recipe as YAML."""
        return read_text(self.recipe)

    def read_environment(self) -> Environment:
        """Versions, hardware and digests."""
        return read_json(self.environment, Environment)

    def read_summary(self) -> Summary:
        """Results of the run; of one that has not ended, those of its best epoch so far."""
        return read_json(self.summary, Summary) if self.has_ended else provisional_summary(self)

    def read_costs(self) -> MeasuredCosts | None:
        """Measured costs of the model; None if they were not measured."""
        if not self.costs.is_file():
            return None
        return read_json(self.costs, MeasuredCosts, hint="delete the file and measure again")

    def read_native_scores(self) -> NativeScores | None:
        """Scores at the images' own size; None if they were not computed."""
        if not self.native_scores.is_file():
            return None
        hint = "delete the file and compare again"
        return read_json(self.native_scores, NativeScores, hint=hint, max_bytes=MAX_LIST_BYTES)

    def read_postprocess(self) -> PostprocessRecord | None:
        """How the post-processing was chosen; None if it was not."""
        return read_json(self.postprocess, PostprocessRecord) if self.postprocess.is_file() else None

    def read_epochs(self) -> list[dict[str, Any]]:
        """One mapping per epoch; undefined scores are None."""
        return read_json_lines(self.metrics, Epoch, may_be_torn=not self.has_ended)

    def read_groups(self) -> dict[str, str]:
        """Group of each image by name; empty without groups, and in runs of earlier versions."""
        if not self.splits.is_file():
            return {}
        return {name: original_text(group) for name, _, group in self._divided() if group}

    def read_names(self, split: str) -> list[str]:
        """Names of the images that the run had in a split.

        Raises:
            SegkitError: if the file is missing or damaged.
        """
        return [name for name, of_name, _ in self._divided() if of_name == split]

    def _divided(self) -> Iterator[tuple[str, str, str]]:
        for name, split, group in each_row(self.splits, ("name", "split", "group")):
            yield normalize("NFC", original_text(name)), split, group

    def read_scores(self) -> tuple[list[str], dict[str, list[float]]]:
        """Image names, and the scores of all images by metric; NaN where undefined."""
        header, rows = read_rows(self.scores)
        try:
            scores = {
                name: [read_number(row[column]) for row in rows]
                for column, name in enumerate(header[1:], start=1)
            }
        except ValueError as error:
            raise corrupt_file(self.scores, str(error)) from None
        return [normalize("NFC", original_text(row[0])) for row in rows], scores

    def read_class_iou(self, names: Sequence[str], classes: Sequence[str]) -> Floats:
        """IoU of every class in every image, (K, N); NaN where the class is in neither mask.

        Args:
            names: names of the images, as `read_scores` returns them.
            classes: names of the classes.
        """
        images, positions = ({name: i for i, name in enumerate(items)} for items in (names, classes))
        iou = np.full((len(classes), len(names)), np.nan)
        for row in each_row(self.class_scores, CLASS_SCORES):
            image, name = (normalize("NFC", original_text(row[0])), original_text(row[1]))
            if image not in images or name not in positions:
                raise corrupt_file(self.class_scores, "an image or a class is not one of the run")
            try:
                iou[positions[name], images[image]] = read_number(row[2])
            except ValueError as error:
                raise corrupt_file(self.class_scores, str(error)) from None
        return iou

    def read_samples(self) -> list[ScoredSample]:
        """Samples written by `write_samples`; empty if there are none."""
        index = self.samples / "samples.json"
        if not index.is_file():
            return []
        samples = []
        for record in read_json(index, Samples).root:
            files = record.files
            samples.append(
                ScoredSample(record, *self._read_pictures(files.image, files.truth, files.prediction))
            )
        return samples

    def read_training_samples(self) -> list[TrainingSample]:
        """Samples written by `write_training_samples`; empty if there are none."""
        index = self.samples / "training.json"
        seen = read_json(index, SeenSamples).root if index.is_file() else []
        return [
            TrainingSample(entry.image, *self._read_pictures(entry.picture, entry.mask)) for entry in seen
        ]

    def _read_pictures(self, image: str, *masks: str) -> list[Pixels]:
        pixels = read_png(self.samples / image, ("L", "RGB", "RGBA"))
        read = [read_png(self.samples / mask, ("P", "L")) for mask in masks]
        if any(mask.shape != pixels.shape[:2] for mask in read):
            raise corrupt_file(self.samples / image, "its size differs from that of its masks")
        return [pixels if pixels.ndim == 3 else pixels[..., None], *read]


def write_json(path: Path, content: Any) -> None:
    """Write a pydantic model or plain data atomically; NaN and numbers beyond ±1e100 become null."""
    if isinstance(content, BaseModel):
        content = content.model_dump(mode="json", exclude_unset=True)
    write_text(path, json.dumps(_finite(content), indent=2, ensure_ascii=False) + "\n")


def _line(event: EpochEnded) -> str:
    line = asdict(event)
    line |= line.pop("metrics")
    return json.dumps(Epoch(**_finite(line)).model_dump()) + "\n"


def _save_png(image: Image.Image, path: Path) -> None:
    with atomic_write(path) as temporary:
        image.save(temporary, "PNG")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) <= MAX_NUMBER else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
