"""Division of samples into train, val and test: official, by fraction, by folds, or by a file."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from segkit.core.errors import DataError, Problem
from segkit.core.paths import resolved
from segkit.core.registry import Settings
from segkit.core.types import Sample
from segkit.data.split_file import split_by_file
from segkit.data.split_names import NAMES

_name = attrgetter("name")
Share = Annotated[float, Field(ge=0, lt=1)]


class Split(Settings):
    """Division of samples into train, val and test.

    Args:
        by: method: official, the source's splits; fraction, shares drawn at random; kfold, one of several
            equal parts for val; file, a CSV file. With fraction and kfold an official val split joins the
            training samples and an official test split stays.
        val: share of the training samples for val, with fraction.
        test: share of the training samples for test, with fraction, if the source has no test split.
        folds: number of parts, with kfold.
        fold: index of the part for val, from 0, with kfold.
        seed: seed of the draw, with fraction and kfold; the recipe's seed does not change it.
        file: CSV file with the columns name and split, with file; a name may have the folders and the
            extension of its image. Other samples are left out, with a warning.
    """

    by: Literal["official", "fraction", "kfold", "file"] = "official"
    val: Share = 0.0
    test: Share = 0.0
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: Annotated[int, Field(ge=0)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    file: Annotated[Path, BeforeValidator(resolved)] | None = None

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        allowed = {
            "fraction": ("val", "test", "seed"), "kfold": ("folds", "fold", "seed"), "file": ("file",),
        }.get(self.by, ())  # fmt: skip
        fields = type(self).model_fields.items()
        changed = [key for key, field in fields if key != "by" and getattr(self, key) != field.default]
        if unused := [key for key in changed if key not in allowed]:
            raise ValueError(
                f"a split by {self.by} does not use {', '.join(unused)}: write by: fraction, kfold or file"
            )
        if self.by == "fraction" and not 0 < self.val + self.test < 1:
            raise ValueError(f"val {self.val} and test {self.test} must together be above 0 and below 1")
        if self.by == "kfold" and (self.folds is None or self.fold is None or self.fold >= self.folds):
            raise ValueError("a split by kfold needs folds, and a fold from 0 to folds - 1")
        if self.by == "file" and self.file is None:
            raise ValueError("a split by file needs file, a CSV file with the columns name,split")
        return self


def split_samples(official: Mapping[str, Sequence[Sample]], split: Split) -> dict[str, list[Sample]]:
    """Divide samples; each split is sorted by name. A draw depends on the names, not on the order of files.

    Args:
        official: samples by official split.
        split: division in the recipe.

    Raises:
        DataError: if there are too few samples, or a split file does not fit them.
    """
    samples = {name: sorted(official.get(name, ()), key=_name) for name in NAMES}
    if split.by == "official":
        return samples
    if split.file is not None:
        listed = split_by_file(_pooled(samples, NAMES), split.file, NAMES)
        return {name: sorted(part, key=_name) for name, part in listed.items()}
    pool = _pooled(samples, ("train", "val"))
    random.Random(split.seed).shuffle(pool)
    drawn = _by_fold(pool, split) if split.by == "kfold" else _by_fraction(pool, split)
    if drawn.get("test") and samples["test"]:
        hint = "leave out data.split.test to keep it"
        raise DataError("data.split.test: the source already has a test split", hint=hint)
    return {**samples, **{name: sorted(part, key=_name) for name, part in drawn.items()}}


def _pooled(samples: Mapping[str, list[Sample]], splits: Sequence[str]) -> list[Sample]:
    split_of: dict[str, str] = {}
    problems: list[Problem] = []
    for split in splits:
        for sample in samples[split]:
            if sample.name in split_of:
                file = str(sample.files[0]) if sample.files else ""
                problem = f"the splits {split_of[sample.name]} and {split} both have an image {sample.name!r}"
                problems.append(Problem(problem, file, hint="give one of them another name"))
            split_of[sample.name] = split
    if problems:
        raise DataError.of(problems)
    return sorted((sample for split in splits for sample in samples[split]), key=_name)


def _by_fold(pool: list[Sample], split: Split) -> dict[str, list[Sample]]:
    folds, fold = split.folds or 0, split.fold or 0
    if len(pool) < folds:
        raise DataError(f"{len(pool)} images cannot make {folds} folds", hint="fewer data.split.folds")
    return {"val": pool[fold::folds], "train": [sample for i, sample in enumerate(pool) if i % folds != fold]}


def _by_fraction(pool: list[Sample], split: Split) -> dict[str, list[Sample]]:
    # Test first: another share for val does not change the test images.
    test, val = round(split.test * len(pool)), round(split.val * len(pool))
    sizes = {"val": (split.val, val), "test": (split.test, test), "train": (1.0, len(pool) - test - val)}
    for name, (share, size) in sizes.items():
        if share and size < 1:
            raise DataError(
                f"data.split: {len(pool)} images are too few for a share of {name}",
                hint="use other shares, or more images",
            )
    drawn = {"val": pool[test : test + val], "train": pool[test + val :]}
    return {**drawn, "test": pool[:test]} if test else drawn
