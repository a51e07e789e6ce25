"""The one road on which parts come in: a module is imported, and what it registers is noted or taken back."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from pkgutil import iter_modules

from segkit.core.errors import PartError, SegkitError, line_at_fault
from segkit.core.plugins.plugin import Door, Plugin, is_test, plugin_path, source_digest
from segkit.core.registry import REGISTRIES, Entry

BUILTINS = "segkit.parts"  # by name: core imports nothing of it
_loaded: dict[Path, Plugin] = {}


def load_builtins() -> None:
    """Register the parts that come with segkit: those in the folders of `segkit.parts`. Imports no torch."""
    for kind in _public_modules(BUILTINS):
        for module in _public_modules(kind):
            importlib.import_module(module)


def load_plugin(path: Path, door: Door = "recipe") -> None:
    """Import a plugin file, or a folder: its `__init__.py`, or else every plugin in it.

    A plugin that is loaded already is left alone. Plugin code is code: it runs.

    Args:
        path: the file or folder.
        door: who named it.

    Raises:
        PartError: if there is none, it registers nothing, it fails while it is imported (names the failing
            line), it is a copy of a plugin that is loaded already, or lies in a run directory.
    """
    path = path.absolute().resolve()
    if path.is_dir() and not (path / "__init__.py").is_file():
        children = _plugins_in(path)
        if not children:
            raise PartError("there is no plugin in this folder", where=str(path), hint="put a .py file there")
        for child in children:
            _load_file(child, door)
        return
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise PartError("there is no such plugin", where=str(path), hint="a .py file or a folder of them")
    if file.suffix != ".py":
        raise PartError("this is no Python file", where=str(file), hint="a .py file or a folder of them")
    _load_file(file, door)
    if not _loaded[plugin_path(file)].parts:
        del _loaded[plugin_path(file)]
        raise PartError(
            "the plugin registers no part",
            where=str(file),
            hint='put a decorator before each of its parts: @DECODERS.register("its_name")',
        )


def load_plugins_here() -> None:
    """Import every plugin of the folder `plugins/` in the working directory, where there is one.

    Raises:
        PartError: as `load_plugin` does.
    """
    folder = Path("plugins")
    for file in _plugins_in(folder.resolve()) if folder.is_dir() else []:
        try:
            _load_file(file, "working directory")
        except PartError as error:
            first = error.problems[0]
            hint = f"{first.hint}; --no-plugins leaves the plugins of the working directory out"
            raise PartError(first.problem, where=first.file, hint=hint) from error


def loaded_plugins() -> list[Plugin]:
    """The plugins loaded so far that registered something."""
    return [plugin for plugin in _loaded.values() if plugin.parts]


def silent_plugins() -> list[Path]:
    """Files and folders that were loaded from a folder of plugins, and registered nothing."""
    return [plugin.path for plugin in _loaded.values() if not plugin.parts]


def register_from(plugin: Plugin, run: Callable[[], object]) -> None:
    """Run what registers a plugin's parts, and note them; if it fails, all of them are taken back.

    Args:
        plugin: as far as it is known.
        run: imports the module.

    Raises:
        PartError: if it fails, with the failing line; if it is a copy of another plugin.
    """
    for other in _loaded.values():
        if other.parts and other.digest == plugin.digest and other.path != plugin.path:
            raise PartError(
                f"the plugin is loaded already: it is a copy of {other.path}",
                where=str(plugin.path),
                hint=f"keep one of the two; the other came in by {_in_words(other.door)}",
            )
    before = _registered()

    def new() -> set[str]:
        return {part for part, entry in _registered().items() if before.get(part) is not entry}

    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints must not get into --json
            run()
    except (Exception, SystemExit) as error:
        for part in new():
            kind, name = part.split(" ", 1)
            REGISTRIES[kind].remove(name)
        if isinstance(error, SegkitError):
            raise
        raise _import_error(plugin, error) from error
    # A module that was imported by hand before has registered its parts already.
    older = {part for part, entry in before.items() if _file(entry).is_relative_to(plugin.path)}
    _loaded[plugin.path] = plugin.model_copy(update={"parts": tuple(sorted(new() | older))})


def is_loaded(path: Path) -> bool:
    """Whether a plugin's file or folder was loaded, through whichever door."""
    return path in _loaded


def _public_modules(package: str) -> list[str]:
    """The full names of a package's modules and packages; what begins with `_` is none."""
    places = importlib.import_module(package).__path__
    return [f"{package}.{name}" for _, name, _ in iter_modules(places) if not name.startswith("_")]


def _plugins_in(folder: Path) -> list[Path]:
    """The file to import for each plugin in a folder; what begins with `_` or `.`, or is a test, is none."""
    children = [child for child in sorted(folder.iterdir()) if child.name[0] not in "_."]
    files = [child / "__init__.py" if child.is_dir() else child for child in children]
    return [file for file in files if file.suffix == ".py" and file.is_file() and not is_test(file)]


def _load_file(file: Path, door: Door) -> None:
    path = plugin_path(file)
    if is_loaded(path):
        return
    _refuse_stored_code(file)
    try:
        plugin = Plugin(name=path.stem, door=door, path=path, digest=source_digest(path))
    except OSError as error:
        raise PartError(f"the plugin cannot be read: {error.strerror}", where=str(file)) from None
    name = f"segkit_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    register_from(plugin, lambda: _import(file, name))


def _refuse_stored_code(file: Path) -> None:
    """A run directory may come from anywhere: no code in it is ever run."""
    for folder in file.parents:
        if (folder / "environment.json").is_file() and (folder / "metrics.jsonl").is_file():
            raise PartError(
                f"the plugin lies in the run directory {folder}, and code in a run directory is never run",
                where=str(file),
                hint="read it, and copy it elsewhere if you trust it",
            )


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
    hint = f"python {file} shows it too"
    if isinstance(error, SystemExit):
        what = "it ends the program"
        hint = 'put what it does as a program under: if __name__ == "__main__"'
    else:
        what = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}".rstrip(": ")
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        hint = f"python -m pip install {missing}, or what it is called there"
        if (file.parent / f"{missing}.py").exists() or (file.parent / missing).is_dir():
            hint = f"it lies beside the plugin: from .{error.name} import ..."
    problem = f"the plugin fails while it is imported: {what}"
    return PartError(problem, where=line_at_fault(error, str(file)), hint=hint)


def _in_words(door: Door) -> str:
    return {
        "recipe": "the recipe's plugins:",
        "--plugins": "--plugins",
        "working directory": "the folder plugins/ of the working directory",
        "installed": "the installed package",
    }[door]


def _registered() -> dict[str, Entry]:
    return {
        f"{kind} {entry.name}": entry for kind, registry in REGISTRIES.items() for entry in registry.own()
    }


def _file(entry: Entry) -> Path:
    return Path(entry.where.rpartition(":")[0])
