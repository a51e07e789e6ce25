"""Problems of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

# In the order of the output; docs/check_data.md explains each.
KINDS = (
    "missing", "manifest", "split", "source", "unpaired", "unreadable", "size", "labels", "interpolated",
    "jpeg_mask", "duplicate", "near_duplicate", "same_mask", "inverted", "empty", "full", "vanishes",
    "absent", "imbalance", "rotated", "mode", "blank",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One problem.

    Args:
        kind: one of `KINDS`.
        severity: "error" if training is refused or scores would be wrong, "warning" if the user must decide.
        files: paths of the files; names of samples if the source reads no files.
        message: problem, without the files.
        hint: what to try.
    """

    kind: str
    severity: Severity
    files: tuple[str, ...]
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """The problem as plain data."""
        return {**vars(self), "files": [*self.files]}
