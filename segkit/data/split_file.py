"""Split files: CSV files with the columns name and split."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from segkit.core.errors import DataError, Problem
from segkit.core.types import Sample
from segkit.data.csv_table import read_table
from segkit.data.image_files import without_ending
from segkit.data.spelling import spelling_key
from segkit.data.split_names import split_named
from segkit.utils.listing import listed

_Parts = tuple[str, ...]


def split_by_file(samples: Sequence[Sample], file: Path, splits: Sequence[str]) -> dict[str, list[Sample]]:
    """Divide samples as a file lists them; samples that it does not list are left out.

    Args:
        samples: samples with different names.
        file: CSV file. A name may have the folders and the extension of its image.
        splits: names of splits.

    Raises:
        DataError: listing every line with an unknown split, or a name of no image or of several.
    """
    names = SampleNames(samples)
    rows = [(line, row["name"], row["split"]) for line, row in read_table(file, ["name", "split"])]
    matches = [names.find(name) for _, name, _ in rows]
    listed_names = {sample.name for found in matches for sample in found}
    divided: dict[str, list[Sample]] = {split: [] for split in splits}
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for (line, name, split), found in zip(rows, matches, strict=True):
        problem, hint = "", ""
        split = split_named(split) or split
        if split not in splits:
            problem, hint = f"the split {split!r} is unknown", f"one of {', '.join(splits)}"
        elif not found:
            problem, hint = f"no image is called {name!r}", names.hint(name, listed_names)
        elif len(found) > 1:
            problem = f"{len(found)} images are called {name!r}: {listed([sample.name for sample in found])}"
            hint = "write the name with its folders"
        elif found[0].name in lines:
            problem = f"{name!r} is listed twice (first on line {lines[found[0].name]})"
            hint = "keep one of them"
        if problem:
            problems.append(Problem(problem, str(file), line, hint=hint))
        else:
            lines[found[0].name] = line
            divided[split] += found
    if problems:
        raise DataError.of(problems)
    return divided


class SampleNames:
    """Samples by name, by path, and by the last parts of both."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._by_name = {normalize("NFC", sample.name): sample for sample in samples}
        self._by_end: dict[int, dict[_Parts, list[Sample]]] = {}

    def find(self, name: str) -> list[Sample]:
        """The sample of that name or path; else those whose name or path ends in it."""
        if exact := self._by_name.get(normalize("NFC", name)):
            return [exact]
        parts = _parts(name)
        return self._ending_in(0).get(parts) or self._ending_in(len(parts)).get(parts, [])

    def hint(self, name: str, listed_names: set[str]) -> str:
        """The only name that is another spelling, unless it is listed as well."""
        similar = self._by_spelling.get(spelling_key(without_ending(name)), set())
        if len(similar) == 1 and similar.isdisjoint(listed_names):
            return f"did you mean {min(similar)!r}?"
        return "names are those of the image files, with or without folders and extension"

    def _ending_in(self, count: int) -> dict[_Parts, list[Sample]]:
        """Samples by the last `count` parts of their name and path; by all parts for 0."""
        if count not in self._by_end:
            ends = self._by_end[count] = defaultdict(list)
            for sample in self._samples:
                for end in {path[-count:] for path in _paths(sample)}:
                    ends[end].append(sample)
        return self._by_end[count]

    @cached_property
    def _by_spelling(self) -> dict[tuple[str, ...], set[str]]:
        spellings: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for sample in self._samples:
            for name in (sample.name, sample.name.rpartition("/")[2]):
                spellings[spelling_key(name)].add(sample.name)
        return spellings


def _paths(sample: Sample) -> Iterator[_Parts]:
    yield _parts(sample.name)
    if sample.files:
        yield _parts(os.path.abspath(sample.files[0]))


def _parts(path: str) -> _Parts:
    path = without_ending(normalize("NFC", path).replace("\\", "/"))
    return tuple(part for part in PurePosixPath(os.path.normpath(path)).parts if part != "..")
