"""Images in one folder, masks in another: the source for one's own pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator

from segkit.core.errors import PartError, Problem
from segkit.core.registry import SOURCES
from segkit.data.images import ENDINGS
from segkit.data.mask_colors import ColourText, colours_for
from segkit.data.pairing import pairs_in
from segkit.data.source_scan import SourceScan
from segkit.data.splits import NAMES

if TYPE_CHECKING:
    from segkit.core.types import Sample, Source, Task
    from segkit.data.masks import Colours


def _with_name(pattern: object) -> object:
    if isinstance(pattern, str) and pattern.count("{name}") != 1:
        raise ValueError("a pattern holds {name} once, as in '{name}_mask'")
    return pattern


@SOURCES.register("folder")
def folder(
    task: Task,
    channels: int,
    *,
    images: Path,
    masks: Path,
    pattern: Annotated[str, BeforeValidator(_with_name)] = "{name}",
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
        masks: the folder of masks, with the same folders inside; may be the folder of images.
        pattern: what a mask is called, where {name} is what its image is called; both without ending.
        colours: the colour of each class in RGB-coded masks, such as {lesion: "#ff0000"}.

    Raises:
        PartError: for a multilabel task, one folder with nothing to tell masks by, or colours that do not fit
            the classes.
    """
    if task.kind == "multilabel":
        raise PartError(
            "folder reads one mask per image, and a multilabel task has one per class",
            hint="the source manifest, with a column for each class",
        )
    if images == masks and pattern == "{name}":
        raise PartError(
            "images and masks are in one folder, and nothing tells them apart",
            hint="data.source.pattern says what masks are called, as in '{name}_mask'",
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
        return self.scan().whole()

    def scan(self) -> SourceScan:
        """The splits, and what is left over in any of them."""
        names = [name for name in NAMES if (self.images / name).is_dir()]
        splits: dict[str, Sequence[Sample]] = {}
        problems: list[Problem] = self._beside(names)
        for name in names or [""]:
            images, masks = self.images / name, self.masks / name
            samples, left_over = pairs_in(images, masks, self.pattern, self.task, self.channels, self.colours)
            splits[name or "train"] = samples
            problems += left_over
        return SourceScan(splits, problems)

    def _beside(self, names: list[str]) -> list[Problem]:
        if not names:
            return []
        beside = [
            path.name
            for path in sorted(self.images.iterdir())
            if path.name not in NAMES
            and path not in (self.masks, *self.masks.parents)
            and not path.name.startswith(".")
            if path.is_dir() or path.suffix.lower() in ENDINGS
        ]
        if not beside:
            return []
        problem = f"{', '.join(beside[:5])}{' and others' if len(beside) > 5 else ''}: in none of the splits"
        return [
            Problem(
                problem,
                str(self.images),
                hint=f"the splits here are {', '.join(names)}; move it there",
                kind="split",
            )
        ]
