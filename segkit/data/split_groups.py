"""Groups of samples that stay in one split, such as the images of a patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.csv_table import read_rows
from segkit.data.name_pattern import group_in, pattern_problem
from segkit.data.split_file import SampleNames
from segkit.utils.listing import agree, listed

FILES = (".csv", ".tsv", ".txt")
_GROUP_FILE = "a file of names and groups"


def group_problem(group: str) -> str:
    """What is wrong with a group that is a pattern, or ""."""
    return pattern_problem(group, "{group}") if {*"{}*"} & {*group} else ""


def groups_of(samples: Sequence[Sample], group: str | Path) -> dict[str, str]:
    """Group of each sample, by its name.

    Args:
        samples: samples with different names.
        group: column of the source, pattern of the name with {group}, or file with names and groups.

    Raises:
        DataError: if a sample has no group, or the file cannot be read or has two groups for a sample.
    """
    if isinstance(group, Path):
        found = _from_file(samples, group)
        hint = f"add it to {group.name}"
    elif "{group}" in group:
        found = {sample.name: group_in(group, normalize("NFC", sample.name)) or "" for sample in samples}
        hint = f"the pattern '{group}' does not fit: use another one, a column, or {_GROUP_FILE}"
    else:
        found = {sample.name: (sample.columns or {}).get(group, "") for sample in samples}
        columns = sorted({column for sample in samples for column in sample.columns or ()})
        if group in columns:
            hint = f"fill in the column {group}"
        elif columns:
            hint = f"the columns are {listed(columns)}"
        else:
            hint = (
                f"these images have no columns: use a pattern of the names, '{{group}}_*', or {_GROUP_FILE}"
            )
    missing = [sample for sample in samples if not found.get(sample.name)]
    if missing:
        names = listed([sample.name for sample in missing])
        where = str(missing[0].files[0]) if missing[0].files else ""
        have = agree(len(missing), "has", "have")
        problem = f"data.split.group: {len(missing):,} of {len(samples):,} images {have} no group: {names}"
        raise DataError(problem, where=where, hint=hint)
    return found


def _from_file(samples: Sequence[Sample], file: Path) -> dict[str, str]:
    names = SampleNames(samples)
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, (name, group) in read_rows(file, ("name", "group")):
        matches = names.find(name)
        if len(matches) > 1:
            problem = f"{len(matches)} images are called {name!r}: {listed([item.name for item in matches])}"
            raise DataError(problem, where=f"{file}:{line}", hint="write the name with its folders")
        for sample in matches:  # lines of other images may be there, also a header
            if found.setdefault(sample.name, group) != group:
                first = f"{found[sample.name]!r} on line {lines[sample.name]}"
                problem = f"{name!r} has the group {group!r} here and {first}"
                raise DataError(problem, where=f"{file}:{line}", hint="keep one of them")
            lines.setdefault(sample.name, line)
    return found
