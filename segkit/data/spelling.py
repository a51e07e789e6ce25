"""Spellings of a name."""

from __future__ import annotations

import re
from unicodedata import normalize

_WORDS = re.compile(r"\d+|[^\W\d_]+|[^\w\s./-]")


def spelling_key(name: str) -> tuple[str, ...]:
    """Words and numbers of a name, without case, separators and leading zeros.

    Names with the same key may be spellings of one name: ISIC_0041 and isic-41. Names that differ in a letter
    or a number are names of different images, however similar.
    """
    words = _WORDS.findall(normalize("NFC", name).casefold())
    return tuple(word.lstrip("0") or "0" if word.isdecimal() else word for word in words)
