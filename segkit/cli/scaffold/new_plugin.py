"""`new_plugin`: the files of a plugin, all of them or none."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from segkit.cli.scaffold.names import check_name
from segkit.cli.scaffold.render import render
from segkit.core.errors import SegkitError
from segkit.core.plugins import find, load_builtins
from segkit.core.registry import Registry, registry_of

KINDS = ("encoder", "decoder", "loss", "metric")  # those that have templates


def new_plugin(kind: str, name: str, into: Path) -> list[Path]:
    """Write a plugin that runs, passes its tests, and is there to be edited.

    Args:
        kind: of the part, singular or plural.
        name: of the part, in snake_case; also of the plugin's folder.
        into: the folder to put the plugin's folder in; made if it is not there.

    Returns:
        The plugin's folder, then each of its files.

    Raises:
        SegkitError: if there is no such kind or no template for it, the name is taken or is no good for a
            part, the folder is there already, or cannot be written.
    """
    registry = registry_of(kind)
    if registry.kind not in KINDS:
        raise SegkitError(
            f"segkit new has no template for {registry.plural}, only for {', '.join(KINDS)}",
            hint=f"docs/contracts.md, which says what is expected of {registry.plural}",
        )
    check_name(registry.kind, name)
    folder = into / name
    if os.path.lexists(folder):
        raise SegkitError(
            "there is something of that name already; nothing is ever overwritten",
            where=str(folder),
            hint="another name, or another folder: --into DIR",
        )
    _check_free(registry, name)
    files = render(registry.kind, name, folder)
    try:
        _write(files, folder)
    except OSError as error:
        raise SegkitError(
            f"the plugin cannot be written: {error.strerror or error}",
            where=str(folder),
            hint="a folder that you may write to: --into DIR",
        ) from error
    return [folder, *(folder / file for file in files)]


def _check_free(registry: Registry, name: str) -> None:
    load_builtins()
    if taken := find(registry.kind, name):
        raise SegkitError(
            f"{registry.kind} {name!r} is there already, so that a second one could not be loaded",
            where=taken.where,
            hint=f"another name; 'segkit list {registry.plural}' shows those that are taken",
        )


def _write(files: dict[str, str], folder: Path) -> None:
    """Put the files into a folder that appears whole.

    Raises:
        OSError: if that is not possible; then there is none.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".new_", dir=folder.parent) as beside:
        draft = Path(beside) / folder.name
        draft.mkdir()
        for file, text in files.items():
            (draft / file).write_text(text, encoding="utf-8", newline="\n")
        draft.rename(folder)
