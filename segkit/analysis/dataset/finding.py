"""Problems of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

# In the order of the output; docs/check_data.md explains each.
KINDS = (
    "missing", "manifest", "split", "source", "unpaired", "unreadable", "size", "labels", "interpolated",
    "jpeg_mask", "duplicate", "near_duplicate", "same_mask", "inverted", "empty", "full", "vanishes",
    "absent", "imbalance", "rotated", "mode", "types", "outside", "blank",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One problem."""

    kind: str  # one of `KINDS`
    severity: Severity  # error: training is refused or scores would be wrong
    files: tuple[str, ...]  # paths; names of samples if the source reads no files
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """The problem as plain data."""
        return {**vars(self), "files": [*self.files]}
