"""Import of plugin files and folders, and registration of their parts."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Container
from contextlib import redirect_stdout
from pathlib import Path

from segkit.core.errors import PartError, SegkitError, line_at_fault, worded
from segkit.core.plugins.plugin import Door, Plugin, is_test, plugin_path, source_digest
from segkit.core.plugins.trust import distrust, run_directory_of
from segkit.core.registry import REGISTRIES, Entry

_loaded: dict[Path, Plugin] = {}


def load_plugin(path: Path, door: Door = "recipe") -> None:
    """Import a plugin file, or a folder: its `__init__.py`, or else every plugin in it.

    Plugins that are already loaded are skipped. Plugin code is executed.

    Args:
        path: file or folder.
        door: what named it.

    Raises:
        PartError: if it does not exist, registers nothing, fails on import (names the line), is a copy of a
            loaded plugin, or lies in a run directory.
    """
    path = path.absolute().resolve()
    if path.is_dir() and not (path / "__init__.py").is_file():
        children = _plugins_in(path)
        if not children:
            raise PartError("the folder contains no plugins", where=str(path), hint="put a .py file there")
        for child in children:
            _load_file(child, door)
        return
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise PartError("plugin not found", where=str(path), hint="give a .py file or a folder of them")
    if file.suffix != ".py":
        raise PartError("not a Python file", where=str(file), hint="give a .py file or a folder of them")
    _load_file(file, door)
    if not _loaded[plugin_path(file)].parts:
        del _loaded[plugin_path(file)]
        raise PartError(
            "the plugin registers no part",
            where=str(file),
            hint='put a decorator before each of its parts: @DECODERS.register("its_name")',
        )


def load_plugins_here(recorded: Container[str] | None = None) -> str:
    """Import the plugins in `plugins/` of the working directory, or only those of recorded digests.

    Returns:
        Why none is imported, as a sentence, if `distrust` names a reason; empty otherwise.

    Raises:
        PartError: like `load_plugin`.
    """
    folder = Path("plugins").absolute()
    files = _plugins_in(folder.resolve()) if folder.is_dir() else []
    if recorded is not None:
        files = [file for file in files if _digest(file) in recorded]
    paths = [plugin_path(file).resolve() for file in files]
    if files and (reason := distrust(folder, paths)):
        way = "copy them elsewhere" if run_directory_of(paths[0]) else "--plugins plugins loads them"
        return f"the plugins in {folder} are not loaded: {reason}; if you trust them, {way}"
    for file in files:
        try:
            _load_file(file, "working directory")
        except PartError as error:
            first = error.problems[0]
            hint = f"{first.hint}; --no-plugins skips the plugins of the working directory"
            raise PartError(first.problem, where=first.file, hint=hint) from error
    return ""


def imported_plugins() -> list[Plugin]:
    """Plugins whose code was executed, also those that registered nothing."""
    return list(_loaded.values())


def loaded_plugins() -> list[Plugin]:
    """Loaded plugins that registered at least one part."""
    return [plugin for plugin in _loaded.values() if plugin.parts]


def register_from(plugin: Plugin, run: Callable[[], object]) -> None:
    """Import a plugin and record its parts; if it fails, its parts are unregistered.

    Args:
        plugin: plugin without its parts.
        run: function that imports the module.

    Raises:
        PartError: if the import fails (names the line), or the plugin is a copy of another one.
    """
    for loaded in _loaded.values():
        if loaded.parts and loaded.digest == plugin.digest and loaded.path != plugin.path:
            raise PartError(
                f"the plugin is already loaded: it is a copy of {loaded.path}",
                where=str(plugin.path),
                hint=f"keep one of the two; the loaded one comes from {_describe(loaded.door)}",
            )
    before = _registered()

    def new_parts() -> set[str]:
        return {part for part, entry in _registered().items() if before.get(part) is not entry}

    try:
        with redirect_stdout(sys.stderr):  # a plugin's prints must not get into --json
            run()
    except (Exception, SystemExit) as error:
        for part in new_parts():
            kind, name = part.split(" ", 1)
            REGISTRIES[kind].remove(name)
        if isinstance(error, SegkitError):
            raise
        raise _import_error(plugin, error) from error
    # A module that the user imported before has registered its parts already.
    earlier = {part for part, entry in before.items() if _file(entry).is_relative_to(plugin.path)}
    _loaded[plugin.path] = plugin.model_copy(update={"parts": tuple(sorted(new_parts() | earlier))})


def is_loaded(path: Path) -> bool:
    """Whether the plugin at a path is loaded."""
    return path in _loaded


def _plugins_in(folder: Path) -> list[Path]:
    children = [child for child in sorted(folder.iterdir()) if child.name[0] not in "_."]
    files = [child / "__init__.py" if child.is_dir() else child for child in children]
    return [file for file in files if file.suffix == ".py" and file.is_file() and not is_test(file)]


def _load_file(file: Path, door: Door) -> None:
    path = plugin_path(file)
    if is_loaded(path):
        return
    if folder := run_directory_of(file.resolve()):  # it may come from an untrusted source
        raise PartError(
            f"the plugin lies in the run directory {folder}; code in a run directory is never executed",
            where=str(file),
            hint="read it, and copy it elsewhere if you trust it",
        )
    try:
        plugin = Plugin(name=path.stem, door=door, path=path, digest=source_digest(path), package="")
    except OSError as error:
        raise PartError(f"the plugin cannot be read: {error.strerror}", where=str(file)) from None
    name = f"segkit_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    register_from(plugin, lambda: _import(file, name))


def _digest(file: Path) -> str | None:
    try:
        return source_digest(plugin_path(file))
    except OSError:
        return None


def _import(file: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _import_error(plugin: Plugin, error: BaseException) -> PartError:
    file = plugin.path / "__init__.py" if plugin.path.is_dir() else plugin.path
    hint = f"reproduce it with python {file}"
    message = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}".rstrip(": ")
    if isinstance(error, SystemExit):
        message = "it exits the program"
        hint = 'put code that runs as a program under: if __name__ == "__main__"'
    elif isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        hint = f"python -m pip install {missing} (the package may have another name)"
        if (file.parent / f"{missing}.py").exists() or (file.parent / missing).is_dir():
            hint = f"the module is in the plugin's folder: from .{error.name} import ..."
    problem = f"the plugin fails on import: {message}"
    return PartError(problem, where=line_at_fault(error, str(file)), hint=hint)


def _describe(door: Door) -> str:
    return {
        "recipe": "the recipe's plugins:",
        "--plugins": worded("--plugins", "the argument plugins"),
        "working directory": "the folder plugins/ of the working directory",
        "installed": "the installed package",
    }[door]


def _registered() -> dict[str, Entry]:
    return {
        f"{kind} {entry.name}": entry for kind, registry in REGISTRIES.items() for entry in registry.own()
    }


def _file(entry: Entry) -> Path:
    return Path(entry.where.rpartition(":")[0])
