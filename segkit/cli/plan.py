"""Command `plan`."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from segkit.cli import options
from segkit.cli.app import app, example
from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.cli import console


@app.command(epilog=example("plan photographs --out photographs.yaml"))
def plan(
    target: options.DataArgument,
    out: Annotated[
        Path | None, Option(metavar="FILE", help="Write the recipe to a new file (default: standard output).")
    ] = None,
    hours: Annotated[
        float | None,
        Option(
            min=0.001, max=10_000, metavar="H", help="Hours for training; measures the speed of this machine."
        ),
    ] = None,
    overrides: options.SetOption = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    quiet: options.QuietOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Look at images and masks, and write a recipe with the reason of each choice."""
    from segkit.analysis import plan as planning
    from segkit.cli import console

    try:
        if out:
            _check_free(out)
        with console.RunView(quiet=quiet or as_json) as view:
            if options.is_recipe(target, overrides, plugins, no_plugins):
                changes = planning.loading_overrides(target, overrides or ())
                recipe = options.load(target, changes, plugins, no_plugins)
                planned = planning.plan_recipe(recipe, target, changes, view.progress)
            else:
                planned = planning.plan_folder(target, view.progress)
            if hours:
                for _ in range(2):  # again, as batches become smaller, and small ones are slower
                    speed = _pixels_per_second(planned.text, plugins, no_plugins, view)
                    planned = planned.in_time(3600 * hours * speed)
        if out:
            _write(out, planned.text)
    except SegkitError as error:
        if not as_json:
            raise
        console.print_json({"errors": options.problems_as_json(error.problems)})
        raise Exit(error.exit_code) from None
    if as_json:
        console.print_json({"errors": [], **planned.as_json()})
        return
    if not quiet:
        console.print_plan(planned, hours, out)
    if not out:
        console.print_line(planned.text.rstrip("\n"))


def _pixels_per_second(
    recipe: str, plugins: list[Path] | None, no_plugins: bool, view: console.RunView
) -> float:
    """Measured speed of training by this recipe."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(recipe, encoding="utf-8")
        # Weights may have to be downloaded, and the number of workers is found by many steps.
        changes = ["model.encoder.weights=none", "data.workers=0"]
        loaded = options.load(file, changes, plugins, no_plugins)
    view.note("Loading torch")
    from segkit.experiments.benchmark.throughput import training_speed

    height, width = loaded.data.size
    return training_speed(loaded, view.progress) * height * width


def _check_free(out: Path) -> None:
    if os.path.lexists(out):
        hint = "choose another name: --out FILE"
        raise SegkitError("this file already exists", where=str(out), hint=hint)
    if not out.parent.is_dir():
        raise SegkitError("there is no such folder", where=str(out.parent), hint="create it first")


def _write(out: Path, text: str) -> None:
    from segkit.utils.atomic import write_text
    from segkit.utils.os_errors import cannot_write

    try:
        write_text(out, text)
    except OSError as error:
        error.filename = None  # that of a temporary file
        raise cannot_write(error, out, "the same again, or --out with another file") from error
