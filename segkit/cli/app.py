"""The command line as a whole: its verbs hang on `app`, and `main` runs one of them."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import Annotated, TextIO

import typer

from segkit.core.errors import Interrupted, SegkitError, line_at_fault
from segkit.training.distributed.rank import reports_elsewhere
from segkit.utils.os_errors import in_words

app = typer.Typer(
    name="segkit",
    help="Train, score and explain image segmentation models from recipes.",
    epilog="With --traceback, any verb shows where in the code an error was raised.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from segkit.cli.console import say
        from segkit.version import __version__

        say(f"segkit {__version__}")
        raise typer.Exit


@app.callback()
def _segkit(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version."),
    ] = False,
) -> None:
    """What can be said before a verb."""


def example(verb: str) -> str:
    """The last line of a verb's help."""
    return f"Example: segkit {verb}"


def main() -> None:
    """Run the command line; exit codes as documented: 0 done, 1 failed, 2 the user's, 130 interrupted."""
    # Importing torch and friends makes a million objects that stay: looking for garbage among them every 700
    # objects takes a second of the start.
    gc.set_threshold(100_000, 50, 50)
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()  # they were closed: `>&-`
    with_traceback = "--traceback" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--traceback"]
    try:
        app(arguments)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if with_traceback and not isinstance(error, Interrupted):
            import traceback

            traceback.print_exception(error)
        elif not reports_elsewhere():
            with contextlib.suppress(OSError):  # where not even that can be said, the exit code is left
                _tell(error)
        raise SystemExit(error.exit_code if isinstance(error, SegkitError) else 1) from None


def _nowhere() -> TextIO:
    return open(os.devnull, "w")


def _tell(error: Exception) -> None:
    from segkit.cli.console import error_panel

    error_panel(error if isinstance(error, SegkitError) else _unforeseen(error))


def _unforeseen(error: Exception) -> SegkitError:
    """What nobody has found words for yet; where it came through a plugin, that plugin's line is named."""
    from segkit.core.plugins import loaded_plugins

    if told := in_words(error):
        return told
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    hint = "the same command with --traceback shows where"
    for plugin in loaded_plugins():
        file = str(plugin.path / "__init__.py" if plugin.path.is_dir() else plugin.path)
        if (line := line_at_fault(error, file)) != file:
            hint = f"segkit test-plugin {plugin.path} tries its parts alone; {hint}"
            return SegkitError(f"the plugin {plugin.name} fails: {what}", where=line, hint=hint)
    if loaded_plugins():
        hint += "; segkit test-plugin tries the parts of a plugin alone"
    return SegkitError(f"segkit failed: {what}", hint=hint)
