"""Text files that list images and masks."""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from unicodedata import normalize

from segkit.core.errors import DataError, PartError, Problem
from segkit.core.paths import as_stored
from segkit.core.registry import SOURCES
from segkit.data.image_files import why_unread, without_ending
from segkit.data.labels import with_labels
from segkit.data.name_pattern import Match, Pattern
from segkit.data.pairing import Side, files_by_name, sample
from segkit.data.source_scan import SourceScan
from segkit.data.spelling import spelling_key
from segkit.data.text_file import read_text, with_slashes

if TYPE_CHECKING:
    from segkit.core.types import Sample, Source, Task


@SOURCES.register("list")
def list_files(
    task: Task,
    channels: int,
    *,
    train: Path | None = None,
    val: Path | None = None,
    test: Path | None = None,
    root: Path | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    image_pattern: Pattern = "{name}",
    mask_pattern: Pattern = "{name}",
) -> Source:
    """Text files with an image and its mask in each line, or with the name of an image.

    Image and mask are separated by spaces, a tab, a comma or a semicolon. Paths are relative to `root`; an
    absolute path of another computer is looked for there by its last parts. Empty lines and those that start
    with # are left out. With `images` and `masks`, a line is a name in these folders, with or without
    extension.

    Args:
        task: kind of masks, classes and ignored value; a multilabel task needs the source "manifest".
        channels: channels of the images.
        train: list of the training images.
        val: list of the images for validation.
        test: list of the test images.
        root: folder of the paths; default: the folder of the list.
        images: folder of images, for lists of names.
        masks: folder of masks, for lists of names.
        image_pattern: name of an image file, as in the source "folder".
        mask_pattern: name of a mask file.

    Raises:
        PartError: for a multilabel task, without a list, with one of images and masks, or with {split}.
    """
    if task.kind == "multilabel":
        raise PartError(
            "list reads one mask per image; a multilabel task has one per class",
            hint="the source manifest, with a column for each class",
        )
    lists = {name: file for name, file in (("train", train), ("val", val), ("test", test)) if file}
    if not lists:
        raise PartError("no list of images is named", hint="data.source.train: train.txt")
    if (images is None) != (masks is None):
        raise PartError("a list of names needs images and masks", hint="set both, or none of them")
    if "{split}" in image_pattern + mask_pattern:
        raise PartError("each list is a split; {split} means nothing here", hint="use {name} and *")
    folders = (images, masks) if images and masks else None
    return ListSource(lists, root, folders, (image_pattern, mask_pattern), with_labels(task), channels)


@dataclass(frozen=True)
class ListSource:
    """See `list_files`."""

    lists: Mapping[str, Path]
    root: Path | None
    folders: tuple[Path, Path] | None  # of images and masks, for lists of names
    patterns: tuple[str, str]
    task: Task
    channels: int

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Samples by list."""
        return self.scan().whole()

    def scan(self) -> SourceScan:
        """Splits and problems of lines.

        Raises:
            DataError: if a list cannot be read, or a folder does not exist.
        """
        finders = {split: self._finder(file) for split, file in self.lists.items()}
        splits: dict[str, list[Sample]] = {}
        problems = [*self._names.problems] if self.folders else []
        for split, file in self.lists.items():
            lines: dict[str, int] = {}
            for number, line in _lines(file):
                try:
                    name, image, mask = finders[split].find(line)
                    if name in lines:
                        first = f"{name!r} is listed twice (first on line {lines[name]})"
                        raise DataError(first, hint="keep one of them")
                except DataError as error:
                    problems += [
                        Problem(found.problem, str(file), number, hint=found.hint, kind="manifest")
                        for found in error.problems
                    ]
                    continue
                lines[name] = number
                splits.setdefault(split, []).append(sample(name, image, mask, self.task, self.channels))
        return SourceScan(splits, problems)

    def _finder(self, file: Path) -> _Paths | _Names:
        if self.folders:
            return self._names
        return _Paths(self.root or file.parent)

    @cached_property
    def _names(self) -> _Names:
        assert self.folders
        images, masks = (files_by_name(*side) for side in zip(self.folders, self.patterns, strict=True))
        return _Names(self.folders, images, masks)


@dataclass(frozen=True)
class _Paths:
    """Lines with the paths of an image and its mask."""

    root: Path

    def find(self, line: str) -> tuple[str, Path, Path]:
        """Name, image and mask of a line."""
        texts = self._fields(line)
        ends = [self._end(text) for text in texts]
        problems = []
        for kind, text, end in zip(("image", "mask"), texts, ends, strict=True):
            path = self.root / (text if end is None else end)
            if unread := why_unread(path):
                problems.append(Problem(f"{unread.problem}: {path}", hint=unread.hint))
            elif end is None:
                hint = f"paths are looked for in {self.root}; data.source.root names another folder"
                problems.append(Problem(f"there is no {kind} {text}", hint=hint))
        if problems:
            raise DataError.of(problems)
        image, mask = (as_stored(self.root / (end or "")) for end in ends)
        return normalize("NFC", without_ending(ends[0] or "")), image, mask

    def _fields(self, line: str) -> tuple[str, str]:
        separator = next((mark for mark in "\t,;" if mark in line), None)
        parts = line.split(separator)
        if '"' in line:
            try:
                parts = next(csv.reader([line], delimiter=separator or " ", skipinitialspace=True))
            except csv.Error as error:
                raise DataError(f"the line cannot be read: {error}", hint="quote paths with spaces") from None
        fields = [part.strip() for part in parts if part.strip()]
        if len(fields) > 2 and separator is None:  # names may contain spaces
            breaks = [match.span() for match in re.finditer(r"\s+", line)]
            pairs = [(line[:start], line[end:]) for start, end in breaks]
            found = [pair for pair in pairs if all(self._end(text) for text in pair)]
            if len(found) == 1:
                return found[0]
        if len(fields) == 2:
            return fields[0], fields[1]
        if len(fields) == 1:
            raise DataError(
                "this line names one file, not an image and its mask",
                hint="for a list of names, set data.source.images and data.source.masks to their folders",
            )
        raise DataError(
            f"this line names {len(fields)} files",
            hint="separate image and mask by a tab, if their names have spaces",
        )

    def _end(self, text: str) -> str | None:
        """The longest end of a path that is a file in the root, or None."""
        text = with_slashes(text, self.root)
        if os.path.isfile(as_stored(self.root / text)):
            return text
        parts = PurePosixPath(text).parts
        ends = ("/".join(parts[start:]) for start in range(1, len(parts)))
        return next((end for end in ends if os.path.isfile(as_stored(self.root / end))), None)


@dataclass(frozen=True)
class _Names:
    """Lines with the name of an image."""

    folders: tuple[Path, Path]
    images: Side
    masks: Side

    @property
    def problems(self) -> Iterator[Problem]:
        """Problems of the folders, without those of single files, which may not be listed."""
        for side in (self.images, self.masks):
            unread = {*map(str, side.unread.values())}
            yield from (problem for problem in side.problems if problem.file not in unread)

    @cached_property
    def _spellings(self) -> dict[tuple[str, ...], list[str]]:
        spellings: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for key in self.images.files.keys() & self.masks.files.keys():
            spellings[spelling_key(key.name)].append(key.name)
        return spellings

    def find(self, line: str) -> tuple[str, Path, Path]:
        """Name, image and mask of a line."""
        written = normalize("NFC", without_ending(line.replace("\\", "/")))
        parts = written.split("/")
        ends = ["/".join(parts[start:]) for start in range(len(parts))]
        name = next((end for end in ends if self._knows(self.images, end)), written)
        problems = []
        for kind, side, folder in zip(
            ("image", "mask"), (self.images, self.masks), self.folders, strict=True
        ):
            key = Match("", name)
            if key in side.unread and (unread := why_unread(side.unread[key])):
                problems.append(Problem(f"{unread.problem}: {side.unread[key]}", hint=unread.hint))
            elif key not in side.files:
                similar = self._spellings.get(spelling_key(name), [])
                hint = f"names are looked for in {folder}"
                if len(similar) == 1:
                    hint = f"did you mean {similar[0]!r}?"
                problems.append(Problem(f"there is no {kind} of the name {name!r}", hint=hint))
        if problems:
            raise DataError.of(problems)
        return name, self.images.files[Match("", name)], self.masks.files[Match("", name)]

    @staticmethod
    def _knows(side: Side, name: str) -> bool:
        return Match("", name) in side.files or Match("", name) in side.unread


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if (text := line.strip()) and not text.startswith("#"):
            yield number, text
