"""segkit from Python: run a recipe, load what came out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.inference.predictor import Predictor
from segkit.runs.run_dir import RunDir

if TYPE_CHECKING:
    from segkit.core.events import Event
    from segkit.inference.network import Network
    from segkit.recipe import Recipe

Model = PathLike[str] | str


def load(
    model: Model | Sequence[Model], *, plugins: Sequence[Path | str] = (), accelerator: str = "auto"
) -> Predictor:
    """A trained model, ready to predict: ``segkit.load("runs/lesions/001").predict("photo.jpg").mask``.

    Args:
        model: a run directory, an .onnx file that `segkit export` wrote, or a folder that
            `segkit export --hub` wrote; or several of these, of whose probabilities the mean is taken.
        plugins: files or folders with parts that a run used. Nothing that a run names is loaded by itself.
        accelerator: auto takes a GPU where there is one; cpu, cuda or mps. An .onnx file runs on the CPU.

    Raises:
        SegkitError: if it is none of these, is damaged, or needs a plugin that is not loaded.
    """
    models = [model] if isinstance(model, str | PathLike) else [*model]
    if not models:
        raise SegkitError("there is no model to load", hint="a run directory, or an .onnx file")
    networks = [_network(one, [Path(plugin) for plugin in plugins], accelerator) for one in models]
    warnings = [sentence for network in networks for sentence in getattr(network, "warnings", ())]
    return Predictor(networks, warnings)


def run(
    recipe: Recipe | Path | str,
    *,
    overrides: Sequence[str] = (),
    runs: Path | str = "runs",
    plugins: Sequence[Path | str] = (),
    on_event: Callable[[Event], None] = lambda event: None,
) -> RunDir:
    """Train what a recipe describes, score it, and write a report: `segkit run` from Python.

    Args:
        recipe: a file, or what `load_recipe` made of one.
        overrides: changes of it, as in ``["training.epochs=2"]``; of a file only.
        runs: the folder of all runs.
        plugins: files or folders with parts.
        on_event: told what happens, while it happens.

    Returns:
        The run's directory, for `load` and `compare`.

    Raises:
        SegkitError: if recipe, data or training are at fault.
    """
    from segkit.core.events import RunEnded
    from segkit.core.plugins import load_builtins
    from segkit.experiments.run import run as events_of
    from segkit.recipe import load_recipe

    load_builtins()
    if isinstance(recipe, Path | str):
        recipe = load_recipe(Path(recipe), overrides, [Path(plugin) for plugin in plugins])
    elif overrides or plugins:
        raise SegkitError(
            "overrides and plugins belong to a recipe's file, and this recipe has been loaded",
            hint="load_recipe(file, overrides, plugins)",
        )
    for event in events_of(recipe, Path(runs)):
        on_event(event)
    assert isinstance(event, RunEnded)
    return RunDir.open(event.directory)


def _network(model: Model, plugins: Sequence[Path], accelerator: str) -> Network:
    """One model, by what it is; torch is imported only where it is needed."""
    path = Path(model)
    if path.suffix.lower() == ".onnx":
        from segkit.inference.onnx import open_onnx

        if accelerator not in ("auto", "cpu"):
            hint = "--accelerator auto, or the run that it was exported from"
            raise SegkitError(
                f"an .onnx file runs on the CPU, not on {accelerator}", where=str(path), hint=hint
            )
        return open_onnx(path)
    from segkit.core.plugins import load_builtins

    load_builtins()
    if (path / "config.json").is_file():
        from segkit.inference.export.hub import open_hub

        return open_hub(path, plugins, accelerator=accelerator)
    directory = RunDir.open(path)
    from segkit.inference.torch_network import open_network

    return open_network(directory, plugins, accelerator=accelerator)
