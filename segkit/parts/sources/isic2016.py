"""ISIC 2016 challenge, part 1: 900 training and 379 test images of skin lesions with masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import PartError, Problem, worded
from segkit.core.registry import SOURCES
from segkit.data.labels import with_labels
from segkit.data.pairing import pairs_in
from segkit.data.source_scan import SourceScan

if TYPE_CHECKING:
    from segkit.core.types import Sample, Source, Task

FOLDERS = {
    "train": ("ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
    "test": ("ISBI2016_ISIC_Part1_Test_Data", "ISBI2016_ISIC_Part1_Test_GroundTruth"),
}
PATTERN = "{name}_Segmentation"


@SOURCES.register("isic2016")
def isic2016(task: Task, channels: int, *, root: Path = Path("data/isic2016")) -> Source:
    """ISIC 2016 skin lesions, in the challenge's folders; `segkit data fetch isic2016` downloads them.

    Args:
        task: a binary task.
        channels: channels of the images.
        root: folder with the challenge's four folders.

    Raises:
        PartError: if the task is not binary.
    """
    if task.kind != "binary":
        raise PartError(f"isic2016 has binary masks, not {task.kind} ones", hint="data.task: binary")
    return Isic2016(root, with_labels(task), channels)


@dataclass(frozen=True)
class Isic2016:
    """See `isic2016`."""

    root: Path
    task: Task
    channels: int

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """The challenge's train and test split."""
        return self.scan().whole()

    def scan(self) -> SourceScan:
        """Splits and unpaired files."""
        missing = [name for pair in FOLDERS.values() for name in pair if not (self.root / name).is_dir()]
        if missing:
            problem = Problem(
                f"the ISIC 2016 images were not found: missing folder {', '.join(missing)}",
                str(self.root),
                hint="download them with 'segkit data fetch isic2016', set data.source.root to their folder, "
                f"or run the recipe on synthetic lesions with {worded('--demo', 'demo=True')}",
                kind="missing",
            )
            return SourceScan({}, [problem])
        splits: dict[str, Sequence[Sample]] = {}
        problems: list[Problem] = []
        for split, (images, masks) in FOLDERS.items():
            samples, unpaired, _ = pairs_in(
                self.root / images, self.root / masks, PATTERN, self.task, self.channels
            )
            splits[split] = samples.get("", [])
            problems += unpaired
        return SourceScan(splits, problems)
