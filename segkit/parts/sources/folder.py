"""A folder of images and a folder of masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from segkit.core.errors import PartError, Problem
from segkit.core.registry import SOURCES
from segkit.data.image_files import is_hidden, why_unread, without_ending
from segkit.data.labels import ColourText, with_labels
from segkit.data.pairing import pairs_in
from segkit.data.source_scan import SourceScan
from segkit.data.splits import NAMES
from segkit.utils.listing import listed

if TYPE_CHECKING:
    from segkit.core.types import Sample, Source, Task


def _check_pattern(pattern: object) -> object:
    if isinstance(pattern, str) and pattern.count("{name}") != 1:
        raise ValueError("a pattern contains {name} once, as in '{name}_mask'")
    return pattern


@SOURCES.register("folder")
def folder(
    task: Task,
    channels: int,
    *,
    images: Path,
    masks: Path,
    pattern: Annotated[str, BeforeValidator(_check_pattern)] = "{name}",
    colours: dict[str, ColourText] | None = None,
) -> Source:
    """A folder of images and a folder of masks, matched by file name.

    Subfolders train, val and test of both are the official splits; without them all images are training
    images, and `data.split` divides them. Links to folders are followed. PNG, JPEG, BMP, TIFF, GIF and WebP
    are read; masks may be 1-bit, grey, palette or RGB.

    Args:
        task: kind of masks, classes, ignored value and labels; a multilabel task needs the source "manifest".
        channels: channels of the images.
        images: folder of images, with any subfolders.
        masks: folder of masks, with the same subfolders; may be the folder of images.
        pattern: file name of a mask, with {name} for that of its image; both without extension.
        colours: colour of each class in RGB masks, such as {lesion: "#ff0000"}; `data.labels` says the same.

    Raises:
        PartError: for a multilabel task, images and masks in one folder without a pattern, or colours that do
            not fit the classes.
    """
    if task.kind == "multilabel":
        raise PartError(
            "folder reads one mask per image; a multilabel task has one per class",
            hint="the source manifest, with a column for each class",
        )
    if images == masks and pattern == "{name}":
        raise PartError(
            "images and masks are in one folder and cannot be told apart",
            hint="set data.source.pattern to the names of the masks, such as '{name}_mask'",
        )
    return FolderSource(images, masks, pattern, with_labels(task, colours), channels)


@dataclass(frozen=True)
class FolderSource:
    """See `folder`."""

    images: Path
    masks: Path
    pattern: str
    task: Task
    channels: int

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Samples by subfolder train, val and test; all as "train" without these."""
        return self.scan().whole()

    def scan(self) -> SourceScan:
        """Splits and unpaired files."""
        # A split that is a broken link, or that DVC has not fetched, is a problem and not absent.
        names = [name for name in NAMES if (path := self.images / name).is_dir() or why_unread(path)]
        splits: dict[str, Sequence[Sample]] = {}
        problems: list[Problem] = self._outside_splits(names)
        for name in names or [""]:
            images, masks = self.images / name, self.masks / name
            samples, unpaired = pairs_in(images, masks, self.pattern, self.task, self.channels)
            splits[name or "train"] = samples
            problems += unpaired
        return SourceScan(splits, problems)

    def _outside_splits(self, names: list[str]) -> list[Problem]:
        if not names:
            return []
        outside = [
            path.name
            for path in sorted(self.images.iterdir())
            if path.name not in NAMES
            and path not in (self.masks, *self.masks.parents)
            and not is_hidden(path.name)
            if path.is_dir() or without_ending(path.name) != path.name or why_unread(path)
        ]
        if not outside:
            return []
        problem = f"{listed(outside)}: not in any split"
        hint = f"the splits here are {', '.join(names)}; move it into one of them"
        return [Problem(problem, str(self.images), hint=hint, kind="split")]
