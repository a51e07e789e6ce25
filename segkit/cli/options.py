"""Arguments that several verbs share, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.core.errors import Problem, SegkitError

if TYPE_CHECKING:
    from segkit.recipe import Recipe

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe YAML file.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the recipe; repeatable."),
]
RunsOption = Annotated[Path, typer.Option(metavar="DIR", help="Where run directories go.")]
PluginsOption = Annotated[
    list[Path] | None,
    typer.Option("--plugins", metavar="DIR", help="Load parts from a folder or file; repeatable."),
]
NoPluginsOption = Annotated[
    bool,
    typer.Option("--no-plugins", help="Load named plugins only: not ./plugins, and no installed ones."),
]
TrackOption = Annotated[
    list[str] | None,
    typer.Option("--track", metavar="NAME", help="Have tensorboard, mlflow or wandb follow; repeatable."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
ScalesOption = Annotated[
    str, typer.Option(metavar="1,1.25", help="Ask at these multiples of the size, and take the mean.")
]
DemoOption = Annotated[
    bool, typer.Option("--demo", help="Run on synthetic lesions instead of the recipe's data.")
]


def load(
    recipe: Path,
    overrides: list[str] | None,
    plugins: list[Path] | None,
    no_plugins: bool,
    *,
    demo: bool = False,
    quiet: bool = False,
) -> Recipe:
    """Read a recipe with the plugins of all doors, and say which those are."""
    from segkit.cli.console import say_plugins
    from segkit.core.plugins import loaded_plugins
    from segkit.recipe import load_recipe

    load_default_plugins(no_plugins)
    loaded = load_recipe(recipe, overrides or (), plugins or (), demo=demo)
    if not quiet:
        say_plugins(loaded_plugins())
    return loaded


def load_parts(plugins: list[Path] | None, no_plugins: bool, *, quiet: bool = False) -> None:
    """Load every part there is, through all doors, and say where from and what could not be loaded."""
    from segkit.cli.console import say_plugins, warn
    from segkit.core.plugins import broken_plugins, load_installed, load_plugin, loaded_plugins

    load_default_plugins(no_plugins)
    for plugin in plugins or ():
        load_plugin(plugin, "--plugins")
    load_installed()
    if not quiet:
        say_plugins(loaded_plugins())
    for error in broken_plugins():
        warn(error)


def load_default_plugins(no_plugins: bool) -> None:
    """Load built-in parts and, unless told otherwise, the plugins of the working directory."""
    from segkit.core.plugins import load_builtins, load_plugins_here, skip_installed

    load_builtins()
    if no_plugins:
        skip_installed()
    else:
        load_plugins_here()


def numbers(scales: str) -> tuple[float, ...]:
    """What `--scales` names.

    Raises:
        SegkitError: if those are no numbers.
    """
    try:
        return tuple(float(scale) for scale in scales.split(","))
    except ValueError:
        hint = "--scales 0.75,1,1.25"
        raise SegkitError(f"--scales wants numbers, and found {scales!r}", hint=hint) from None


def problems_as_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Problems as plain data."""
    return [
        {
            "file": problem.file, "line": problem.line, "path": problem.path,
            "problem": problem.problem, "hint": problem.hint,
        }
        for problem in problems
    ]  # fmt: skip
