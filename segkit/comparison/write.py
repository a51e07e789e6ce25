"""A `Comparison` becomes files."""

from __future__ import annotations

from pathlib import Path

from segkit.comparison.page import write_page
from segkit.comparison.result import Comparison
from segkit.comparison.text import write_csv, write_markdown
from segkit.run_dir import write_json


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write `comparison.html`, `.md`, `.csv` and `.json` into a folder; the page comes first.

    The same comparison gives the same bytes every time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, markdown, table, document = (
        folder / f"comparison.{ending}" for ending in ("html", "md", "csv", "json")
    )
    write_page(comparison, page)
    write_markdown(comparison, markdown)
    write_csv(comparison, table)
    write_json(document, comparison.as_json())
    return [page, markdown, table, document]
