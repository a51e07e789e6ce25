"""What is done with data sets: fetch them, and keep their decoded images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.app import app, example
from segkit.cli.options import JsonOption, QuietOption
from segkit.errors import SegkitError

data_app = typer.Typer(
    help="Data sets: fetch them; the cache of their images.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(data_app, name="data")


@data_app.command(epilog=example("data fetch isic2016"))
def fetch(
    name: Annotated[str, typer.Argument(help="The data set: isic2016.")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to unpack into.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Download, verify and unpack a data set; goes on where it was interrupted."""
    from segkit import console
    from segkit.data.fetch import fetch_isic2016
    from segkit.home import home

    if name != "isic2016":
        raise SegkitError(f"no data set is called {name!r}", hint="segkit data fetch isic2016")
    folder = to or home() / "data" / "isic2016"
    with console.RunView(quiet=quiet) as view:
        fetch_isic2016(folder, progress=view.progress)
    if not quiet:
        console.say(f"ISIC 2016 is in {folder}")


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
    from segkit import console
    from segkit.data.cache_upkeep import cached_images, clear_cache
    from segkit.home import cache_folder

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
