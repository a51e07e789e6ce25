"""Command `export`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from segkit.cli import options
from segkit.cli.app import app, example
from segkit.core.errors import SegkitError


@app.command(epilog=example("export runs/quickstart/001 --format onnx --out lesions.onnx"))
def export(
    runs: Annotated[
        list[Path], Argument(metavar="RUN...", help="Run or cross-validation; several form an ensemble.")
    ],
    format: Annotated[
        Literal["onnx", "pt2"] | None, Option(help="onnx for ONNX Runtime and others, pt2 for torch.")
    ] = None,
    out: Annotated[Path | None, Option(metavar="FILE", help="Output file (default: RECIPE-NUMBER).")] = None,
    hub: Annotated[Path | None, Option(metavar="DIR", help="Write a Hugging Face folder instead.")] = None,
    input: Annotated[
        Literal["pixels", "normalized"], Option(help="Model input: pixels of files, or normalized float32.")
    ] = "pixels",
    output: Annotated[
        Literal["probabilities", "logits"], Option(help="Model output: probabilities or logits.")
    ] = "probabilities",
    overwrite: options.OverwriteOption = False,
    overrides: options.SetOption = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Export the model of a run, or the mean of several, and verify its predictions."""
    from segkit.cli import console
    from segkit.core.paths import quoted
    from segkit.runs.cv_dir import CvDir, model_runs
    from segkit.utils.os_errors import cannot_write

    if hub and (format or out or input != "pixels" or output != "probabilities"):
        raise SegkitError(
            "--format, --out, --input and --output cannot be combined with --hub",
            hint="use either --hub DIR or --format onnx",
        )
    if hub and hub.exists() and not hub.is_dir():
        raise SegkitError("this is not a folder", where=str(hub), hint="choose another name for --hub")
    if not hub and not format:
        hint = "--format onnx, --format pt2, or --hub DIR"
        raise SegkitError("the output format is missing", hint=hint)
    if out and out.suffix.lower() != f".{format}":
        hint = f"--out {quoted(out.with_suffix(f'.{format}'))}"
        raise SegkitError(f"the file name must end in .{format}", where=str(out), hint=hint)
    directories = [each for run in runs for each in model_runs(run)]
    if hub and len(directories) > 1:
        hint = "--format onnx, which holds the mean of several models"
        raise SegkitError("a hub folder holds one model", where=str(runs[0]), hint=hint)
    path = runs[0].resolve()
    name = f"{path.parent.name}-{path.name}" if len(runs) == 1 else "ensemble"
    target = hub or out or Path(f"{name}.{format}")
    _refuse_overwriting([target] if hub else [target, target.with_suffix(".md")], overwrite)
    options.load_plugins(no_plugins, models=runs)
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading torch")
        from segkit.inference.export.export import export_run
        from segkit.inference.export.hub import export_to_hub

        view.note(f"Exporting to {target}")
        write = partial(export_to_hub, directories[0], target)
        if format:
            cv = CvDir(runs[0]) if len(runs) == 1 and CvDir.is_at(runs[0]) else None
            write = partial(
                export_run, directories, target, format, input=input, output=output, cross_validation=cv
            )
        try:
            outcome = write(overrides=overrides or (), plugins=plugins or (), on_progress=view.progress)
        except OSError as error:
            raise cannot_write(error, target, "the same command") from error
    if json:
        console.print_json(outcome.as_json())
    elif not quiet:
        console.print_exported(outcome)


def _refuse_overwriting(targets: list[Path], overwrite: bool) -> None:
    from segkit.core.paths import quoted

    for target in targets:
        folder = target.parent
        if folder.exists() and not folder.is_dir():
            raise SegkitError("this is not a folder", where=str(folder), hint="choose another folder")
        if not folder.exists():
            raise SegkitError("there is no such folder", where=str(folder), hint=f"mkdir {quoted(folder)}")
        exists = any(target.iterdir()) if target.is_dir() else target.exists()
        if exists and not overwrite:
            hint = "add --overwrite to replace it, or choose another name"
            raise SegkitError("this already exists", where=str(target), hint=hint)
