"""Annotation files in COCO's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segkit.core.errors import DataError, PartError, Problem
from segkit.core.registry import SOURCES
from segkit.data.coco_file import outlined_images, read_coco
from segkit.data.image_folder import ImageFolder
from segkit.data.outlines import OutlinedData, OutlinedImage, OutlinedSource, Unlisted

if TYPE_CHECKING:
    from segkit.core.types import Source, Task

Split = Literal["train", "val", "test"]


@SOURCES.register("coco")
def coco(
    task: Task,
    channels: int,
    *,
    images: Path | dict[Split, Path],
    annotations: Path | dict[Split, Path],
    unlisted: Unlisted = "error",
) -> Source:
    """Annotation files in COCO's format: polygons of several parts, run-length codes, and crowds.

    The images are those that the annotation files list; one without annotations is all background. Masks
    equal those of COCO's tools.

    Args:
        task: kind of masks, classes, ignored value and labels.
        channels: channels of the images.
        images: folder of the images that the file names, by their path or the last part of it; or a folder
            for each split.
        annotations: annotation file; or a file for each split.
        unlisted: what objects are whose category is not in data.classes or data.labels: an error, background,
            or ignored.

    Raises:
        PartError: if images and annotations name different splits, or no value is ignored.
    """
    files: dict[Split, Path] = annotations if isinstance(annotations, dict) else {"train": annotations}
    if isinstance(images, dict) and images.keys() != files.keys():
        raise PartError(
            f"data.source.images has the splits {', '.join(images)}, annotations {', '.join(files)}",
            hint="name the same splits in both, or one folder as images",
        )
    places: dict[str, tuple[Path, Path]] = {
        split: (images[split] if isinstance(images, dict) else images, file) for split, file in files.items()
    }
    return OutlinedSource(partial(read_files, places), task, channels, unlisted)


def read_files(files: Mapping[str, tuple[Path, Path]]) -> OutlinedData:
    """Images and objects of annotation files.

    Args:
        files: folder of images and annotation file by split.
    """
    splits: dict[str, Sequence[OutlinedImage]] = {}
    names: list[str] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    folders: dict[Path, ImageFolder] = {}
    for split, (folder, file) in files.items():
        try:
            images = folders.get(folder) or folders.setdefault(folder, ImageFolder(folder))
            content = read_coco(file)
        except DataError as error:
            problems += error.problems
            continue
        splits[split], faults, others = outlined_images(content, images)
        names += content.categories.values()
        problems += faults
        warnings += others
    for images in folders.values():
        warnings += images.unused()
    return OutlinedData(splits, names, problems, warnings)
