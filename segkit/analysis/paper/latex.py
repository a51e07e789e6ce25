"""Texts and numbers in LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from unicodedata import normalize

from segkit.utils.public_text import public_text

# Letters beyond ASCII stay: LaTeX reads UTF-8. Signs that its default fonts lack become mathematics.
_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
        "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$",
        "|": "$|$", '"': "''", "\N{MINUS SIGN}": "$-$", "\N{PLUS-MINUS SIGN}": r"$\pm$",
        "\N{MULTIPLICATION SIGN}": r"$\times$", "\N{EN DASH}": "--", "\N{EM DASH}": "---",
        "\N{HORIZONTAL ELLIPSIS}": r"\dots{}", "\N{MICRO SIGN}": r"$\mu$", "\N{DEGREE SIGN}": r"$^\circ$",
    }
)  # fmt: skip


def escape(text: str) -> str:
    """A text that LaTeX prints as it is, on one line, without folders of this machine."""
    printable = "".join(letter if letter.isprintable() else " " for letter in public_text(text))
    return " ".join(normalize("NFC", printable).split()).translate(_ESCAPED)


def code(text: object) -> str:
    """A name of the recipe in typewriter letters; it may break after underscores and before capitals."""
    breakable = re.sub(r"(?<=\\_)|(?<=[a-z])(?=[A-Z])", r"\\allowbreak{}", escape(str(text)))
    return rf"\texttt{{{breakable}}}"


def emphasized(text: str) -> str:
    """A name in italics."""
    return rf"\emph{{{escape(text)}}}"


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """``0.864``, ``-0.012`` or ``+0.012`` as plain text; a dash if undefined."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    return text if float(text.replace(",", "")) else text.lstrip("+-")


def join(texts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
