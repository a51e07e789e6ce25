"""What is known of a plugin that was loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Door = Literal["recipe", "--plugins", "working directory", "installed"]


class Plugin(BaseModel):
    """A plugin that was loaded, as environment.json keeps it too.

    Args:
        name: of its file or folder, or of its entry point.
        door: how it came in.
        path: its file, or its folder.
        digest: SHA-256 over its Python files.
        parts: kind and name of what it registers, such as "loss dice".
        package: name and version of the installed package it belongs to, such as "segkit-wavelets 0.3".
    """

    model_config = ConfigDict(frozen=True)

    name: str
    door: Door = "recipe"
    path: Path
    digest: str
    parts: tuple[Annotated[str, Field(pattern=r"^\S+ \S+$")], ...] = ()
    package: str = ""

    @property
    def origin(self) -> str:
        """The installed package, or else the path."""
        return self.package or str(self.path)


def plugin_path(file: Path) -> Path:
    """What a plugin is known by: its file, or the folder whose `__init__.py` it is."""
    return file.parent if file.name == "__init__.py" else file


def source_digest(path: Path) -> str:
    """SHA-256 over names and bytes of a plugin's Python files; its tests change nothing."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        if not is_test(file):
            name = file.relative_to(path).as_posix() if path.is_dir() else ""
            total.update(f"{name}:{file.stat().st_size}:".encode() + file.read_bytes())
    return total.hexdigest()


def is_test(file: Path) -> bool:
    """Whether a file is there for pytest."""
    return file.name == "conftest.py" or file.name.startswith("test_")
