"""Division of samples into train, val and test: official, by fraction, by folds, or by a file."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from segkit.core.errors import DataError, Problem
from segkit.core.paths import resolved
from segkit.core.registry import Settings
from segkit.core.types import Sample
from segkit.data.draw_splits import Features, balanced, even_sizes, nearest_sizes
from segkit.data.split_file import split_by_file
from segkit.data.split_groups import FILES, group_problem, groups_of
from segkit.data.split_names import NAMES
from segkit.utils.listing import agree, counted

_GROUP_HINT = "the group is what several images share, as P01 in '{group}_*' for P01_a and P01_b"
_name = attrgetter("name")
Share = Annotated[float, Field(ge=0, lt=1)]


def _checked_group(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lower().endswith(FILES):
        return resolved(value)
    if not value or (problem := group_problem(value)):
        raise ValueError(problem if value else "the name of a column is empty")
    return value


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
        group: what keeps images in one split, with fraction and kfold: a column of the source manifest, a
            pattern of the name such as "{group}_*" ({group} is as short as possible), or a file (.csv, .tsv,
            .txt) with name and group in each line. Shares are met as closely as whole groups allow.
        balance: whether every split gets its share of every class, in pixels and in images that show it, with
            fraction and kfold.
        file: CSV file with the columns name and split, with file; a name may have the folders and the
            extension of its image. Other samples are left out, with a warning.
    """

    by: Literal["official", "fraction", "kfold", "file"] = "official"
    val: Share = 0.0
    test: Share = 0.0
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: Annotated[int, Field(ge=0)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    group: Annotated[Path | str, BeforeValidator(_checked_group)] | None = None
    balance: bool = False
    file: Annotated[Path, BeforeValidator(resolved)] | None = None

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        allowed = {
            "fraction": ("val", "test", "seed", "group", "balance"),
            "kfold": ("folds", "fold", "seed", "group", "balance"), "file": ("file",),
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


Contents = Callable[[Sequence[Sample]], Features]


def split_samples(
    official: Mapping[str, Sequence[Sample]], split: Split, contents: Contents | None = None
) -> dict[str, list[Sample]]:
    """Divide samples; each split is sorted by name. A draw depends on the names, not on the order of files.

    Args:
        official: samples by official split.
        split: division in the recipe.
        contents: function that counts the classes in the masks of samples, (N, F); needed to balance.

    Raises:
        DataError: if there are too few samples or groups, or a file of splits or groups does not fit them.
    """
    samples = {name: sorted(official.get(name, ()), key=_name) for name in NAMES}
    if split.by == "official":
        return samples
    if split.file is not None:
        listed = split_by_file(_pooled(samples, NAMES), split.file, NAMES)
        return {name: sorted(part, key=_name) for name, part in listed.items()}
    units = _units(_pooled(samples, ("train", "val")), split)
    if split.group and len(units) == 1 < len(units[0]):
        problem = f"data.split.group: all {len(units[0]):,} images have the same group"
        raise DataError(f"{problem}, as {units[0][0].name} and {units[0][-1].name}", hint=_GROUP_HINT)
    random.Random(split.seed).shuffle(units)
    features = None
    if split.balance and units:
        assert contents is not None, "masks must be counted to balance them"
        features = _features(units, contents)
    drawn = (_by_fold if split.by == "kfold" else _by_fraction)(units, split, features)
    if drawn.get("test") and samples["test"]:
        hint = "leave out data.split.test to keep it"
        raise DataError("data.split.test: the source already has a test split", hint=hint)
    return {**samples, **{name: sorted(part, key=_name) for name, part in drawn.items()}}


def groups_by_split(splits: Mapping[str, Sequence[Sample]], split: Split) -> dict[str, dict[str, str]]:
    """Group of each sample by name, by split; an official test split, which stays, may have no groups."""
    found: dict[str, dict[str, str]] = {}
    for name, samples in splits.items():
        with suppress(DataError):
            found |= {name: groups_of(samples, split.group)} if split.group else {}
    return found


def group_warnings(official: Mapping[str, Sequence[Sample]], split: Split) -> list[Problem]:
    """Warnings of groups that keep nothing together, or have more images than a split should have.

    Raises:
        DataError: as `split_samples`.
    """
    if not split.group:
        return []
    units = _units([sample for name in ("train", "val") for sample in official.get(name, ())], split)
    total = sum(map(len, units))
    if len(units) == total > 1:
        problem = (
            f"data.split.group: each of the {total:,} images has a group of its own, as {units[0][0].name}"
        )
        return [Problem(problem, hint=_GROUP_HINT, kind="split")]
    shares = {"fold": 1 / split.folds} if split.folds else {"val": split.val, "test": split.test}
    part, share = min((item for item in shares.items() if item[1]), key=itemgetter(1))
    large = [unit for unit in units if len(unit) > max(1, round(share * total))]
    if not large:
        return []
    largest = max(large, key=len)
    wanted = f"{part} should have ({round(share * total):,} of {total:,})"
    have = agree(len(large), "has", "have")
    problem = (
        f"data.split.group: {len(large):,} of {len(units):,} groups {have} more images than {wanted}; "
        f"the largest, that of {largest[0].name}, has {len(largest):,}"
    )
    return [Problem(problem, hint="use other shares, fewer folds, or smaller groups", kind="split")]


def _units(pool: Sequence[Sample], split: Split) -> list[list[Sample]]:
    """Samples that stay together, sorted."""
    if split.group is None:
        return [[sample] for sample in pool]
    group_of = groups_of(pool, split.group)
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in pool:
        groups[group_of[sample.name]].append(sample)
    return [groups[group] for group in sorted(groups)]


def _features(units: Sequence[Sequence[Sample]], contents: Contents) -> Features:
    """Images and contents of each unit."""
    counts = contents([sample for unit in units for sample in unit])
    starts = np.cumsum([0, *map(len, units)])[:-1]
    return np.add.reduceat(np.hstack([np.ones((len(counts), 1)), counts]), starts, axis=0)


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


def _by_fold(units: list[list[Sample]], split: Split, features: Features | None) -> dict[str, list[Sample]]:
    folds, fold = split.folds or 0, split.fold or 0
    if len(units) < folds:
        what = "group" if split.group else "image"
        hint = f"use at most {len(units)} folds" if len(units) > 1 else f"folds need several {what}s"
        raise DataError(f"{counted(len(units), what)} cannot make {folds} folds", hint=hint)
    if features is not None:
        sizes = None if split.group else [len(range(index, len(units), folds)) for index in range(folds)]
        folds_of = balanced(features, [1 / folds] * folds, sizes)
    elif split.group:
        folds_of = even_sizes([*map(len, units)], folds)
    else:
        folds_of = [index % folds for index in range(len(units))]
    return _divided(units, ["val" if found == fold else "train" for found in folds_of])


def _by_fraction(
    units: list[list[Sample]], split: Split, features: Features | None
) -> dict[str, list[Sample]]:
    total = sum(map(len, units))
    # Test first: another share for val does not change the test images.
    targets = {"test": round(split.test * total), "val": round(split.val * total)}
    if features is not None:
        shares = {"train": 1 - split.test - split.val, "test": split.test, "val": split.val}
        used = [name for name, share in shares.items() if share]
        sizes = {**targets, "train": total - sum(targets.values())}
        exact = None if split.group else [sizes[name] for name in used]
        splits = [used[index] for index in balanced(features, [shares[name] for name in used], exact)]
    else:
        splits = nearest_sizes([*map(len, units)], targets, "train")
    drawn = _divided(units, splits)
    for name, share in (("val", split.val), ("test", split.test), ("train", 1.0)):
        if share and not drawn.get(name):
            what = f"{total} images" if split.group is None else f"{total} images in {len(units)} groups"
            raise DataError(
                f"data.split: {what} are too few for a share of {name}",
                hint="use other shares, or more images",
            )
    return {"val": [], **drawn}


def _divided(units: Sequence[Sequence[Sample]], splits: Sequence[str]) -> dict[str, list[Sample]]:
    drawn: dict[str, list[Sample]] = {}
    for unit, split in zip(units, splits, strict=True):
        drawn.setdefault(split, []).extend(unit)
    return drawn
