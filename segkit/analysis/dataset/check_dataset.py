"""All checks of a data set; every file is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segkit.analysis.dataset.class_balance import check_classes
from segkit.analysis.dataset.dataset import Dataset
from segkit.analysis.dataset.duplicates import find_duplicates
from segkit.analysis.dataset.finding import KINDS, Finding
from segkit.analysis.dataset.images import check_images
from segkit.analysis.dataset.masks import check_masks
from segkit.analysis.dataset.sample_stats import collect_stats
from segkit.analysis.dataset.unreadable import check_readable, source_findings
from segkit.core.types import Progress


@dataclass(frozen=True)
class CheckResult:
    """Result of a check."""

    dataset: Dataset
    findings: Sequence[Finding]  # errors first, then by kind

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings are allowed."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def images(self) -> dict[str, int]:
        """Number of image-mask pairs by split."""
        return {split: len(samples) for split, samples in self.dataset.splits.items()}

    def as_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "ok": self.ok,
            "about": self.dataset.about,
            "task": self.dataset.task.kind,
            "images": self.images,
            **({"recipe": self.dataset.recipe} if self.dataset.recipe else {}),
            "faults": [finding.as_json() for finding in self.findings],
        }


def check_dataset(dataset: Dataset, on_progress: Progress = lambda label, done, total: None) -> CheckResult:
    """Read all files of a data set and find problems."""
    stats = collect_stats(dataset, on_progress)
    findings = [
        *source_findings(dataset.problems, "error"),
        *source_findings(dataset.warnings, "warning"),
        *check_readable(stats),
        *find_duplicates(stats),
        *check_masks(stats, dataset.task),
        *check_classes(stats, dataset.task),
        *check_images(stats),
    ]
    findings.sort(key=lambda item: (item.severity != "error", KINDS.index(item.kind), item.message))
    return CheckResult(dataset, findings)
