"""Objects that annotation files outline, and the samples whose masks are painted from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from segkit.core.errors import DataError, PartError, Problem, SegkitError
from segkit.core.registry import near
from segkit.core.types import Pixels, Sample, Task
from segkit.data.images import read_image, read_image_at
from segkit.data.polygons import Extent, Points, Runs, paint, polygon_runs, rle_runs
from segkit.data.resize import resize_mask
from segkit.data.source_scan import SourceScan
from segkit.utils.listing import listed

Unlisted = Literal["error", "background", "ignore"]
UNIGNORED = "data.source.unlisted: ignore needs a value to ignore"
AS_IGNORED, AS_BACKGROUND = -1, -2  # instead of the number of a class
_UNKNOWN = 255  # of a pixel that no object covers and no class stands for; there are at most 255 classes
_GUESS = "did you mean"
BACKGROUND_NAMES = ("background", "_background_", "__background__")


@dataclass(frozen=True, slots=True)
class Outline:
    """One object.

    Args:
        name: name of what it is, in the file.
        place: where it stands in the file, as in "annotation 17".
        polygons: its parts, each with at least three corners.
        runs: run-length code beside or instead of them, and its image's (height, width).
        crowd: whether it outlines a group whose members are not told apart.
    """

    name: str
    place: str
    polygons: tuple[Points, ...] = ()
    runs: tuple[str | Sequence[int], Extent] | None = None
    crowd: bool = False

    def painted(self, extent: Extent, unit: Points) -> Iterator[Runs]:
        """Runs of each part; coordinates are multiplied by `unit`.

        Raises:
            ValueError: if it is damaged, or not one of an image of that size.
        """
        for points in self.polygons:
            yield polygon_runs(points * unit, extent)
        if self.runs:
            counts, own = self.runs
            if own != extent:
                raise ValueError(f"its mask is {own[1]}x{own[0]} pixels, its image {extent[1]}x{extent[0]}")
            yield rle_runs(counts, extent)


@dataclass(frozen=True, slots=True)
class OutlinedImage:
    """An image and its objects, in the order in which they are painted.

    Args:
        name: name of the sample.
        image: image file.
        file: annotation file.
        outlines: objects.
        own_file: whether the annotation file is that of this image alone.
        extent: (height, width) of the image, if the annotation file says it.
        place: where the image stands in the annotation file, for messages.
        fractions: whether coordinates are fractions of width and height.
    """

    name: str
    image: Path
    file: Path
    outlines: Sequence[Outline]
    own_file: bool = False
    extent: Extent | None = None
    place: str = ""
    fractions: bool = False


@dataclass
class Faults:
    """Problems of an annotation file's entries, one for each kind with the places where it occurs."""

    file: Path
    places: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, place: str, problem: str, hint: str = "") -> None:
        """Note a problem of the entry at a place."""
        self.places.setdefault((problem, hint), []).append(place)

    def problems(self, kind: str = "labels") -> list[Problem]:
        """A problem for each kind."""
        return [
            Problem(f"{listed(places)}: {problem}", str(self.file), hint=hint, kind=kind)
            for (problem, hint), places in self.places.items()
        ]


@contextmanager
def as_data_error() -> Iterator[None]:
    """Errors of reading a file that belongs to the data."""
    try:
        yield
    except SegkitError as error:
        raise DataError.of(error.problems) from None


@dataclass(frozen=True)
class OutlinedData:
    """What annotation files hold.

    Args:
        splits: images by split.
        names: names of objects, in the order of the files.
        problems: problems of the files.
        warnings: what a run can go on with.
        colors: colour "#rrggbb" by name, where a file says it.
    """

    splits: Mapping[str, Sequence[OutlinedImage]]
    names: Sequence[str]
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    colors: Mapping[str, str] = field(default_factory=dict)

    @property
    def images(self) -> list[OutlinedImage]:
        """Images of all splits."""
        return [image for part in self.splits.values() for image in part]

    @property
    def used_names(self) -> list[str]:
        """Names of the objects that are there."""
        used = {outline.name for image in self.images for outline in image.outlines}
        return [name for name in dict.fromkeys(self.names) if name in used]


@dataclass(frozen=True)
class OutlinedSource:
    """A source of images whose objects are outlined.

    Names in the files are matched to `task.labels`, else to `task.classes`; a binary task of the class
    "foreground" takes all objects, if none is called so. Later objects lie over earlier ones. In a multiclass
    task, pixels that no object covers are of the first class, unless objects are of that class and it is
    not called background: then they are ignored, or refused if the task ignores no value. Crowds are ignored
    where no other object lies, if the task ignores a value.

    Args:
        read: reads the annotation files.
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.
        unlisted: what objects of other names are.

    Raises:
        PartError: if objects are to be ignored by a task that ignores nothing.
    """

    read: Callable[[], OutlinedData]
    task: Task
    channels: int
    unlisted: Unlisted

    def __post_init__(self) -> None:
        if self.unlisted == "ignore" and self.task.ignore_index is None:
            raise PartError(UNIGNORED, hint="data.ignore_index: 255")

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Samples by split.

        Raises:
            DataError: listing all problems.
        """
        return self.scan().whole()

    def scan(self) -> SourceScan:
        """Samples by split, with all problems."""
        data, task = self.read(), self.task
        problems = [*data.problems]
        numbers = numbers_of_names(task, data.used_names)
        others = [name for name in data.used_names if name not in numbers]
        if others and self.unlisted == "error":
            problems.append(_unlisted_problem(task, others, data.images))
        absent = [*_absent_names(task, numbers, data.names)]
        problems += [problem for problem in absent if problem.hint.startswith(_GUESS)]
        warnings = [*data.warnings, *(problem for problem in absent if problem not in problems)]
        numbers |= dict.fromkeys(others, AS_IGNORED if self.unlisted == "ignore" else AS_BACKGROUND)
        base = 0
        has_first = any(numbers[name] == 0 for name in data.used_names)
        if task.kind == "multiclass" and has_first and task.classes[0] not in BACKGROUND_NAMES:
            base = _UNKNOWN if task.ignore_index is None else task.ignore_index
        samples = {
            split: [_sample(image, task, self.channels, base, numbers) for image in images]
            for split, images in data.splits.items()
        }
        return SourceScan(samples, problems, warnings)


def numbers_of_names(task: Task, used: Sequence[str]) -> dict[str, int]:
    """Number of the class by name in files, from 0, which is the foreground of a binary task.

    Args:
        task: kind of masks, classes and labels.
        used: names in the files.

    Returns:
        Numbers; `AS_IGNORED` and `AS_BACKGROUND` for the names that labels give to these.
    """
    classes = {name: number for number, name in enumerate(task.classes)}
    if task.labels is not None:
        return {
            str(value): classes.get(name, AS_IGNORED if name == "ignore" else AS_BACKGROUND)
            for name, values in task.labels
            for value in values
        }
    if task.kind == "binary" and task.classes == ("foreground",) and "foreground" not in used:
        return dict.fromkeys(used, 0)
    return classes


def _unlisted_problem(task: Task, others: Sequence[str], images: Sequence[OutlinedImage]) -> Problem:
    first = next(image for image in images for outline in image.outlines if outline.name in others)
    problem = f"data.classes and data.labels do not have the names of these objects: {listed(others, 20)}"
    hint = (
        f"data.labels adds them to classes or ignores them, as in ignore: [{others[0]}]; "
        "data.source.unlisted: background leaves them out"
    )
    return Problem(problem, str(first.file), hint=hint, kind="labels")


def _absent_names(task: Task, expected: Iterable[str], names: Sequence[str]) -> Iterator[Problem]:
    """Names in the recipe that the files do not have, with a guess if one of theirs is similar."""
    if task.labels is None and task.kind == "multiclass":
        expected = [name for name in expected if name != task.classes[0]]  # what no object covers
    known = [*expected]
    for name in [name for name in known if names and name not in names]:
        guesses = near(name, [other for other in names if other not in known])
        hint = f"{_GUESS} {guesses[0]!r}?" if guesses else f"names in the files: {listed(names, 20)}"
        yield Problem(f"no object is called {name!r}", hint=hint, kind="labels")


def _sample(image: OutlinedImage, task: Task, channels: int, base: int, numbers: Mapping[str, int]) -> Sample:
    painted = [(numbers[outline.name], outline) for outline in image.outlines]
    if task.ignore_index is not None:
        painted = [(AS_IGNORED if outline.crowd else number, outline) for number, outline in painted]
        painted.sort(key=lambda entry: not entry[1].crowd)  # below the objects, which keep their order
    read = _OutlinedPair(image, task, channels, base, tuple(painted))
    files = (image.image, image.file) if image.own_file else (image.image,)
    return Sample(image.name, read, files, read_at=read, variant="", outlines=read.digest())


@dataclass(frozen=True, slots=True)
class _OutlinedPair:
    source: OutlinedImage
    task: Task
    channels: int
    base: int
    painted: tuple[tuple[int, Outline], ...]

    def __call__(self, size: Extent | None = None) -> tuple[Pixels, Pixels]:
        if size is None:
            pixels = read_image(self.source.image, self.channels)
            mask = self._mask((pixels.shape[0], pixels.shape[1]))
            return pixels, np.ascontiguousarray(mask)
        pixels, extent = read_image_at(self.source.image, self.channels, size)
        return pixels, resize_mask(self._mask(extent), size).astype(np.uint8)

    def digest(self) -> str:
        """Digest of all that determines the mask, beside the size of the image."""
        digest = hashlib.sha256(f"{self.base} {self.source.extent} {self.source.fractions}".encode())
        for number, outline in self.painted:
            digest.update(f" {number} {len(outline.polygons)} {outline.runs}".encode())
            for points in outline.polygons:
                digest.update(f" {len(points)} ".encode() + points.tobytes())
        return digest.hexdigest()

    def _mask(self, extent: Extent) -> Pixels:
        """(H, W), or (H, W, K) for multilabel."""
        self._check_extent(extent)
        height, width = extent
        layers = len(self.task.classes) if self.task.kind == "multilabel" else 1
        columns = np.full((layers, width, height), self.base, np.uint8)
        unit = np.array([width, height] if self.source.fractions else [1, 1], np.float64)
        for number, outline in self.painted:
            try:
                for runs in outline.painted(extent, unit):
                    self._paint(columns, runs, number)
            except ValueError as error:
                file = str(self.source.file)
                raise DataError(f"{outline.place}: {error}", where=file, kind="labels") from None
        if self.base == _UNKNOWN != self.task.ignore_index and (columns == _UNKNOWN).any():
            raise self._uncovered(int((columns == _UNKNOWN).sum()))
        return columns.transpose(2, 1, 0) if self.task.kind == "multilabel" else columns[0].T

    def _paint(self, columns: Pixels, runs: Runs, number: int) -> None:
        if number == AS_IGNORED:
            assert self.task.ignore_index is not None
            for layer in columns:
                paint(layer, runs, self.task.ignore_index)
        elif self.task.kind == "multilabel":
            if number != AS_BACKGROUND:
                paint(columns[number], runs, 1)
        elif number == AS_BACKGROUND:
            paint(columns[0], runs, self.base)
        else:
            paint(columns[0], runs, number + (self.task.kind == "binary"))

    def _check_extent(self, extent: Extent) -> None:
        expected = self.source.extent
        if expected and expected != extent:
            place = f"{self.source.place}: " if self.source.place else ""
            raise DataError(
                f"{place}it was outlined on {expected[1]}x{expected[0]} pixels, and has "
                f"{extent[1]}x{extent[0]}",
                where=str(self.source.file),
                hint=f"was it resized or rotated afterwards? The image is {self.source.image}",
                kind="size",
            )

    def _uncovered(self, pixels: int) -> DataError:
        first = self.task.classes[0]
        return DataError(
            f"{pixels:,} pixels of {self.source.image.name} are covered by no object, and no class stands "
            "for them",
            where=str(self.source.file),
            hint=f"data.ignore_index: 255 leaves them out; or put a class before {first}, such as background",
            kind="labels",
        )
