"""A run directory -> `report.html`, `report.md` and the pictures they show. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segkit.run_dir import RunDir

__all__ = ["write_report"]


def write_report(run: RunDir) -> Path:
    """Write a run's report, see `segkit.report.write`; what draws its pictures is imported by then only."""
    from segkit.report.write import write_report as write

    return write(run)
