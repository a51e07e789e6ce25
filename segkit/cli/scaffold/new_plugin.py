"""Creation of plugins from templates."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from segkit.cli.scaffold.names import check_name
from segkit.cli.scaffold.render import render
from segkit.core.errors import SegkitError
from segkit.core.plugins import find
from segkit.core.registry import registry_of

KINDS = ("encoder", "decoder", "loss", "metric")  # kinds with templates


def new_plugin(kind: str, name: str, into: Path) -> list[Path]:
    """Create a plugin that runs and passes its tests.

    Args:
        kind: kind of the part, singular or plural.
        name: name of the part and of the plugin's folder, in snake_case.
        into: parent folder; created if missing.

    Returns:
        The plugin's folder, then each of its files.

    Raises:
        SegkitError: if the kind is unknown or has no template, the name is invalid or taken, or the folder
            exists or cannot be written.
    """
    registry = registry_of(kind, "recipe")
    if registry.kind not in KINDS:
        raise SegkitError(
            f"segkit new has no template for {registry.plural}, only for {', '.join(KINDS)}",
            hint=f"docs/contracts.md describes the contract of {registry.plural}",
        )
    check_name(registry.kind, name)
    folder = into / name
    if os.path.lexists(folder):
        hint = "choose another name, or another folder: --into DIR"
        raise SegkitError("this already exists", where=str(folder), hint=hint)
    if entry := find(registry.kind, name):
        raise SegkitError(
            f"{registry.kind} {name!r} is already registered",
            where=entry.where,
            hint=f"choose another name; 'segkit list {registry.plural}' lists the names in use",
        )
    files = render(registry.kind, name, folder)
    try:
        _write(files, folder)
    except OSError as error:
        raise SegkitError(
            f"cannot write the plugin: {error.strerror or error}",
            where=str(folder),
            hint="choose a writable folder: --into DIR",
        ) from error
    return [folder, *(folder / file for file in files)]


def _write(files: dict[str, str], folder: Path) -> None:
    # All files or none: write them beside the folder, then rename.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".new_", dir=folder.parent) as temporary:
        draft = Path(temporary) / folder.name
        draft.mkdir()
        for file, text in files.items():
            (draft / file).write_text(text, encoding="utf-8", newline="\n")
        draft.rename(folder)
