"""The examination: every sample is read once, and every family of faults looks at what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segkit.analysis.dataset.class_balance import class_faults
from segkit.analysis.dataset.duplicates import duplicate_faults
from segkit.analysis.dataset.finding import Finding, told_in_order
from segkit.analysis.dataset.images import image_faults
from segkit.analysis.dataset.masks import mask_faults
from segkit.analysis.dataset.sample_stats import Progress, look_at_all
from segkit.analysis.dataset.subject import Subject
from segkit.analysis.dataset.unreadable import reading_faults, source_faults


@dataclass(frozen=True)
class Examination:
    """What was found.

    Args:
        subject: what was examined.
        faults: errors first, then by kind.
    """

    subject: Subject
    faults: Sequence[Finding]

    @property
    def ok(self) -> bool:
        """Whether a run can train on these data; warnings do not forbid it."""
        return all(fault.severity != "error" for fault in self.faults)

    @property
    def images(self) -> dict[str, int]:
        """Number of paired images by split."""
        return {split: len(samples) for split, samples in self.subject.splits.items()}

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "ok": self.ok,
            "about": self.subject.about,
            "task": self.subject.task.kind,
            "images": self.images,
            "faults": [fault.as_json() for fault in self.faults],
        }


def examine(subject: Subject, on_progress: Progress = lambda label, done, total: None) -> Examination:
    """Read all files of a data set, and find what is wrong with them.

    Args:
        subject: as `of_recipe` or `of_folder` gives it.
        on_progress: callback of (label, done, total).
    """
    looks = look_at_all(subject, on_progress)
    faults = [
        *source_faults(subject.problems),
        *reading_faults(looks),
        *duplicate_faults(looks),
        *mask_faults(looks, subject.task),
        *class_faults(looks, subject.task),
        *image_faults(looks),
    ]
    return Examination(subject, told_in_order(faults))
