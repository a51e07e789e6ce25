"""A folder of images and a folder of masks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segkit.core.errors import PartError, Problem
from segkit.core.registry import SOURCES
from segkit.data.image_files import is_hidden, why_unread, without_ending
from segkit.data.labels import ColourText, with_labels
from segkit.data.name_pattern import Pattern
from segkit.data.pairing import pairs_in
from segkit.data.source_scan import SourceScan
from segkit.data.split_names import NAMES, split_named
from segkit.utils.listing import listed

if TYPE_CHECKING:
    from segkit.core.types import Sample, Source, Task


@SOURCES.register("folder")
def folder(
    task: Task,
    channels: int,
    *,
    images: Path,
    masks: Path,
    image_pattern: Pattern = "{name}",
    mask_pattern: Pattern = "{name}",
    pattern: Pattern | None = None,
    instances: Literal["union"] | None = None,
    colours: dict[str, ColourText] | None = None,
) -> Source:
    """A folder of images and a folder of masks, matched by file name.

    Subfolders train, val and test of both (or training, valid, validation, testing) are the official splits;
    without them all images are training images, and `data.split` divides them. Links to folders are followed.
    PNG, JPEG, BMP, TIFF, GIF and WebP are read; masks may be 1-bit, grey, palette or RGB.

    A pattern is the path of a file in its folder, without extension. {name} is the name that image and mask
    share, * is any text within a folder, {split} is one of the words above, in any case, as in
    "{split}/images/{name}". Files that fit no pattern are left out, with a warning if they lie beside images.

    Args:
        task: kind of masks, classes, ignored value and labels; a multilabel task needs the source "manifest".
        channels: channels of the images.
        images: folder of images, with any subfolders.
        masks: folder of masks, with the same subfolders; may be the folder of images.
        image_pattern: pattern of the images, such as "{name}_training".
        mask_pattern: pattern of the masks, such as "{name}_mask".
        pattern: another name of mask_pattern.
        instances: union makes one foreground of all objects of a binary task: of numbered objects in a mask,
            and of several masks of one image, as in mask_pattern "{name}/masks/*".
        colours: colour of each class in RGB masks, such as {lesion: "#ff0000"}; `data.labels` says the same.

    Raises:
        PartError: for a multilabel task, patterns that cannot tell images from masks or have {split} on one
            side only, objects of other tasks, or colours that do not fit the classes.
    """
    if task.kind == "multilabel":
        raise PartError(
            "folder reads one mask per image; a multilabel task has one per class",
            hint="the source manifest, with a column for each class",
        )
    if pattern is not None and mask_pattern not in ("{name}", pattern):
        raise PartError("pattern and mask_pattern are the same option", hint="leave out data.source.pattern")
    patterns = image_pattern, pattern or mask_pattern
    if images == masks and patterns[0] == patterns[1]:
        raise PartError(
            "images and masks are in one folder and cannot be told apart",
            hint="set data.source.mask_pattern to the names of the masks, such as '{name}_mask'",
        )
    if len({"{split}" in text for text in patterns}) > 1:
        raise PartError(
            f"only one of the patterns has {{split}}: {' and '.join(patterns)}",
            hint="write {split} into image_pattern and mask_pattern, or into none of them",
        )
    task = with_labels(task, colours)
    if instances and (task.kind != "binary" or task.labels):
        raise PartError(
            "instances: union makes one foreground of all objects: it needs a binary task without labels",
            hint="data.task: binary without data.labels, or leave out data.source.instances",
        )
    return FolderSource(images, masks, patterns, task, channels, bool(instances))


@dataclass(frozen=True)
class FolderSource:
    """See `folder`."""

    images: Path
    masks: Path
    patterns: tuple[str, str]  # of images and masks
    task: Task
    channels: int
    union: bool

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Samples by subfolder train, val and test, or by pattern; all as "train" without these."""
        return self.scan().whole()

    def scan(self) -> SourceScan:
        """Splits and unpaired files."""
        if "{split}" in self.patterns[0]:
            return SourceScan(*self._pairs(self.images, self.masks))
        found, problems = self._split_folders()
        splits: dict[str, Sequence[Sample]] = {}
        warnings: list[Problem] = []
        for name, (images, masks) in found.items():
            samples, unpaired, unused = self._pairs(images, masks)
            splits[name] = samples.get("", [])
            problems += unpaired
            warnings += unused
        return SourceScan(splits, problems, warnings)

    def _pairs(
        self, images: Path, masks: Path
    ) -> tuple[Mapping[str, Sequence[Sample]], list[Problem], list[Problem]]:
        return pairs_in(
            images, masks, self.patterns[1], self.task, self.channels,
            image_pattern=self.patterns[0], union=self.union,
        )  # fmt: skip

    def _split_folders(self) -> tuple[dict[str, tuple[Path, Path]], list[Problem]]:
        """Folders of images and masks by split, and problems of what lies beside them."""
        images, masks = _folders_by_split(self.images), _folders_by_split(self.masks)
        if not images or "/" in self.patterns[0]:  # such a pattern names the folders itself
            return {"train": (self.images, self.masks)}, []
        problems = [
            Problem(
                f"the folders {listed([path.name for path in paths])} are all the split {name}",
                str(paths[0].parent), hint="give one of them another name, or move its files", kind="split",
            )
            for side in (images, masks) for name, paths in side.items() if len(paths) > 1
        ]  # fmt: skip
        problems += self._outside_splits([path for paths in images.values() for path in paths])
        masks = {name: [self.masks / paths[0].name] for name, paths in images.items()} | masks
        return {name: (images[name][0], masks[name][0]) for name in NAMES if name in images}, problems

    def _outside_splits(self, folders: Sequence[Path]) -> list[Problem]:
        outside = [
            path.name
            for path in sorted(self.images.iterdir())
            if path not in folders
            and path not in (self.masks, *self.masks.parents)
            and not is_hidden(path.name)
            if path.is_dir() or without_ending(path.name) != path.name or why_unread(path)
        ]
        if not outside:
            return []
        problem = f"{listed(outside)}: not in any split"
        hint = f"the splits here are {', '.join(path.name for path in folders)}; move it into one of them"
        return [Problem(problem, str(self.images), hint=hint, kind="split")]


def _folders_by_split(folder: Path) -> dict[str, list[Path]]:
    try:
        names = sorted({name.removesuffix(".dvc") for name in os.listdir(folder)})
    except OSError:
        return {}  # reported when its images are looked for
    found: dict[str, list[Path]] = {}
    for path in (folder / name for name in names):
        # A split that is a broken link, or that DVC has not fetched, is a problem and not absent.
        if (split := split_named(path.name)) and (path.is_dir() or why_unread(path)):
            found.setdefault(split, []).append(path)
    return found
