"""What is done with data sets: draw or fetch one, look for faults, and keep their decoded images."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.app import app, example
from segkit.cli.options import (
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    QuietOption,
    SetOption,
    load,
    problems_as_json,
)
from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.analysis.dataset import CheckResult

data_app = typer.Typer(
    help="Data sets: draw or fetch one; look for faults; the cache of their images.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")


@data_app.command(epilog=example("data fetch isic2016"))
def fetch(
    name: Annotated[str, typer.Argument(help="The data set: isic2016.")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to unpack into.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Download, verify and unpack a data set; goes on where it was interrupted."""
    from segkit.cli import console
    from segkit.core.paths import home
    from segkit.data.download.isic2016 import fetch_isic2016

    if name != "isic2016":
        raise SegkitError(f"no data set is called {name!r}", hint="segkit data fetch isic2016")
    folder = to or home() / "data" / "isic2016"
    with console.RunView(quiet=quiet) as view:
        fetch_isic2016(folder, on_progress=view.progress)
    if not quiet:
        console.say(f"ISIC 2016 is in {folder}")


@data_app.command(name="example", epilog=example("data example lesions"))
def write_example(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write into.")],
    quiet: QuietOption = False,
) -> None:
    """Draw photographs with outlines, and write a recipe for them: something to follow the guide with."""
    from segkit.cli import console
    from segkit.data import example as examples

    with console.RunView(quiet=quiet) as view:
        written = examples.write_example(folder, view.progress)
    if quiet:
        return
    what = ("photographs", "their outlines", "photographs without outlines", "how to learn from them")
    width = max(len(str(path)) for path in written)
    for path, meaning in zip(written, what, strict=True):
        console.say(f"{path!s:{width}}  {meaning}")
    console.say(f"\nType next: segkit data check {shlex.quote(str(folder))}")


@data_app.command(epilog=example("data check recipes/isic_frozen.yaml --sheet suspects.png"))
def check(
    target: Annotated[
        Path,
        typer.Argument(metavar="RECIPE|DIR", help="A recipe, a folder of images, or a CSV file of them."),
    ],
    overrides: SetOption = None,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the suspects, each with its mask's outline.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tell the faults of a data set: of files, pairs, masks, labels, and what is there twice."""
    from segkit.cli import console

    try:
        result = _check(target, overrides, plugins, no_plugins, sheet, quiet or as_json)
    except SegkitError as error:
        if not as_json:
            raise
        problems = problems_as_json(error.problems)
        console.print_json({"ok": False, "images": {}, "faults": [], "errors": problems})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        console.print_json({**result.as_json(), "errors": []})
    elif not quiet or not result.ok:
        console.print_data_check(result)
        if sheet:
            console.say(f"Suspects: {sheet}")
    if not result.ok:
        raise typer.Exit(2)


def _check(
    target: Path,
    overrides: list[str] | None,
    plugins: list[Path] | None,
    no_plugins: bool,
    sheet: Path | None,
    quiet: bool,
) -> CheckResult:
    from segkit.analysis import dataset as data_check
    from segkit.cli import console

    if not target.exists():
        hint = "segkit data check takes a recipe, a folder of images and masks, or a CSV file"
        raise SegkitError("there is no such file or folder", where=str(target), hint=hint)
    if target.is_dir() or target.suffix.lower() == ".csv":
        if overrides or plugins or no_plugins:
            raise SegkitError(
                "--set, --plugins and --no-plugins belong to a recipe, and this is none",
                where=str(target),
                hint="leave them out, or name a recipe",
            )
        dataset = data_check.dataset_of_folder(target)
    else:
        dataset = data_check.dataset_of_recipe(load(target, overrides, plugins, no_plugins, quiet=quiet))
    with console.RunView(quiet=quiet) as view:
        result = data_check.check_dataset(dataset, view.progress)
        if sheet:
            view.note("Drawing the suspects")
            data_check.write_contact_sheet(sheet, result)
    return result


@data_app.command(epilog=example("data cache --clear --unused-days 30"))
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove the decoded images.")] = False,
    unused_days: Annotated[
        float | None,
        typer.Option(metavar="N", min=0, help="With --clear: only what no run has used for N days."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the decoded images that are kept for later runs, or remove them."""
    from segkit.cli import console
    from segkit.core.paths import cache_folder
    from segkit.data.cache.maintenance import cached_images, clear_cache

    if unused_days is not None and not clear:
        raise SegkitError(
            "--unused-days says what to remove, and nothing is to be removed",
            hint=f"segkit data cache --clear --unused-days {unused_days:g}",
        )
    root = cache_folder()
    if root.exists() and not root.is_dir():
        raise SegkitError("the cache folder is a file", where=str(root), hint="$SEGKIT_CACHE names a folder")
    removed = clear_cache(root, unused_days or 0) if clear else []
    left = cached_images(root)
    if as_json:
        lists = {"caches": left, "removed": removed}
        console.print_json({"folder": root, **{key: [one.as_json() for one in lists[key]] for key in lists}})
    else:
        console.print_cache(root, left, removed if clear else None)
