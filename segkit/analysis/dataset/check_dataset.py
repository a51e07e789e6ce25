"""All checks of a data set; every image is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from textwrap import indent
from typing import Any

from segkit.analysis.dataset.class_balance import check_classes, count_read_classes
from segkit.analysis.dataset.dataset import Dataset
from segkit.analysis.dataset.duplicates import find_duplicates
from segkit.analysis.dataset.finding import KINDS, Finding
from segkit.analysis.dataset.images import check_images
from segkit.analysis.dataset.looks import LOOKS
from segkit.analysis.dataset.masks import check_masks
from segkit.analysis.dataset.pixels import PixelSummary, check_pixels, summarize_pixels
from segkit.analysis.dataset.sample_stats import collect_stats
from segkit.analysis.dataset.stray_values import find_stray_values
from segkit.analysis.dataset.unreadable import check_readable, source_findings
from segkit.core.errors import DataError
from segkit.core.types import Progress
from segkit.data.class_counts import ClassCounts
from segkit.data.labels import has_colours
from segkit.data.masks import palette_colors
from segkit.recipe.yaml_tree import write_yaml
from segkit.utils.record_file import RecordFile

_MAX_PALETTES = 8  # masks


@dataclass(frozen=True)
class CheckResult:
    """Result of a check."""

    dataset: Dataset
    findings: Sequence[Finding]  # errors first, then by kind
    classes: ClassCounts | None = None  # of all splits
    colors: Mapping[str, str] = field(default_factory=dict)  # of classes, in the palette of the masks
    pixels: PixelSummary | None = None  # of the images that could be read

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings are allowed."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def images(self) -> dict[str, int]:
        """Number of image-mask pairs by split."""
        return {split: len(samples) for split, samples in self.dataset.splits.items()}

    @property
    def groups(self) -> dict[str, int]:
        """Number of groups by split; empty without groups."""
        return {split: len({*groups.values()}) for split, groups in self.dataset.groups.items()}

    @property
    def recipe(self) -> str:
        """Lines of a recipe that reads the data set, with the colours; "" if it was found by a recipe."""
        colors = write_yaml({"colors": {**self.colors}}, compact=True) if self.colors else ""
        return self.dataset.recipe + indent(colors, "  ") if self.dataset.recipe else ""

    def as_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "ok": self.ok,
            "about": self.dataset.about,
            "task": self.dataset.task.kind,
            "images": self.images,
            "groups": self.groups,
            "splits": {split: self._members(split) for split in self.dataset.splits},
            "pixels": self.pixels.as_json() if self.pixels else {},
            "classes": self.classes.as_json() if self.classes else {},
            "colors": {**self.colors},
            **({"recipe": self.recipe} if self.recipe else {}),
            "faults": [finding.as_json() for finding in self.findings],
        }

    def _members(self, split: str) -> list[dict[str, str]]:
        """Name, file and group of each sample of a split, as far as it has them."""
        groups = self.dataset.groups.get(split, {})
        return [
            {
                "name": sample.name,
                **({"file": str(sample.files[0])} if sample.files else {}),
                **({"group": groups[sample.name]} if sample.name in groups else {}),
            }
            for sample in self.dataset.splits[split]
        ]


def check_dataset(dataset: Dataset, on_progress: Progress = lambda label, done, total: None) -> CheckResult:
    """Read all files of a data set and find problems.

    Raises:
        TrainingError: if the folder of temporary files is full: each image needs 5 kB.
    """
    with RecordFile(LOOKS) as looks:
        stats = collect_stats(dataset, looks, on_progress)
        findings = [
            *source_findings(dataset.problems, "error"),
            *source_findings(dataset.warnings, "warning"),
            *check_readable(stats),
            *find_duplicates(stats, looks),
            *check_masks(stats, looks, dataset.task),
            *check_classes(stats, dataset.task),
            *check_images(stats),
            *check_pixels(stats),
            *_stray_values(dataset, on_progress),
        ]
    findings.sort(key=lambda item: (item.severity != "error", KINDS.index(item.kind), item.message))
    classes = count_read_classes(stats, dataset.task)
    return CheckResult(dataset, findings, classes, palette_of(dataset), summarize_pixels(stats))


def _stray_values(dataset: Dataset, on_progress: Progress) -> list[Finding]:
    """Of a data set without a recipe, which would say what the values mean."""
    if not dataset.has_mask_files:
        return []
    files = [sample.files for samples in dataset.splits.values() for sample in samples]
    masks = [each[1] for each in files if len(each) == 2]  # not those of several classes
    return find_stray_values(masks, on_progress, colors=has_colours(dataset.task))


def palette_of(dataset: Dataset) -> dict[str, str]:
    """Colours of the classes in the palette of a mask, unless the recipe has colours."""
    masks = (file for samples in dataset.splits.values() for sample in samples for file in sample.files[1:2])
    for file in islice(masks, 0 if dataset.task.colors else _MAX_PALETTES):
        with suppress(DataError):  # reported
            if colors := palette_colors(file, dataset.task):
                return colors
    return {}
