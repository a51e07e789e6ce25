"""Loading parts: segkit's own and the user's, all on the same road. Importing segkit registers nothing."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path

from segkit.errors import PartError, SegkitError

BUILTINS = (
    "segkit.encoders.timm_family",
    "segkit.decoders.transposed_conv",
    "segkit.decoders.smp_decoders",
    "segkit.losses",
    "segkit.metrics",
    "segkit.data.isic2016",
    "segkit.data.folder",
    "segkit.data.manifest",
    "segkit.data.synthetic_lesions",
    "segkit.data.augment",
    "segkit.optim.optimizers",
    "segkit.optim.schedules",
)
_loaded: dict[Path, str] = {}


def load_builtins() -> None:
    """Register the parts that come with segkit. Imports no torch."""
    for module in BUILTINS:
        importlib.import_module(module)


def load_plugin(path: Path) -> None:
    """Import a plugin file, or a folder: its `__init__.py`, or else every plugin in it.

    A plugin that is loaded already is left alone. Plugin code is code: it runs.

    Raises:
        PartError: if there is none, or it fails while it is imported; names the failing line.
    """
    path = path.absolute().resolve()
    if path in _loaded:
        return
    if path.is_dir() and not (path / "__init__.py").is_file():
        children = [child for child in sorted(path.iterdir()) if _is_plugin(child)]
        if not children:
            raise PartError("there is no plugin in this folder", where=str(path), hint="put a .py file there")
        for child in children:
            load_plugin(child)
        return
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise PartError("there is no such plugin", where=str(path), hint="a .py file or a folder of them")
    _import(file, f"segkit_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}")
    _loaded[path] = hashlib.sha256(file.read_bytes()).hexdigest()


def loaded_plugins() -> dict[str, str]:
    """The plugins loaded so far: path, and SHA-256 of the file that was imported."""
    return {str(path): digest for path, digest in _loaded.items()}


def _is_plugin(path: Path) -> bool:
    return (path.suffix == ".py" and not path.name.startswith("_")) or (path / "__init__.py").is_file()


def _import(file: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SegkitError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        where = f"{file}:{frames[-1].lineno}" if frames else str(file)
        problem = f"the plugin fails while it is imported: {type(error).__name__}: {error}"
        raise PartError(problem, where=where, hint=f"python {file} shows it too") from error
