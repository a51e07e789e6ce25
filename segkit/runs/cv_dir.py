"""Directory of a cross-validation: the runs of its folds and their pooled out-of-fold scores. No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from unicodedata import normalize

import numpy as np

from segkit.core.class_scores import MEASURES, PixelCounts, class_measures
from segkit.core.errors import SegkitError, worded
from segkit.runs.cv_schema import CvRecord
from segkit.runs.run_dir import RunDir
from segkit.utils.csv_files import original_text, write_csv
from segkit.utils.hashing import file_digest
from segkit.utils.result_folder import numbered_folder
from segkit.utils.safe_read import MAX_LIST_BYTES, corrupt_file, each_row, read_json, read_number, read_rows

FILE = "cv.json"
CLASS_SCORES = ("image", "seed", "class", *MEASURES, "pixels")  # columns of class_scores.csv
_IMAGE = ("image", "seed", "fold", "group")  # columns of scores.csv before those of the metrics


class CvDir:
    """Directory of a cross-validation.

    Args:
        path: path of the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / FILE
        self.recipe = path / "recipe.yaml"
        self.scores = path / "scores.csv"
        self.class_scores = path / "class_scores.csv"
        self.page = path / "index.html"

    @staticmethod
    def is_at(path: Path) -> bool:
        """Whether the directory of a cross-validation is there."""
        return (path / FILE).is_file()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the directory of a cross-validation.

        Raises:
            SegkitError: if it is none, or its record is damaged.
        """
        cv = cls(path)
        cv.read()
        return cv

    def read(self) -> CvRecord:
        """The record.

        Raises:
            SegkitError: if it is missing or damaged.
        """
        return read_json(self.file, CvRecord, max_bytes=MAX_LIST_BYTES)

    @property
    def runs(self) -> list[RunDir]:
        """Runs of the folds, in their order, with the post-processing of the cross-validation.

        Raises:
            SegkitError: naming a run that has gone, has not ended, or has other weights.
        """
        record = self.read()
        overrides = self._overrides(record)
        hint = f"put it back, or repeat the cross-validation: {record.command or 'segkit cv'}"
        found = []
        for fold, path in zip(record.folds, self.run_paths(record), strict=True):
            what = f"the run of fold {fold.fold + 1}, seed {fold.seed}"
            if not path.is_dir():
                raise SegkitError(f"{what}, has gone: {path}", where=str(self.path), hint=hint)
            run = RunDir.open(path)
            if not run.weights.is_file() or file_digest(run.weights).hex() != fold.weights:
                problem = f"{what}, has other weights than when it was scored: {path}"
                raise SegkitError(problem, where=str(self.path), hint=hint)
            run.overrides = overrides
            found.append(run)
        return found

    def _overrides(self, record: CvRecord) -> tuple[str, ...]:
        if not record.postprocess:
            return ()
        steps = record.postprocess.model_dump(exclude_defaults=True)
        for key, value in steps.items():
            if isinstance(value, dict) and (
                unknown := [name for name in value if name not in record.classes]
            ):
                problem = f"postprocess.{key}: no class is called {unknown[0]!r}"
                raise corrupt_file(self.file, problem)
        return (f"postprocess={json.dumps(steps)}",)

    def run_paths(self, record: CvRecord) -> list[Path]:
        """Where the runs of the folds should be."""
        return [Path(os.path.normpath(self.path / fold.run)) for fold in record.folds]

    def relative(self, run: Path) -> str:
        """The directory of a run as `Fold` has it; absolute on another drive."""
        try:
            return Path(os.path.relpath(run.resolve(), self.path.resolve())).as_posix()
        except ValueError:
            return run.resolve().as_posix()

    def write_scores(self, rows: Iterable[tuple[str, int, int, str]], scores: Mapping[str, Any]) -> None:
        """Write image, seed, fold and group of every out-of-fold prediction, and its scores by metric."""
        header, columns = [*_IMAGE, *scores], [values.tolist() for values in scores.values()]
        write_csv(
            self.scores, [header, *((*row, *values) for row, *values in zip(rows, *columns, strict=True))]
        )

    def write_class_scores(
        self, names: Sequence[str], seeds: Sequence[int], counts: Sequence[PixelCounts]
    ) -> None:
        """Write the scores of every image, seed and class; a class that is in neither mask has no row.

        Args:
            names: names of the images.
            seeds: seeds of the models.
            counts: pixels of these images, for each seed.
        """

        def rows() -> Iterator[Sequence[Any]]:
            yield CLASS_SCORES
            for seed, counted in zip(seeds, counts, strict=True):
                measures = class_measures(*np.moveaxis(counted.pixels, -1, 0)).values()
                for image, name in enumerate(names):
                    _, predicted, truth = counted.pixels[image].T
                    for k in np.flatnonzero(predicted + truth).tolist():
                        values = (float(table[image, k]) for table in measures)
                        yield name, seed, counted.task.classes[k], *values, int(truth[k])

        write_csv(self.class_scores, rows())

    def read_scores(self, seed: int) -> tuple[list[str], dict[str, str], dict[str, list[float]]]:
        """Names of all images, their groups by name, and their scores by metric, of the models of a seed.

        Raises:
            SegkitError: if the file is missing or damaged.
        """
        header, rows = read_rows(self.scores)
        if tuple(header[: len(_IMAGE)]) != _IMAGE:
            raise corrupt_file(self.scores, f"its columns do not begin with {', '.join(_IMAGE)}")
        own = [row for row in rows if row[1] == str(seed)]
        names = [normalize("NFC", original_text(row[0])) for row in own]
        groups = {name: original_text(row[3]) for name, row in zip(names, own, strict=True) if row[3]}
        try:
            columns = enumerate(header[len(_IMAGE) :], start=len(_IMAGE))
            scores = {name: [read_number(row[column]) for row in own] for column, name in columns}
        except ValueError as error:
            raise corrupt_file(self.scores, str(error)) from None
        return names, groups, scores

    def read_class_iou(self, seed: int, names: Sequence[str], classes: Sequence[str]) -> Any:
        """IoU of every class in every image, (K, N), of the models of a seed; NaN where undefined.

        Raises:
            SegkitError: if the file is missing or damaged.
        """
        images, positions = ({name: i for i, name in enumerate(items)} for items in (names, classes))
        iou = np.full((len(classes), len(names)), np.nan)
        for row in each_row(self.class_scores, CLASS_SCORES):
            image, name = normalize("NFC", original_text(row[0])), original_text(row[2])
            if image not in images or name not in positions:
                raise corrupt_file(
                    self.class_scores, "an image or a class is not one of the cross-validation"
                )
            try:
                if row[1] == str(seed):
                    iou[positions[name], images[image]] = read_number(row[3])
            except ValueError as error:
                raise corrupt_file(self.class_scores, str(error)) from None
        return iou


def model_runs(path: Path, *, stopped: bool = False) -> list[RunDir]:
    """The run at a path, or the runs of the cross-validation that is there.

    Args:
        path: directory.
        stopped: whether a run is accepted that was stopped after at least one epoch.

    Raises:
        SegkitError: if it is neither, or runs are missing or damaged.
    """
    return CvDir(path).runs if CvDir.is_at(path) else [RunDir.open(path, stopped=stopped)]


def check_folder(folder: Path) -> None:
    """Check that a folder is new, empty, or that of a cross-validation.

    Raises:
        SegkitError: if it is a file, or holds something else.
    """
    if folder.exists() and not CvDir.is_at(folder) and (not folder.is_dir() or any(folder.iterdir())):
        hint = f"{worded('--out', 'the argument out')} with another folder"
        raise SegkitError("this is not the folder of a cross-validation", where=str(folder), hint=hint)


def folder_for(record: CvRecord, preferred: Path) -> Path:
    """Folder to write a cross-validation to; the same models and post-processing always get the same folder.

    Args:
        record: its record.
        preferred: folder to use; with a number appended if it holds something else.
    """
    identity = _identity(record)
    return numbered_folder(preferred, lambda folder: folder.exists() and _identity_at(folder) != identity)


def _identity(record: CvRecord) -> tuple[list[tuple[int, int, str]], object, bool]:
    models = [(fold.fold, fold.seed, fold.weights) for fold in record.folds]
    return models, record.postprocess, record.postprocess_choice is not None


def _identity_at(folder: Path) -> object:
    try:  # what is damaged is kept
        return _identity(CvDir(folder).read())
    except SegkitError:
        return None
