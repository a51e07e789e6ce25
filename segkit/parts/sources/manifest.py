"""A CSV file of images and masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unicodedata import normalize

import numpy as np

from segkit.core.errors import DataError, PartError, Problem
from segkit.core.paths import as_stored
from segkit.core.registry import SOURCES
from segkit.core.types import Pixels, Sample, Source, Task
from segkit.data.csv_table import read_table
from segkit.data.image_files import why_unread
from segkit.data.images import read_image, read_image_at
from segkit.data.labels import ColourText, task_of_one_class, with_labels
from segkit.data.masks import read_mask, read_mask_at
from segkit.data.pairing import check_extent, sample
from segkit.data.readers.raster import Extent
from segkit.data.source_scan import SourceScan
from segkit.data.split_names import split_named
from segkit.data.text_file import with_slashes

_RELATIVE = "paths are relative to the folder of the CSV file"


@SOURCES.register("manifest")
def manifest(
    task: Task, channels: int, *, file: Path, colours: dict[str, ColourText] | None = None
) -> Source:
    """A CSV file with the columns image, mask and optionally split (train, val or test).

    Columns are separated by commas, semicolons or tabs. Paths are relative to the CSV file's folder, with
    slashes or backslashes. The name of a sample is its image's path without extension. Other columns, such as
    patient, can be named in `data.split.group`.

    A multilabel task has a column mask_<class> for each class instead of mask; an empty cell means that the
    class is not in the image.

    Args:
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.
        file: path of the CSV file.
        colours: colour of each class in RGB masks, such as {lesion: "#ff0000"}; `data.labels` says the same.

    Raises:
        PartError: if the colours do not fit the classes.
    """
    if task.kind == "multilabel" and colours:
        raise PartError(
            "a multilabel task has one binary mask per class", hint="leave out data.source.colours"
        )
    return Manifest(file, with_labels(task, colours), channels)


@dataclass(frozen=True)
class Manifest:
    """See `manifest`."""

    file: Path
    task: Task
    channels: int

    @property
    def mask_columns(self) -> list[str]:
        """Names of the mask columns."""
        return [f"mask_{name}" for name in self.task.classes] if self.task.kind == "multilabel" else ["mask"]

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Samples by the column split; all as "train" without it."""
        return self.scan().whole()

    def scan(self) -> SourceScan:
        """Splits and problems of rows.

        Raises:
            DataError: if the CSV file cannot be read.
        """
        splits: dict[str, list[Sample]] = {}
        problems: list[Problem] = []
        lines: dict[str, int] = {}
        columns = ["image", *self.mask_columns]
        for line, row in read_table(self.file, columns):
            row |= {column: with_slashes(row[column], self.file.parent) for column in columns}
            name = _name(row["image"])
            split = split_named(row["split"]) if "split" in row else "train"
            errors = [*self._check_row(row, split)]
            if name in lines:
                errors.append((f"{name!r} is listed twice (first on line {lines[name]})", "keep one of them"))
            problems += [
                Problem(problem, str(self.file), line, hint=hint, kind="manifest") for problem, hint in errors
            ]
            if name:
                lines.setdefault(name, line)
            if split and not errors:
                splits.setdefault(split, []).append(self._sample(name, row))
        return SourceScan(splits, problems)

    def _check_row(
        self, row: Mapping[str, str], split: str | None
    ) -> Iterator[tuple[str, str]]:  # problem, hint
        if not split:
            yield f"the split {row['split']!r} is unknown", "one of train, val, test"
        for column in ("image", *self.mask_columns):
            path = self._path(row[column])
            if row[column] and (unread := why_unread(path)):
                yield f"{unread.problem}: {path}", unread.hint
            elif row[column] and not path.is_file():
                yield f"there is no {column.replace('_', ' of ', 1)} {path}", _RELATIVE
            elif not row[column] and column in ("image", "mask"):
                yield f"the column {column} is empty", "fill it in, or remove the row"

    def _sample(self, name: str, row: Mapping[str, str]) -> Sample:
        image = self._path(row["image"])
        known = {"image", "split", *self.mask_columns}
        columns = {key: value for key, value in row.items() if key not in known and value} or None
        if self.task.kind != "multilabel":
            mask = self._path(row["mask"])
            return sample(name, image, mask, self.task, self.channels, columns)
        masks = [self._path(row[column]) if row[column] else None for column in self.mask_columns]
        read = partial(_read_multilabel, image, masks, self.task, self.channels)
        files = (image, *(mask for mask in masks if mask))
        filled = ",".join(str(label) for label, mask in enumerate(masks) if mask)
        return Sample(name, read, files, read_at=read, variant=f"masks of classes {filled}", columns=columns)

    def _path(self, cell: str) -> Path:
        return as_stored(self.file.parent / cell)


def _name(image: str) -> str:
    path = Path(image)
    return normalize("NFC", str(path.with_suffix(""))) if path.name else ""


def _read_multilabel(
    image: Path, masks: Sequence[Path | None], task: Task, channels: int, size: Extent | None = None
) -> tuple[Pixels, Pixels]:
    if size is None:
        pixels = read_image(image, channels)
        extent: tuple[int, ...] = pixels.shape[:2]
    else:
        pixels, extent = read_image_at(image, channels, size)
    labels = np.zeros((*pixels.shape[:2], len(masks)), np.uint8)
    problems: list[Problem] = []
    for label, (name, mask) in enumerate(zip(task.classes, masks, strict=True)):
        if mask is None:
            continue
        binary = task_of_one_class(task, name)
        try:
            if size is None:
                values = read_mask(mask, binary)
                mask_extent: tuple[int, ...] = values.shape
            else:
                values, mask_extent = read_mask_at(mask, binary, size)
            check_extent(extent, mask_extent, str(image), str(mask))
            labels[..., label] = values
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError.of(problems)
    return pixels, labels
