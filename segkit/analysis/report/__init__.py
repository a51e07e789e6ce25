"""A run directory -> `report.html`, `report.md` and the pictures they show. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segkit.runs.run_dir import RunDir

__all__ = ["write_report"]


def write_report(run: RunDir) -> Path:
    """Write a run's report, see `segkit.analysis.report.write`; matplotlib is imported only then."""
    from segkit.analysis.report.write import write_report as write

    return write(run)
