"""Report of one run: HTML, Markdown and figures. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segkit.runs.run_dir import RunDir

__all__ = ["write_report"]


def write_report(run: RunDir) -> Path:
    """Write the report of a run; see `segkit.analysis.report.write`."""
    from segkit.analysis.report.write import write_report as write  # matplotlib is slow to import

    return write(run)
