"""One thing that is wrong with a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

# In the order in which they are told; what each means and what to do stands in docs/check_data.md.
KINDS = (
    "missing",
    "manifest",
    "split",
    "source",
    "unpaired",
    "unreadable",
    "size",
    "labels",
    "interpolated",
    "jpeg_mask",
    "duplicate",
    "near_duplicate",
    "same_mask",
    "inverted",
    "empty",
    "full",
    "vanishes",
    "absent",
    "imbalance",
    "rotated",
    "mode",
    "blank",
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Args:
        kind: one of `KINDS`.
        severity: error if training is refused or would be wrong, warning if it is for the user to judge.
        files: whose fault it is; names of samples where a source reads no files.
        message: what is wrong, without the files.
        hint: what to try.
    """

    kind: str
    severity: Severity
    files: tuple[str, ...]
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**vars(self), "files": [*self.files]}


def told_in_order(faults: Sequence[Finding]) -> list[Finding]:
    """Errors first, then by kind; what is said of several stays together."""
    place: Mapping[str, int] = {kind: number for number, kind in enumerate(KINDS)}
    return sorted(faults, key=lambda fault: (fault.severity != "error", place[fault.kind], fault.message))
