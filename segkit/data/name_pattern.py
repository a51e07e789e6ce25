"""Patterns of file names, such as "{name}_mask"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Annotated, NamedTuple
from unicodedata import normalize

from pydantic import BeforeValidator

from segkit.data.spelling import spelling_key
from segkit.data.split_names import WORDS, split_named
from segkit.utils.listing import listed

_PIECES = re.compile(r"(\{[^{}]*\}|\*)")
_SPLITS = "|".join(sorted(WORDS, key=len, reverse=True))


class Match(NamedTuple):
    """What a pattern finds in a path; split is "" if the pattern has no {split}."""

    split: str
    name: str


def match_pattern(pattern: str, path: str) -> Match | None:
    """Name of the image to which a file belongs; None if its path does not match.

    `{name}` is as long as possible and stays within one folder, `*` is any text within a folder, and
    `{split}` a word for a split. A second {name} is the same text. Folders before the pattern become part of
    the name; with {split} in front, those before the part that holds {name}.

    Args:
        pattern: pattern, see `Pattern`.
        path: path in a folder, with slashes and without extension.
    """
    match = _compiled(pattern).fullmatch(path)
    if not match:
        return None
    groups = match.groupdict()
    return Match(split_named(groups.get("split", "")) or "", groups["folders"] + groups["name"])


def similar_match(pattern: str, path: str) -> Match | None:
    """What another spelling of a path would be in a pattern: without case, separators and leading zeros."""
    match = _compiled_words(pattern).fullmatch(" ".join(spelling_key(path)))
    if not match:
        return None
    groups = match.groupdict()
    return Match(split_named(groups.get("split", "")) or "", f"{groups['folders']}{groups['name']}".strip())


def group_in(pattern: str, name: str) -> str | None:
    """The shortest {group} for which the end of a name matches a pattern, or None."""
    match = _compiled_group(pattern).fullmatch(name)
    return match["group"] if match else None


def pattern_problem(pattern: str, required: str, allowed: tuple[str, ...] = ()) -> str:
    """What is wrong with a pattern that must hold `required`, or ""."""
    words = re.findall(r"\{[^{}]*\}", pattern)
    if required not in words:
        return f"a pattern contains {required}, as in '{required}_{'*' if required == '{group}' else 'mask'}'"
    known = (required, *allowed, "*")
    return next(
        (f"{word} means nothing here: use {listed(known)}" for word in words if word not in known), ""
    )


def _check(pattern: object) -> object:
    if isinstance(pattern, str) and (problem := pattern_problem(pattern, "{name}", ("{split}",))):
        raise ValueError(problem)
    return pattern


Pattern = Annotated[str, BeforeValidator(_check)]
"""Path of a file in its folder, without extension: text with {name}, and perhaps {split} and *."""


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = normalize("NFC", pattern).split("/")
    of_name = next(number for number, part in enumerate(parts) if "{name}" in part)
    is_split_first = any("{split}" in part for part in parts[:of_name])
    regexes = _regexes(parts, {"{name}": "[^/]+", "{split}": f"(?i:{_SPLITS})"})
    regexes[of_name if is_split_first else 0] = (
        f"(?P<folders>(?:.*/)?){regexes[of_name if is_split_first else 0]}"
    )
    return re.compile("/".join(regexes), re.DOTALL)


@lru_cache(maxsize=64)
def _compiled_words(pattern: str) -> re.Pattern[str]:
    placeholders = {"{name}": ".+", "{split}": _SPLITS}
    pieces = [piece for piece in _PIECES.split(pattern) if piece]
    words = [[piece] if piece in (*placeholders, "*") else spelling_key(piece) for piece in pieces]
    (regex,) = _regexes([" ".join(chain(*words))], placeholders)
    return re.compile(f"(?P<folders>(?:.* )?){regex}", re.DOTALL)


@lru_cache(maxsize=64)
def _compiled_group(pattern: str) -> re.Pattern[str]:
    (regex,) = _regexes([normalize("NFC", pattern)], {"{group}": "[^/]+?"})
    return re.compile(f"(?:.*/)?{regex}", re.DOTALL)


def _regexes(texts: Sequence[str], placeholders: Mapping[str, str]) -> list[str]:
    seen: set[str] = set()
    regexes = []
    for text in texts:
        regex = ""
        for piece in _PIECES.split(text):
            word = piece[1:-1]
            if piece not in placeholders:
                regex += "[^/]*?" if piece == "*" else re.escape(piece)
            else:
                regex += f"(?P={word})" if word in seen else f"(?P<{word}>{placeholders[piece]})"
                seen.add(word)
        regexes.append(regex)
    return regexes
