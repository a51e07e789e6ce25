"""Public Python functions: run a recipe, load a trained model, compare runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError, worded
from segkit.inference.predictor import Predictor
from segkit.runs.cv_dir import CvDir
from segkit.runs.run_dir import RunDir

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison
    from segkit.core.events import Event
    from segkit.experiments.study_events import StudyEvent
    from segkit.inference.network import Network
    from segkit.recipe import Recipe

Model = PathLike[str] | str
SCORE_NATIVELY = "segkit.inference.evaluation.native_scores:score_natively"  # for other processes


def load(
    model: Model | Sequence[Model], *, plugins: Sequence[Path | str] = (), accelerator: str = "auto"
) -> Predictor:
    """Load a trained model: ``segkit.load("runs/lesions/001").predict("photo.jpg").mask``.

    Args:
        model: run directory, .onnx file written by `segkit export`, or folder written by
            `segkit export --hub`. A list of these is an ensemble that averages probabilities, and so is the
            directory of a cross-validation.
        plugins: files or folders with the parts a run used; code named in a run is not executed.
        accelerator: auto (a GPU if there is one), cpu, cuda or mps. An .onnx file runs on the CPU.

    Raises:
        SegkitError: if it is none of these, is damaged, or needs a plugin that is not loaded.
    """
    models = [model] if isinstance(model, str | PathLike) else [*model]
    if not models:
        raise SegkitError("no model given", hint="pass a run directory or an .onnx file")
    parts = [part for path in models for part in _parts_of(Path(path))]
    networks = [_open(part, [Path(plugin) for plugin in plugins], accelerator) for part in parts]
    warnings = [warning for network in networks for warning in getattr(network, "warnings", ())]
    return Predictor(networks, warnings)


def run(
    recipe: Recipe | Path | str,
    *,
    overrides: Sequence[str] = (),
    runs: Path | str = "runs",
    plugins: Sequence[Path | str] = (),
    on_event: Callable[[Event], None] = lambda event: None,
) -> RunDir:
    """Train a recipe, score it and write a report, as `segkit run` does.

    Args:
        recipe: recipe file, name of a recipe that ships with segkit, or result of `load_recipe`.
        overrides: recipe changes, such as ``["training.epochs=2"]``; for files only.
        runs: folder of all runs.
        plugins: files or folders with parts; for files only.
        on_event: callback of every event.

    Returns:
        The run directory, for `load` and `compare`.

    Raises:
        SegkitError: if the recipe or the data are invalid, or training fails.
    """
    from segkit.core.events import RunEnded
    from segkit.experiments.run import run as run_events
    from segkit.recipe import load_recipe

    if isinstance(recipe, Path | str):
        recipe = load_recipe(Path(recipe), overrides, [Path(plugin) for plugin in plugins])
    elif overrides or plugins:
        raise SegkitError(
            "overrides and plugins need a recipe file, but this recipe is already loaded",
            hint="pass them to load_recipe(file, overrides, plugins)",
        )
    for event in run_events(recipe, Path(runs)):
        on_event(event)
    assert isinstance(event, RunEnded)
    return RunDir.open(event.directory)


def compare(
    targets: Sequence[Model] | Model,
    *,
    overrides: Sequence[str] = (),
    vary: Sequence[str] | str = (),
    seeds: Sequence[int] = (),
    metric: str = "",
    runs: Path | str = "runs",
    out: Path | str | None = None,
    jobs: int = 1,
    measure: bool | None = None,
    plugins: Sequence[Path] = (),
    force: bool = False,
    native: bool = False,
    watch: Callable[[StudyEvent], None] = lambda event: None,
) -> Comparison:
    """Compare recipes and runs statistically, with their costs: `segkit compare` from Python.

    Args:
        targets: run directories, folders of them, cross-validations and recipe files, in any order; or one of
            these.
        overrides: changes of all recipes, such as ``["training.epochs=2"]``.
        vary: variations of each recipe, such as ``["model.decoder=unet,fpn"]``.
        seeds: seeds of all recipes.
        metric: metric to rank by; by default the first metric of the first run.
        runs: folder of all runs; finished runs in it are reused.
        out: folder for the pages; by default none are written.
        jobs: number of runs trained at once.
        measure: True measures the costs of all models, again if need be; False of none; None if a recipe is
            among the targets and a model was not measured on this machine.
        plugins: files or folders with parts.
        force: whether to compare runs that were scored differently, with warnings.
        native: whether to compare scores at the images' own size: whatever the recipes' sizes.
        watch: callback of events.

    Raises:
        SegkitError: if targets are invalid, cannot be compared, or runs fail.
    """
    from segkit.analysis.comparison.write import write_comparison
    from segkit.core.plugins import load_plugin
    from segkit.experiments.study import study
    from segkit.experiments.study_events import Compared
    from segkit.experiments.study_plan import make_plan
    from segkit.utils.result_folder import make_folder

    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    plan = make_plan(
        [Path(target) for target in ([targets] if isinstance(targets, str | PathLike) else targets)],
        runs=Path(runs), overrides=overrides, vary=[vary] if isinstance(vary, str) else vary, seeds=seeds,
        plugins=plugins, metric=metric, force=force, native=native,
    )  # fmt: skip
    if out:
        make_folder(Path(out), "comparison")
    rescore = SCORE_NATIVELY if native else ""
    for event in study(plan, Path(runs), jobs=jobs, measure=measure, force=force, score_natively=rescore):
        watch(event)
    assert isinstance(event, Compared)
    if out:
        write_comparison(event.comparison, Path(out))
    return event.comparison


def _parts_of(model: Path) -> Sequence[Path | RunDir]:
    """The model itself, or the runs of a cross-validation."""
    return CvDir(model).runs if CvDir.is_at(model) else [model]


def _open(model: Path | RunDir, plugins: Sequence[Path], accelerator: str) -> Network:
    # Imports torch only for models that need it.
    path = Path(model)
    if path.suffix.lower() == ".onnx":
        from segkit.inference.onnx import open_onnx

        if accelerator not in ("auto", "cpu"):
            option = worded("--accelerator auto", "accelerator='auto'")
            raise SegkitError(
                f"an .onnx file runs on the CPU, not on {accelerator}",
                where=str(path),
                hint=f"use {option}, or load the run that it was exported from",
            )
        return open_onnx(path)
    if (path / "config.json").is_file():
        from segkit.inference.export.hub import open_hub

        return open_hub(path, plugins, accelerator=accelerator)
    directory = model if isinstance(model, RunDir) else RunDir.open(path, stopped=True)
    from segkit.inference.torch_network import open_network

    return open_network(directory, plugins, accelerator=accelerator)
