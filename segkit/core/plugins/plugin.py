"""Record of a loaded plugin."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Door = Literal["recipe", "--plugins", "working directory", "installed"]


class Plugin(BaseModel):
    """A loaded plugin, as stored in environment.json.

    Args:
        name: name of its file, folder or entry point.
        door: what named it.
        path: its file or folder.
        digest: SHA-256 of its Python files.
        parts: kind and name of the parts it registers, such as "loss dice".
        package: name and version of its installed package, such as "segkit-wavelets 0.3".
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
    """The path that identifies a plugin: its file, or the folder of its `__init__.py`."""
    return file.parent if file.name == "__init__.py" else file


def source_digest(path: Path) -> str:
    """SHA-256 of names and bytes of a plugin's Python files, without its tests."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        if not is_test(file):
            name = file.relative_to(path).as_posix() if path.is_dir() else ""
            total.update(f"{name}:{file.stat().st_size}:".encode() + file.read_bytes())
    return total.hexdigest()


def is_test(file: Path) -> bool:
    """Whether pytest collects the file."""
    return file.name == "conftest.py" or file.name.startswith("test_")
