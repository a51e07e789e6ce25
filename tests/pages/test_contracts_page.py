"""The reference of contracts shows the checks that there are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from segkit.core.registry import REGISTRIES

DOCS = Path(__file__).parents[2] / "docs"


def test_page_shows_every_check_as_docs_contracts_py_writes_it() -> None:
    spec = importlib.util.spec_from_file_location("contracts", Path(__file__).with_name("contracts.py"))
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (DOCS / "contracts.md").read_text(encoding="utf-8")
    assert script.filled(page) == page, "python tests/pages/contracts.py writes it anew"


def test_page_shows_what_is_given_asked_and_stated() -> None:
    page = (DOCS / "contracts.md").read_text(encoding="utf-8")
    for registry in REGISTRIES.values():
        assert f"## {registry.kind.capitalize()}: `({', '.join([*registry.given, '*', '...'])})`" in page
        section = page.partition(f"## {registry.kind.capitalize()}: ")[2].partition("\n## ")[0]
        for name in (*registry.reserved[1:], *registry.traits):
            assert f"`{name}`" in section, f"{registry.kind}: {name}"
