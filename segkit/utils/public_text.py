"""Texts without the folders of this machine, for files that are made to be shared."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

# The folders of an absolute path inside a sentence; neither a URL nor the rest of a relative path begins one,
# nor that of a pattern such as {split}/*/[ab]/{name}.
_FOLDERS = re.compile(
    r"""(?<![\w/\\.~}\])*?])(?:file://)?(?:[A-Za-z]:[\\/]|\\\\|/)(?:[^\s\\/'"<>|:;,()\[\]]+[\\/])+(?=[^\s\\/])"""
)


def public_text(text: str) -> str:
    """A sentence whose absolute paths are reduced to their last names."""
    home = os.path.expanduser("~")
    if " " in home:  # where the pattern ends
        text = text.replace(home, "/home")
    return _FOLDERS.sub("", text)


def public_data(value: Any) -> Any:
    """Plain data whose absolute paths are reduced to their last names."""
    if isinstance(value, Mapping):
        return {key: public_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [public_data(item) for item in value]
    if not isinstance(value, str):
        return value
    return last_name(value) if _is_absolute(value) else public_text(value)


def public_names(names: Sequence[str]) -> list[str]:
    """Names of which those that are paths are reduced to their last parts, as few as keep them unique."""
    parts = {name: _parts(name) for name in names}
    depths = {name: 1 for name, folders in parts.items() if folders}
    while True:
        short = {name: "/".join(parts[name][-depths[name] :]) if name in depths else name for name in parts}
        count = Counter(short.values())
        longer = [name for name in depths if count[short[name]] > 1 and depths[name] < len(parts[name])]
        if not longer:
            return [short[name] for name in names]
        for name in longer:
            depths[name] += 1


def public_folder(path: Path) -> str:
    """``runs/unet/001`` as it is; of an absolute path the last two folders, ``unet/001``."""
    return "/".join(path.parts[-2:]) if path.is_absolute() else str(path)


def public_command(command: str) -> str:
    """A command line whose absolute paths are reduced to their last names."""
    words = (word.rpartition("=") for word in shlex.split(command))
    return shlex.join(public_text(f"{option}{equals}{last_name(value)}") for option, equals, value in words)


def last_name(text: str) -> str:
    """``/home/me/data/isic2016`` -> ``isic2016``; text that is not an absolute path is unchanged."""
    return _parts(text)[-1] if _is_absolute(text) and _parts(text) else text


def _is_absolute(text: str) -> bool:
    return "\n" not in text and any(kind(text).is_absolute() for kind in (PurePosixPath, PureWindowsPath))


def _parts(text: str) -> list[str]:
    """Parts of a path that leads elsewhere, without its root; empty for any other text."""
    if not _is_absolute(text) and not re.match(r"\.\.[\\/]", text):
        return []
    kind = PurePosixPath if PurePosixPath(text).is_absolute() or "\\" not in text else PureWindowsPath
    return [part for part in kind(text).parts if part != kind(text).anchor]
