"""Writes the checks of every contract into contracts.md, between the marks that are there.

python tests/pages/contracts.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from segkit.testing.collect import CONTRACTS, GENERAL_CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"


def filled(page: str) -> str:
    """The page with the checks that there are now."""
    contracts = {kind: checks for kind, (_, checks) in CONTRACTS.items()}
    for kind, checks in {"every part": GENERAL_CHECKS, **contracts}.items():
        start, end = f"<!-- checks of {kind} -->", f"<!-- end of checks of {kind} -->"
        former = re.search(f"{start}.*?{end}", page, re.DOTALL)
        assert former, f"{PAGE} has no place for the checks of {kind}"
        page = page.replace(former[0], f"{start}\n{_table(checks)}\n{end}")
    return page


def _table(checks: Iterable[Callable[..., Any]]) -> str:
    rows = [f"| {check.__name__.replace('_', ' ')} | {_reason(check)} |" for check in checks]
    return "\n".join(["| check | why |", "|---|---|", *rows])


def _reason(check: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(check) or "").split()).replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
