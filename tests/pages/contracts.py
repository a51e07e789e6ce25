"""Writes the checks of every contract into contracts.md, between the marks that are there.

python tests/pages/contracts.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path

from segkit.testing.check import Point
from segkit.testing.collect import CONTRACTS
from segkit.testing.every_part import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"


def filled(page: str) -> str:
    """The page with the checks that there are now."""
    for kind, points in {"every part": CHECKS, **CONTRACTS}.items():
        start, end = f"<!-- checks of {kind} -->", f"<!-- end of checks of {kind} -->"
        former = re.search(f"{start}.*?{end}", page, re.DOTALL)
        assert former, f"{PAGE} has no place for the checks of {kind}"
        page = page.replace(former[0], f"{start}\n{_table(points)}\n{end}")
    return page


def _table(points: Sequence[Point]) -> str:
    rows = [f"| {point.__name__.replace('_', ' ')} | {_reason(point)} |" for point in points]
    return "\n".join(["| check | why |", "|---|---|", *rows])


def _reason(point: Point) -> str:
    return " ".join((inspect.getdoc(point) or "").split()).replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
