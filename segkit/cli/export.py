"""What is done with a trained model that others are to run: export."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from segkit.cli.app import app, example
from segkit.cli.options import JsonOption, NoPluginsOption, PluginsOption, QuietOption, SetOption
from segkit.core.errors import SegkitError


class Format(StrEnum):
    """What an exported file is."""

    onnx = "onnx"
    pt2 = "pt2"


class Input(StrEnum):
    """What goes into an exported file."""

    pixels = "pixels"
    normalized = "normalized"


class Output(StrEnum):
    """What comes out of an exported file."""

    probabilities = "probabilities"
    logits = "logits"


@app.command(epilog=example("export runs/quickstart/001 --format onnx --out lesions.onnx"))
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    format: Annotated[
        Format | None, typer.Option(help="A file for ONNX Runtime and others, or torch's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file (default: named after the run, here).")
    ] = None,
    hub: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a folder for the Hugging Face hub instead.")
    ] = None,
    input: Annotated[
        Input, typer.Option(help="What goes in: uint8 pixels, or normalized float32.")
    ] = Input.pixels,
    output: Annotated[
        Output, typer.Option(help="What comes out: probabilities, or logits.")
    ] = Output.probabilities,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    overrides: SetOption = None,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Write a run's model for other programs, and compare it with the run's own on every scored image."""
    from segkit.cli import console
    from segkit.cli.options import load_default_plugins
    from segkit.runs.run_dir import RunDir
    from segkit.utils.os_errors import cannot_write

    kind: Any = _checked(format, out, hub, input, output)
    directory = RunDir.open(run)
    place = (
        hub or out or Path(f"{directory.path.resolve().parent.name}-{directory.path.resolve().name}.{kind}")
    )
    _refuse_overwriting([place] if hub else [place, place.with_suffix(".md")], overwrite)
    load_default_plugins(no_plugins)
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading torch and friends")
        from segkit.inference.export.export import export_run
        from segkit.inference.export.hub import export_to_hub

        write = (
            export_to_hub if hub else partial(export_run, format=kind, input=input.value, output=output.value)
        )
        try:
            outcome = write(
                directory, place, overrides=overrides or (), plugins=plugins or (), on_progress=view.progress
            )
        except OSError as error:
            raise cannot_write(error, place, "the same command") from error
    if json:
        console.print_json(outcome.as_json())
    elif not quiet:
        console.print_exported(outcome)


def _checked(format: Format | None, out: Path | None, hub: Path | None, input: Input, output: Output) -> str:
    """The format, of options that fit together."""
    if hub is None:
        if format is None:
            raise SegkitError("what is to be written?", hint="--format onnx, --format pt2, or --hub DIR")
        if out is not None and out.suffix.lower() != f".{format.value}":
            raise SegkitError(
                f"segkit tells what a file is by its ending, and this one is to be {format.value}",
                where=str(out),
                hint=f"--out {out.with_suffix(f'.{format.value}')}",
            )
        return format.value
    if format or out or input != Input.pixels or output != Output.probabilities:
        raise SegkitError(
            "--format, --out, --input and --output belong to a file, and --hub writes a folder",
            hint="either --hub DIR, or --format onnx",
        )
    if hub.exists() and not hub.is_dir():
        raise SegkitError("this is no folder", where=str(hub), hint="another name for --hub")
    return ""


def _refuse_overwriting(places: list[Path], overwrite: bool) -> None:
    for place in places:
        if not place.parent.is_dir():
            is_file = place.parent.exists()
            problem = "this is no folder" if is_file else "there is no such folder"
            hint = "another place" if is_file else f"mkdir {place.parent}"
            raise SegkitError(problem, where=str(place.parent), hint=hint)
        there = any(place.iterdir()) if place.is_dir() else place.exists()
        if there and not overwrite:
            hint = "--overwrite replaces what is there; or another name"
            raise SegkitError("this is there already", where=str(place), hint=hint)
