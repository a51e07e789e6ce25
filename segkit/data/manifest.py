"""A CSV file that lists images and masks."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segkit.data.colours import ColourText, colours_for
from segkit.data.files import read_image, read_mask
from segkit.data.pairing import sample
from segkit.errors import DataError, PartError, Problem
from segkit.registry import SOURCES

if TYPE_CHECKING:
    from segkit.contracts import Pixels, Source, Task
    from segkit.data.files import Colours

from segkit.contracts import Sample
from segkit.contracts import Task as AnyTask

SPLITS = ("train", "val", "test")


@SOURCES.register("manifest")
def manifest(
    task: Task, channels: int, *, file: Path, colours: dict[str, ColourText] | None = None
) -> Source:
    """A CSV file with the columns image, mask and, if you like, split (train, val or test).

    Paths count from the CSV file's folder. For a multilabel task there is one column per class instead of
    mask, named mask_<class>; an empty cell means that the class is nowhere in the image.

    Args:
        task: for the masks' values.
        channels: of the images.
        file: the CSV file.
        colours: the colour of each class in RGB-coded masks, such as {lesion: "#ff0000"}.

    Raises:
        PartError: for colours that do not fit the classes.
    """
    if task.kind == "multilabel" and colours:
        raise PartError(
            "a multilabel task has one binary mask per class", hint="leave out data.source.colours"
        )
    return Manifest(file, task, channels, colours_for(task, colours))


@dataclass(frozen=True)
class Manifest:
    """See `manifest`."""

    file: Path
    task: Task
    channels: int
    colours: Colours | None

    @property
    def mask_columns(self) -> list[str]:
        """The columns that name mask files."""
        return [f"mask_{name}" for name in self.task.classes] if self.task.kind == "multilabel" else ["mask"]

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """By the column split; all as train where there is none."""
        splits: dict[str, list[Sample]] = {}
        problems: list[Problem] = []
        lines: dict[str, int] = {}
        for line, row in self._rows():
            split = row.get("split") or "train"
            image = self.file.parent / (row["image"] or "")
            name = Path(row["image"] or "").with_suffix("").as_posix()
            found = [row[column] for column in self.mask_columns]
            wrong = list(self._wrong(image, found, split, lines.get(name, 0)))
            problems += [Problem(problem, str(self.file), line, hint=hint) for problem, hint in wrong]
            lines[name] = line
            splits.setdefault(split, []).append(self._sample(name, image, found))
        if problems:
            raise DataError.of(problems)
        return splits

    def _wrong(self, image: Path, masks: list[str], split: str, line: int) -> list[tuple[str, str]]:
        wrong = []
        if split not in SPLITS:
            wrong.append((f"found split {split!r}", "one of train, val, test"))
        if line:
            wrong.append((f"the image is listed twice (first on line {line})", "keep one of them"))
        if not image.is_file():
            wrong.append((f"there is no image {image}", "paths count from the folder of the CSV file"))
        for mask in masks:
            if not mask and self.task.kind != "multilabel":
                wrong.append(("the image has no mask", "fill in the column mask"))
            elif mask and not (self.file.parent / mask).is_file():
                wrong.append(
                    (
                        f"there is no mask {self.file.parent / mask}",
                        "paths count from the folder of the CSV file",
                    )
                )
        return wrong

    def _sample(self, name: str, image: Path, masks: list[str]) -> Sample:
        files = [self.file.parent / mask if mask else None for mask in masks]
        if self.task.kind != "multilabel":
            return sample(name, image, files[0] or image, self.task, self.channels, self.colours)
        read = partial(_read_multilabel, image, files, self.task, self.channels)
        return Sample(name, read, (image, *(file for file in files if file)))

    def _rows(self) -> list[tuple[int, dict[str, str]]]:
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as opened:
                reader = csv.DictReader(opened, restval="")
                rows = [(reader.line_num, row) for row in reader]
                columns = list(reader.fieldnames or [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"cannot read the manifest: {error}", where=str(self.file)) from None
        if missing := [name for name in ("image", *self.mask_columns) if name not in columns]:
            raise DataError(f"the manifest has no column {', '.join(missing)}", where=f"{self.file}:1",
                            hint=f"found {', '.join(columns) or 'nothing'}")  # fmt: skip
        return rows


def _read_multilabel(
    image: Path, masks: Sequence[Path | None], task: Task, channels: int
) -> tuple[Pixels, Pixels]:
    pixels = read_image(image, channels)
    labels = np.zeros((*pixels.shape[:2], len(masks)), np.uint8)
    for label, (name, mask) in enumerate(zip(task.classes, masks, strict=True)):
        if mask is None:
            continue
        values = read_mask(mask, AnyTask("binary", (name,), task.ignore_index))
        if values.shape != labels.shape[:2]:
            (height, width), (own_height, own_width) = pixels.shape[:2], values.shape
            problem = f"the mask is {own_width}x{own_height} pixels, its image {width}x{height}"
            raise DataError(problem, where=str(mask), hint=f"the image is {image}")
        labels[..., label] = values
    return pixels, labels
