"""`comparison.md` and `comparison.csv`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.analysis.comparison.epochs import epoch_table
from segkit.analysis.comparison.result import Comparison
from segkit.analysis.comparison.tables import (
    common_context,
    cost_table,
    pair_table,
    ranking_table,
    shown_pairs,
)
from segkit.analysis.report.format import whole
from segkit.analysis.report.templates import markdown_templates
from segkit.utils.csv_files import write_csv as write_rows

MAX_IN_EPOCHS = 4  # candidates in the table of epochs


def write_markdown(comparison: Comparison, path: Path) -> Path:
    """Write a comparison as Markdown; returns the path."""
    template = markdown_templates("analysis/comparison", "analysis/report").get_template("comparison.md.j2")
    path.write_bytes(template.render(_context(comparison)).encode())
    return path


def write_csv(comparison: Comparison, path: Path) -> Path:
    """Write one row per candidate, with empty cells for unknown values; returns the path."""
    records = comparison.records()
    header = list(dict.fromkeys(key for record in records for key in record))
    write_rows(path, [header, *([record.get(key) for key in header] for record in records)])
    return path


def _context(comparison: Comparison) -> dict[str, Any]:
    shown, pairs = len(shown_pairs(comparison)), len(comparison.pairs)
    return {
        **common_context(comparison),
        "ranking": ranking_table(comparison),
        "costs": cost_table(comparison),
        "pairs": pair_table(comparison),
        "first": comparison.candidates[0].name,
        "all_pairs": whole(pairs) if shown < pairs else "",
        "epochs": epoch_table(comparison) if len(comparison.ranking) <= MAX_IN_EPOCHS else None,
    }
