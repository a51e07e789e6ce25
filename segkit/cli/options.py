"""Arguments and options shared by several commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from segkit.cli import completion
from segkit.cli.app import announce_plugins
from segkit.core.errors import Problem, SegkitError

if TYPE_CHECKING:
    from segkit.recipe import Recipe

RecipeArgument = Annotated[
    Path,
    Argument(
        metavar="RECIPE",
        help="YAML file, or name of a shipped recipe.",
        autocompletion=completion.recipes,
    ),
]
DataArgument = Annotated[Path, Argument(metavar="RECIPE|DIR", help="Recipe, folder of images, or CSV file.")]
RunArgument = Annotated[Path, Argument(metavar="RUN", help="Run directory.")]
SetOption = Annotated[
    list[str] | None,
    Option("--set", metavar="PATH=VALUE", help="Override a value of the recipe; repeatable."),
]
RunsOption = Annotated[Path, Option(metavar="DIR", help="Folder of run directories.")]
PluginsOption = Annotated[
    list[Path] | None,
    Option("--plugins", metavar="DIR", help="Load parts from this folder or file; repeatable."),
]
NoPluginsOption = Annotated[
    bool,
    Option("--no-plugins", help="Load named plugins only, not ./plugins or installed plugins."),
]
SeedsOption = Annotated[str, Option(metavar="0,1,2", help="Train each recipe once per seed.")]
JobsOption = Annotated[int, Option(min=1, metavar="N", help="Number of runs to train in parallel.")]
GroupOption = Annotated[
    str,
    Option(
        metavar="COLUMN",
        help="Keep images together: column, pattern such as '{group}_*', or file, as data.split.group.",
    ),
]
TrackOption = Annotated[
    list[str] | None,
    Option("--track", metavar="NAME", help="Log to tensorboard, mlflow or wandb; repeatable."),
]
QuietOption = Annotated[bool, Option("--quiet", "-q", help="Print errors only.")]
JsonOption = Annotated[bool, Option("--json", help="Print one JSON document and nothing else.")]
OverwriteOption = Annotated[bool, Option("--overwrite", help="Replace existing files.")]
TtaOption = Annotated[
    bool,
    Option("--tta", help="Test-time augmentation: average over mirrored images (4 times slower)."),
]
ScalesOption = Annotated[
    str, Option(metavar="1,1.25", help="Average predictions over these multiples of the image size.")
]
NoPostprocessOption = Annotated[
    bool, Option("--no-postprocess", help="Leave out the post-processing of masks that the model has.")
]
PaperOption = Annotated[
    Path | None,
    Option("--paper", metavar="DIR", help="Also write tables, figures and methods for a paper here."),
]
DemoOption = Annotated[bool, Option("--demo", help="Use synthetic lesions instead of the recipe's data.")]


def load(
    recipe: Path,
    overrides: list[str] | None,
    plugins: list[Path] | None,
    no_plugins: bool,
    *,
    demo: bool = False,
) -> Recipe:
    """Load a recipe and its plugins; print which plugins were loaded."""
    from segkit.recipe import load_recipe

    load_plugins(no_plugins)
    loaded = load_recipe(recipe, overrides or (), plugins or (), demo=demo)
    announce_plugins()
    return loaded


def is_recipe(
    target: Path, overrides: list[str] | None, plugins: list[Path] | None, no_plugins: bool
) -> bool:
    """Whether a recipe is given, and not a folder of images or a CSV file.

    Raises:
        SegkitError: if there is no such file, if it is a run, or the options are those of a recipe and it is
            none.
    """
    from segkit.recipe.shipped import hint_for, recipe_file

    if not recipe_file(target).exists():
        hint = hint_for(target, expected="give a recipe, a folder of images and masks, or a CSV file")
        raise SegkitError("there is no such file or folder", where=str(target), hint=hint)
    if not target.is_dir() and target.suffix.lower() != ".csv":
        return True
    if all((target / name).is_file() for name in ("recipe.yaml", "environment.json")):
        raise SegkitError(
            "this is a run, not a data set", where=str(target), hint=f"its recipe: {target / 'recipe.yaml'}"
        )
    if overrides or plugins or no_plugins:
        problem = "--set, --plugins and --no-plugins can only be used with a recipe"
        raise SegkitError(problem, where=str(target), hint="remove these options, or give a recipe")
    return False


def load_parts(plugins: list[Path] | None, no_plugins: bool) -> None:
    """Load all parts, including installed ones; print which plugins were loaded and which failed."""
    from segkit.cli.console import print_problems
    from segkit.core.plugins import broken_plugins, load_installed

    load_plugins(no_plugins, plugins)
    load_installed()
    announce_plugins()
    for error in broken_plugins():
        print_problems(error)


def load_plugins(
    no_plugins: bool, plugins: list[Path] | None = None, *, models: Sequence[Path] | None = None
) -> None:
    """Load ./plugins unless `no_plugins`, and `plugins`.

    Args:
        no_plugins: whether to load named plugins only.
        plugins: named files and folders.
        models: runs, folders of runs, or exports. Of ./plugins only the plugins that these record are loaded.
    """
    from segkit.cli.console import RunView
    from segkit.core.plugins import load_plugin, load_plugins_here, skip_installed
    from segkit.training.distributed.rank import is_worker

    if no_plugins:
        skip_installed()
    else:
        only = None
        if models is not None:
            from segkit.runs.recorded_plugins import recorded_plugins  # imports numpy

            only = recorded_plugins(models)
        refusal = load_plugins_here(only)
        if refusal and not is_worker():
            RunView().print_warnings([refusal])
    for plugin in plugins or ():
        load_plugin(plugin, "--plugins")


def parse_seeds(text: str) -> list[int]:
    """Parse the value of `--seeds`.

    Raises:
        SegkitError: if it is not a list of different whole numbers.
    """
    words = [word.strip() for word in text.split(",")] if text else []
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        problem = f"{text!r} is not a list of different whole numbers"
        raise SegkitError(problem, where="--seeds", hint="--seeds 0,1,2")
    return [int(word) for word in words]


def parse_scales(text: str) -> tuple[float, ...]:
    """Parse the value of `--scales`.

    Raises:
        SegkitError: if it is not a list of numbers.
    """
    try:
        return tuple(float(scale) for scale in text.split(","))
    except ValueError:
        raise SegkitError(
            f"{text!r} is not a list of numbers", where="--scales", hint="--scales 0.75,1,1.25"
        ) from None


def problems_as_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Problems as JSON data."""
    keys = ("file", "line", "path", "problem", "hint")
    return [{key: getattr(problem, key) for key in keys} for problem in problems]
