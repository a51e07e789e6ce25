"""A run directory -> `report.html`, `report.md` and the pictures they show. No torch."""

from segkit.report.write import write_report

__all__ = ["write_report"]
