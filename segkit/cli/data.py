"""Commands `data fetch`, `data example`, `data check` and `data cache`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option, Typer

from segkit.cli import options
from segkit.cli.app import app, example
from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.analysis.dataset import Dataset
    from segkit.core.types import Progress

data_app = Typer(
    help="Download, draw, check and cache data sets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")


@data_app.command(epilog=example("data fetch isic2016"))
def fetch(
    name: Annotated[str, Argument(help="Name of the data set: isic2016.")],
    to: Annotated[
        Path | None,
        Option(metavar="DIR", help="Folder (default: data/isic2016 in the cache folder or $SEGKIT_HOME)."),
    ] = None,
    quiet: options.QuietOption = False,
) -> None:
    """Download a data set, or resume the download."""
    from segkit.cli import console
    from segkit.core.paths import home
    from segkit.data.download.isic2016 import fetch_isic2016

    if name != "isic2016":
        raise SegkitError(f"unknown data set {name!r}", hint="segkit data fetch isic2016")
    folder = to or home() / "data" / "isic2016"
    with console.RunView(quiet=quiet) as view:
        fetch_isic2016(folder, on_progress=view.progress)
    if not quiet:
        console.print_line(f"ISIC 2016 is in {folder}")


@data_app.command(name="example", epilog=example("data example lesions"))
def write_example(
    folder: Annotated[Path, Argument(metavar="DIR", help="Output folder.")],
    quiet: options.QuietOption = False,
) -> None:
    """Draw an example data set and write a recipe for it."""
    from segkit.cli import console
    from segkit.core.paths import quoted
    from segkit.data import example as example_data

    with console.RunView(quiet=quiet) as view:
        written = example_data.write_example(folder, view.progress)
    if quiet:
        return
    meanings = ("photographs", "their outlines", "photographs without outlines", "recipe for training")
    width = max(len(str(path)) for path in written)
    for path, meaning in zip(written, meanings, strict=True):
        console.print_line(f"{path!s:{width}}  {meaning}")
    console.print_line(f"\nType next: segkit data check {quoted(folder)}")


@data_app.command(epilog=example("data check isic_frozen --sheet suspects.png"))
def check(
    target: options.DataArgument,
    overrides: options.SetOption = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    sheet: Annotated[
        Path | None, Option(metavar="FILE.png", help="Write a contact sheet of the images with problems.")
    ] = None,
    quiet: options.QuietOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Find errors and duplicates in a data set."""
    from segkit.analysis import dataset
    from segkit.cli import console

    try:
        with console.RunView(quiet=quiet or as_json) as view:
            subject = _subject(target, overrides, plugins, no_plugins, view.progress)
            result = dataset.check_dataset(subject, view.progress)
            if sheet:
                view.note("Drawing the contact sheet")
                dataset.write_contact_sheet(sheet, result)
    except SegkitError as error:
        if not as_json:
            raise
        problems = options.problems_as_json(error.problems)
        console.print_json({"ok": False, "images": {}, "faults": [], "errors": problems})
        raise Exit(error.exit_code) from None
    if as_json:
        console.print_json({**result.as_json(), "errors": []})
    elif not quiet or not result.ok:
        console.print_data_check(result)
        if sheet:
            console.print_line(f"Contact sheet: {sheet}")
    if not result.ok:
        raise Exit(2)


def _subject(
    target: Path,
    overrides: list[str] | None,
    plugins: list[Path] | None,
    no_plugins: bool,
    on_progress: Progress,
) -> Dataset:
    from segkit.analysis import dataset

    if options.is_recipe(target, overrides, plugins, no_plugins):
        return dataset.dataset_of_recipe(options.load(target, overrides, plugins, no_plugins), on_progress)
    return dataset.dataset_of_folder(target)


@data_app.command(epilog=example("data cache --clear --unused-days 30"))
def cache(
    clear: Annotated[bool, Option("--clear", help="Delete the decoded images.")] = False,
    unused_days: Annotated[
        float | None, Option(metavar="N", min=0, help="With --clear: only images not used for N days.")
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show or clear the cache of decoded images."""
    from segkit.cli import console
    from segkit.core.paths import cache_folder
    from segkit.data.cache.maintenance import cached_images, clear_cache

    if unused_days is not None and not clear:
        hint = f"segkit data cache --clear --unused-days {unused_days:g}"
        raise SegkitError("--unused-days needs --clear", hint=hint)
    root = cache_folder()
    if root.exists() and not root.is_dir():
        raise SegkitError("the cache folder is a file", where=str(root), hint="set $SEGKIT_CACHE to a folder")
    removed = clear_cache(root, unused_days or 0) if clear else []
    left = cached_images(root)
    if as_json:
        lists = {"caches": left, "removed": removed}
        document = {key: [cached.as_json() for cached in caches] for key, caches in lists.items()}
        console.print_json({"folder": root, **document})
    else:
        console.print_cache(root, left, removed if clear else None)
