"""Settings of the documentation's site, which Sphinx builds: python -m sphinx -W -b html docs site."""

import sys
from pathlib import Path
from typing import Any

from docutils.nodes import Element, Text, document
from pygments.lexers.special import TextLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import segkit

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
import site_pages  # noqa: E402

project = "segkit"
author = "the segkit authors"
version = release = segkit.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
smartquotes = False  # would make one dash of the two of --set
default_role = "literal"  # single backticks in docstrings
highlight_language = "text"
nitpicky = True
nitpick_ignore_regex = [
    # Of other packages, whose documentation is on other hosts.
    ("py:.*", r"(collections|contextlib|inspect|numpy|np|npt|nn|os|pathlib|PIL|torch|typing)\..*"),
    ("py:.*", r"Any|Callable|FileExistsError|Image|OSError|Path|PathLike|Tensor|ValueError"),
    # Names of types, and classes that docs/runs.md and the keys of a recipe describe.
    ("py:.*", r"Chunks|Counts|Figures|Floats|Maps|Model|Pixels|Probabilities|Range|Scores|Size"),
    ("py:.*", r"segkit\.core\.registry\.Factory"),
    (
        "py:.*",
        r"Costs|Published|Stage|Summary|segkit\.(core\.signature|recipe\.part_schema|runs\.schema)\..*",
    ),
]

myst_heading_anchors = 4

autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "model_config"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
maximum_signature_line_length = 80
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"segkit {release}"
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False


def write_pages(app: Sphinx) -> None:
    """Write the pages that are made from the code."""
    site_pages.write()


def adapt(app: Sphinx, page: str, source: list[str]) -> None:
    """Fill and link a page of docs/ as the site needs it."""
    source[0] = site_pages.adapted(source[0], DOCS / f"{page}.md")


def keep_colon(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in a property's first line for its type."""
    if what in ("attribute", "property"):
        lines[:0] = ["..", ""]  # a comment


def name_factories(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Put dots for what a dataclass makes anew as a default: a signature with `<factory>` is not parsed."""
    return signature and signature.replace("<factory>", "..."), returns


def resolve_short_name(
    app: Sphinx, environment: BuildEnvironment, node: pending_xref, content: Element
) -> Element | None:
    """Link a type that is imported for type checkers only: its annotation is its bare name."""
    if node.get("refdomain") != "py":
        return None
    domain = environment.domains.python_domain
    found = {name for name, _ in domain.find_obj(environment, "", "", node["reftarget"], None, 1)}
    if len(found) != 1:
        return None
    return domain.resolve_xref(environment, node["refdoc"], app.builder, "obj", found.pop(), node, content)


def plain_separators(app: Sphinx, tree: document, page: str) -> None:
    """Put a colon, not two hyphens, between a parameter and what it means."""
    for text in [text for text in tree.findall(Text) if text == " -- "]:
        text.parent.replace(text, Text(": "))


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.add_lexer("csv", TextLexer)
    app.connect("builder-inited", write_pages)
    app.connect("source-read", adapt)
    app.connect("autodoc-process-docstring", keep_colon, priority=100)  # before napoleon
    app.connect("doctree-resolved", plain_separators)
    app.connect("autodoc-process-signature", name_factories)
    app.connect("missing-reference", resolve_short_name)
