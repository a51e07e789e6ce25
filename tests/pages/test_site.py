"""The documentation's site: it is built without a warning, needs no other host, and no link in it is dead."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import segkit
from segkit.core.registry import REGISTRIES

DOCS = Path(__file__).parents[2] / "docs"
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Anchors, links and loaded files of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in LOADED and LOADED[tag] in values:
            self.loaded.append(values[LOADED[tag]])
        if tag in ("a", "use") and "href" in values:
            self.links.append(values["href"])


def pages_of(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def dead_links(site: Path) -> Iterator[str]:
    pages = pages_of(site)
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                yield f"{path.relative_to(site).as_posix()}: {link}"


def foreign_files(site: Path) -> Iterator[str]:
    """What a browser would load from another host."""
    for path, page in pages_of(site).items():
        yield from (f"{path.name}: {file}" for file in page.loaded if urlsplit(file).netloc)
    for path in sorted(site.rglob("*.css")):
        found = re.findall(
            r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\s)]*", path.read_text(encoding="utf-8")
        )
        yield from (f"{path.name}: {file}" for file in found)


@pytest.mark.slow
def test_the_site_is_whole(tmp_path: Path) -> None:
    """One test, as a build takes half a minute."""
    site = (tmp_path / "site").resolve()
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d"]
    built = subprocess.run(
        [*command, str(tmp_path / "doctrees"), str(DOCS), str(site)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert [*dead_links(site)] == []
    assert [*foreign_files(site)] == []

    search = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(search.removeprefix("Search.setIndex(").removesuffix(")"))
    assert {page.stem for page in DOCS.glob("*.md")} <= {*index["docnames"]}
    found = index["terms"]["early_stopping_epoch"]  # the index has stems of words
    assert "generated/recipe_keys" in [index["docnames"][number] for number in found]

    for registry in REGISTRIES.values():
        headings = re.findall(
            r"<h\d>(.*?)<a", (site / f"generated/parts/{registry.plural}.html").read_text(encoding="utf-8")
        )
        assert {entry.name for entry in registry.own()} <= {*headings}
    api = (site / "api.html").read_text(encoding="utf-8")
    assert [name for name in segkit.__all__ if name not in api] == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here"></a><a href="b.html#there"></a><a href="https://example.org/x"></a>'
        '<a href="#nowhere"></a><a href="b.html#nowhere"></a><a href="c.html"></a><img src="d.png">'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">')
    assert [*dead_links(tmp_path)] == [
        "a.html: #nowhere",
        "a.html: b.html#nowhere",
        "a.html: c.html",
        "a.html: d.png",
    ]


def test_files_of_other_hosts_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<link href="https://a.org/x.css"><script src="//b.org/x.js"></script><img src="x.png">'
        '<a href="https://c.org/"></a>'
    )
    (tmp_path / "a.css").write_text(
        '@import "https://d.org/x.css"; p {background: url(//e.org/x.png)} b {background: url(x.png)}'
    )
    assert [*foreign_files(tmp_path)] == [
        "a.html: https://a.org/x.css",
        "a.html: //b.org/x.js",
        'a.css: @import "https://d.org/x.css";',
        "a.css: url(//e.org/x.png",
    ]
