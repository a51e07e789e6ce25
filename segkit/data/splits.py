"""Dividing samples into train, val and test: the source's own way, by fraction, by folds, or by a file."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from segkit.contracts import Sample
from segkit.errors import DataError, Problem
from segkit.home import resolved
from segkit.registry import Settings, near

NAMES = ("train", "val", "test")
Share = Annotated[float, Field(ge=0, lt=1)]


class Split(Settings):
    """How samples are divided into train, val and test.

    Args:
        by: the source's own way; fraction of the training samples, drawn with the recipe's seed; kfold, one of
            several equal parts of them for val; or a file. An official test split stays as it is.
        val: fraction: share of the training samples.
        test: fraction: share of the training samples, where the source has no test split.
        folds: kfold: how many parts.
        fold: kfold: which one is for val, from 0.
        file: a CSV file with the columns name and split; samples that it does not name are left out.
    """

    by: Literal["official", "fraction", "kfold", "file"] = "official"
    val: Share = 0.0
    test: Share = 0.0
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: Annotated[int, Field(ge=0)] | None = None
    file: Annotated[Path, BeforeValidator(resolved)] | None = None

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        wanted = {"official": (), "fraction": ("val", "test"), "kfold": ("folds", "fold"), "file": ("file",)}[
            self.by
        ]
        given = [key for key in ("val", "test", "folds", "fold", "file") if getattr(self, key)]
        if foreign := [key for key in given if key not in wanted]:
            raise ValueError(
                f"a split by {self.by} has no {', '.join(foreign)}: write by: fraction, kfold or file"
            )
        if self.by == "fraction" and not 0 < self.val + self.test < 1:
            raise ValueError(
                f"val {self.val} and test {self.test} must leave something to train on, and take something"
            )
        if self.by == "kfold" and (self.folds is None or self.fold is None or self.fold >= self.folds):
            raise ValueError("a split by kfold needs folds, and a fold from 0 to folds - 1")
        if self.by == "file" and self.file is None:
            raise ValueError("a split by file needs file, a CSV file with the columns name,split")
        return self


def split_samples(
    official: Mapping[str, Sequence[Sample]], split: Split, seed: int
) -> dict[str, list[Sample]]:
    """Divide samples.

    Args:
        official: the source's own splits.
        split: what the recipe asks for.
        seed: of the draw. A sample's place in it depends on the names alone, not on the order of files.

    Raises:
        DataError: if too few samples are there, or a split file does not fit them.
    """
    samples = {name: list(official.get(name, ())) for name in NAMES}
    if split.file is not None:
        return _by_file([sample for name in NAMES for sample in samples[name]], split.file)
    if split.by == "official":
        return samples
    pool = sorted(samples["train"] + samples["val"], key=lambda sample: sample.name)
    random.Random(seed).shuffle(pool)
    if split.folds is not None:
        if len(pool) < split.folds:
            raise DataError(
                f"{len(pool)} images cannot make {split.folds} folds", hint="fewer data.split.folds"
            )
        samples["val"] = pool[split.fold :: split.folds]
        samples["train"] = [sample for i, sample in enumerate(pool) if i % split.folds != split.fold]
        return samples
    val, test = round(split.val * len(pool)), round(split.test * len(pool))
    if split.test and samples["test"]:
        hint = "leave out data.split.test to keep it"
        raise DataError("data.split.test: the source has a test split of its own", hint=hint)
    samples["val"], drawn, samples["train"] = pool[:val], pool[val : val + test], pool[val + test :]
    samples["test"] = samples["test"] or drawn
    return samples


def _by_file(samples: list[Sample], file: Path) -> dict[str, list[Sample]]:
    by_name = {sample.name: sample for sample in samples}
    divided: dict[str, list[Sample]] = {name: [] for name in NAMES}
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for line, name, split in _rows(file):
        if split not in NAMES:
            problems.append(
                Problem(f"found split {split!r}", str(file), line, hint="one of train, val, test")
            )
        elif name not in by_name:
            guess = near(name, by_name)
            hint = f"did you mean {guess[0]!r}?" if guess else "names have no folder and no ending"
            problems.append(Problem(f"no image is called {name!r}", str(file), line, hint=hint))
        elif name in lines:
            problems.append(
                Problem(f"{name!r} is listed twice (first on line {lines[name]})", str(file), line)
            )
        else:
            lines[name] = line
            divided[split].append(by_name[name])
    if problems:
        raise DataError.of(problems)
    return divided


def _rows(file: Path) -> list[tuple[int, str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            rows = [(reader.line_num, row.get("name") or "", row.get("split") or "") for row in reader]
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the split file: {error}", where=str(file)) from None
    if "name" not in columns or "split" not in columns:
        raise DataError("the split file needs the columns name,split", where=f"{file}:1")
    return rows
