"""Images in one folder, masks in another: the source for one's own pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from segkit.data.colours import ColourText, colours_for
from segkit.data.pairing import by_name, images_in, pair
from segkit.errors import DataError, PartError, Problem
from segkit.registry import SOURCES

if TYPE_CHECKING:
    from segkit.contracts import Sample, Source, Task
    from segkit.data.files import Colours

SPLITS = ("train", "val", "test")


def _with_stem(pattern: object) -> object:
    if isinstance(pattern, str) and pattern.count("{name}") != 1:
        raise ValueError("a mask pattern holds {name} once, as in '{name}_mask'")
    return pattern


Pattern = Annotated[str, BeforeValidator(_with_stem)]


@SOURCES.register("folder")
def folder(
    task: Task,
    channels: int,
    *,
    images: Path,
    masks: Path,
    pattern: Pattern = "{name}",
    colours: dict[str, ColourText] | None = None,
) -> Source:
    """A folder of images and a folder of masks, found by name.

    Folders called train, val and test inside both are the official splits; without them every image is for
    training, and `data.split` divides them. PNG, JPEG, BMP, TIFF, GIF and WebP are read; masks may be 1-bit,
    grey, palette or, with `colours`, RGB-coded.

    Args:
        task: for the masks' values; a multilabel task needs the source "manifest".
        channels: of the images.
        images: the folder of images, with any folders inside.
        masks: the folder of masks, with the same folders inside.
        pattern: how a mask is called, without its ending, where {name} is the image's name without its ending.
        colours: the colour of each class in RGB-coded masks, such as {lesion: "#ff0000"}.

    Raises:
        PartError: for a multilabel task, or colours that do not fit the classes.
    """
    if task.kind == "multilabel":
        raise PartError(
            "folder reads one mask per image; a multilabel task has one per class", hint="manifest"
        )
    return FolderSource(images, masks, pattern, task, channels, colours_for(task, colours))


@dataclass(frozen=True)
class FolderSource:
    """See `folder`."""

    images: Path
    masks: Path
    pattern: str
    task: Task
    channels: int
    colours: Colours | None

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """By folders called train, val and test where there are any; else all as train."""
        names = [name for name in SPLITS if (self.images / name).is_dir()]
        splits: dict[str, Sequence[Sample]] = {}
        problems: list[Problem] = []
        for name in names or [""]:
            try:
                splits[name or "train"] = self._pairs(self.images / name, self.masks / name)
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError.of(problems)
        return splits

    def _pairs(self, images: Path, masks: Path) -> list[Sample]:
        before, after = map(re.escape, self.pattern.split("{name}"))
        wanted = re.compile(f"((?:.*/)?){before}([^/]+){after}")
        named: dict[str, Path] = {}
        for name, path in by_name(masks, images_in(masks)).items():
            found = wanted.fullmatch(name)
            if found or self.images != self.masks:  # in one folder, what does not fit the pattern is an image
                named[f"{found[1]}{found[2]}" if found else name] = path
        taken = set(named.values())
        files = [path for path in images_in(images) if path not in taken]
        return pair(by_name(images, files), named, self.task, self.channels, self.colours)
