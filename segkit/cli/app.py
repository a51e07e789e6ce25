"""Typer application and entry point."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from segkit.core.errors import Interrupted, SegkitError, TrainingError, line_at_fault
from segkit.training.distributed.rank import is_worker, reports_elsewhere, wait_for_report
from segkit.utils.os_errors import in_words


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(
                "Value error, "
            )  # pydantic's, which typer leaves there
            raise


app = typer.Typer(
    name="segkit",
    cls=_Commands,
    help="Train, evaluate, compare and export image segmentation models from YAML recipes.",
    epilog="Add --traceback to any command to print the Python traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_announced: set[Path] = set()  # plugins, in this command


def _print_version(version: bool) -> None:
    if version:
        from segkit.cli.console import print_line
        from segkit.version import __version__

        print_line(f"segkit {__version__}")
        raise typer.Exit


@app.callback()
def _segkit(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version."),
    ] = False,
) -> None:
    """Options before the command."""


def example(command: str) -> str:
    """Last line of a command's help."""
    return f"Example: segkit {command}"


def announce_plugins() -> None:
    """Print to standard error which plugins were executed since the last call, and from where.

    Also with `--quiet` and `--json`, as plugins may be loaded without being named.
    """
    if "segkit.core.plugins" not in sys.modules or is_worker():
        return
    from segkit.core.plugins import imported_plugins

    if new := [plugin for plugin in imported_plugins() if plugin.path not in _announced]:
        from segkit.cli.console import print_plugins

        print_plugins(new)
        _announced.update(plugin.path for plugin in new)


def main() -> None:
    """Run the command line.

    Exit codes: 0 success, 1 failure, 2 error that the user can fix, 130 interrupted.
    """
    # Importing torch creates a million permanent objects: collecting garbage every 700 allocations (the
    # default) adds a second to the start-up time.
    gc.set_threshold(100_000, 50, 50)
    sys.stdout, sys.stderr = sys.stdout or _devnull(), sys.stderr or _devnull()  # None if closed: `>&-`
    with_traceback = "--traceback" in sys.argv
    _announced.clear()
    try:
        try:
            app([argument for argument in sys.argv[1:] if argument != "--traceback"])
        finally:
            with contextlib.suppress(OSError):  # stderr may be unwritable
                announce_plugins()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        told = error if isinstance(error, SegkitError) else _unexpected(error)
        if with_traceback and not isinstance(error, Interrupted):
            import traceback

            traceback.print_exception(error)
        elif reports_elsewhere():
            wait_for_report(error)
        else:
            with contextlib.suppress(OSError):  # stderr may be unwritable
                from segkit.cli.console import print_error

                print_error(told)
        raise SystemExit(told.exit_code) from None


def _devnull() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _unexpected(error: Exception) -> SegkitError:
    from segkit.core.paths import quoted
    from segkit.core.plugins import loaded_plugins

    if os_error := in_words(error):
        return os_error
    message = f"{type(error).__name__}: {error}".rstrip(": ")
    hint = "run the command again with --traceback to see where"
    for plugin in loaded_plugins():
        file = str(plugin.path / "__init__.py" if plugin.path.is_dir() else plugin.path)
        if (line := line_at_fault(error, file)) != file:
            hint = f"segkit test-plugin {quoted(plugin.path)} tests its parts; {hint}"
            return TrainingError(f"the plugin {plugin.name} failed: {message}", where=line, hint=hint)
    if loaded_plugins():
        hint += "; segkit test-plugin tests the parts of a plugin"
    return TrainingError(f"segkit failed: {message}", hint=hint)
