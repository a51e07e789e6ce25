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
    rows = read_table(file, ["name", "split"])
    names = _Names(samples, {row["name"] for _, row in rows})
    divided: dict[str, list[Sample]] = {split: [] for split in splits}
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        name, split = row["name"], row["split"]
        found = names.find(name)
        problem, hint = "", ""
        if split not in splits:
            problem, hint = f"found split {split!r}", f"one of {', '.join(splits)}"
        elif not found:
            problem, hint = f"no image is called {name!r}", names.hint(name)
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


class _Names:
    """Samples by name, and by the end of the path of their image.

    Args:
        samples: samples with different names.
        listed_names: names in the split file.
    """

    def __init__(self, samples: Sequence[Sample], listed_names: set[str]) -> None:
        self._samples = samples
        self._listed = listed_names
        self._by_name = {normalize("NFC", sample.name): sample for sample in samples}

    def find(self, name: str) -> list[Sample]:
        """The sample of that name; else those whose name or path ends in it."""
        if exact := self._by_name.get(normalize("NFC", name)):
            return [exact]
        parts = _parts(name)
        return [
            sample
            for sample in (self._by_end.get(parts[-1], []) if parts else [])
            if any(path[-len(parts) :] == parts for path in _paths(sample))
        ]

    def hint(self, name: str) -> str:
        """The only name that is another spelling, unless the file lists it as well."""
        similar = self._by_spelling.get(spelling_key(without_ending(name)), set())
        if len(similar) == 1 and similar.isdisjoint(self._listed):
            return f"did you mean {min(similar)!r}?"
        return "names are those of the image files, with or without folders and extension"

    @cached_property
    def _by_end(self) -> dict[str, list[Sample]]:
        ends: dict[str, list[Sample]] = defaultdict(list)
        for sample in self._samples:
            for end in {path[-1] for path in _paths(sample)}:
                ends[end].append(sample)
        return ends

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
