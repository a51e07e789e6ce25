"""The ISIC 2016 challenge, part 1: 900 training and 379 test images of skin lesions with their masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.data.pairing import pairs_in
from segkit.errors import DataError, PartError, Problem
from segkit.registry import SOURCES

if TYPE_CHECKING:
    from segkit.contracts import Sample, Source, Task

FOLDERS = {
    "train": ("ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
    "test": ("ISBI2016_ISIC_Part1_Test_Data", "ISBI2016_ISIC_Part1_Test_GroundTruth"),
}
PATTERN = "{name}_Segmentation"


@SOURCES.register("isic2016")
def isic2016(task: Task, channels: int, *, root: Path = Path("data/isic2016")) -> Source:
    """ISIC 2016 skin lesions, in the challenge's own folders; `segkit data fetch isic2016` gets them.

    Args:
        task: binary.
        channels: of the images.
        root: the folder that holds the challenge's four folders.

    Raises:
        PartError: for another task.
    """
    if task.kind != "binary":
        raise PartError(f"isic2016 has binary masks, not {task.kind} ones", hint="data.task: binary")
    return Isic2016(root, task, channels)


@dataclass(frozen=True)
class Isic2016:
    """See `isic2016`."""

    root: Path
    task: Task
    channels: int

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Train and test, as the challenge divided them."""
        missing = [name for pair in FOLDERS.values() for name in pair if not (self.root / name).is_dir()]
        if missing:
            raise DataError(
                f"the ISIC 2016 images are not there: no folder {', '.join(missing)}",
                where=str(self.root),
                hint="'segkit data fetch isic2016' downloads them, data.source.root says where they are, "
                "and --demo runs the recipe on synthetic lesions instead",
            )
        splits: dict[str, Sequence[Sample]] = {}
        problems: list[Problem] = []
        for split, (images, masks) in FOLDERS.items():
            try:
                splits[split] = pairs_in(
                    self.root / images, self.root / masks, PATTERN, self.task, self.channels
                )
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError.of(problems)
        return splits
