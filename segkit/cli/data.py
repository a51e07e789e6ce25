"""What is done with data sets: fetch them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.app import app, example
from segkit.cli.options import QuietOption
from segkit.errors import SegkitError

data_app = typer.Typer(help="Data sets: fetch them.", no_args_is_help=True, rich_markup_mode=None)
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
