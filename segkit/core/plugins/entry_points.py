"""Plugins of installed packages: entry points of the group `segkit.plugins`, each naming a module.

They are imported only when a part is not found elsewhere or all parts are listed: other recipes neither wait
for them nor fail because one of them is broken.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from segkit.core.errors import NameTakenError, PartError, SegkitError
from segkit.core.plugins.loading import is_loaded, register_from
from segkit.core.plugins.plugin import Plugin, plugin_path, source_digest
from segkit.core.registry import REGISTRIES, Entry

GROUP = "segkit.plugins"
_broken: list[PartError] | None = None  # None until they are loaded


def find(kind: str, name: str) -> Entry | None:
    """The part of that name, or None; imports installed plugins if it is not registered yet."""
    registry = REGISTRIES[kind]
    if (entry := registry.get(name)) is None:
        load_installed()
        entry = registry.get(name)
    return entry


def load_installed() -> None:
    """Import the plugins of all installed packages once; errors are kept in `broken_plugins`."""
    global _broken
    if _broken is None:
        _broken = []
        for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
            try:
                _load(point)
            except PartError as error:
                _broken.append(error)


def skip_installed() -> None:
    """Do not import installed plugins from now on."""
    global _broken
    _broken = _broken or []


def broken_plugins() -> list[PartError]:
    """Errors of the installed plugins that failed to import so far."""
    return list(_broken or ())


def installed_plugins_hidden_by(plugins: Iterable[Plugin]) -> list[str]:
    """Sentences about installed plugins that are not loaded, as one of `plugins` has a part of the same name.

    Installed plugins are imported to find out.
    """
    parts = {part for plugin in plugins if not plugin.package for part in plugin.parts}
    if not parts:
        return []
    load_installed()
    taken = [error.problems[0].problem for error in broken_plugins() if _taken_part(error) in parts]
    return [f"{problem[0].upper()}{problem[1:]}." for problem in taken]


def _taken_part(error: PartError) -> str:
    return error.__cause__.part if isinstance(error.__cause__, NameTakenError) else ""


def _load(point: EntryPoint) -> None:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else point.name
    label = f"the installed plugin {point.name!r} ({package}) is not loaded"
    try:
        spec = importlib.util.find_spec(point.module)
    except Exception as error:  # importing its parent package fails
        raise PartError(f"{label}: {type(error).__name__}: {error}", hint=_reinstall(point)) from error
    if spec is None or spec.origin is None:
        raise PartError(f"{label}: module {point.module} not found", hint=_reinstall(point))
    path = plugin_path(Path(spec.origin).resolve())
    if is_loaded(path):
        return
    plugin = Plugin(name=point.name, door="installed", path=path, digest=source_digest(path), package=package)
    try:
        register_from(plugin, lambda: importlib.import_module(point.module))
    except SegkitError as error:
        first = error.problems[0]
        raise PartError(f"{label}: {first.problem}", where=first.where, hint=first.hint) from error


def _reinstall(point: EntryPoint) -> str:
    name = point.dist.name if point.dist else ""
    return f"python -m pip install --force-reinstall {name}" if name else "reinstall the package"
