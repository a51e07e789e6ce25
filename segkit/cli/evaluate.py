"""Finished runs, scored again: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.app import app, example
from segkit.cli.options import (
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    QuietOption,
    ScalesOption,
    SetOption,
    load_default_plugins,
    numbers,
)
from segkit.inference.evaluation.split_choice import SplitChoice


@app.command(epilog=example("evaluate runs/quickstart/001 --native --out scores"))
def evaluate(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A run directory; several are scored as one model.")
    ],
    native: Annotated[
        bool, typer.Option("--native", help="Score at each image's own size, not at the recipe's.")
    ] = False,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Ask about mirror images too, and take the mean; four times the work."),
    ] = False,
    scales: ScalesOption = "1",
    split: Annotated[
        SplitChoice | None, typer.Option(help="Which images (default: those that the run reports).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write scores and the worst images there, with a page to look at."),
    ] = None,
    overrides: SetOption = None,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Score the best weights of runs again: on their own images, or with --set data.source=... on others."""
    from segkit.cli import console
    from segkit.inference.evaluation.output_folder import check_out_folder
    from segkit.inference.options import PredictOptions
    from segkit.runs.run_dir import RunDir

    directories = [RunDir.open(run) for run in runs]
    ways = PredictOptions(tta, numbers(scales))
    if out:
        check_out_folder(out, directories)
    load_default_plugins(no_plugins)
    page = None
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading torch and friends")
        from segkit.inference.evaluation.evaluation import EvaluateOptions, evaluate_runs
        from segkit.inference.evaluation.write import write_evaluation

        asking = EvaluateOptions(native, ways, split)
        evaluation = evaluate_runs(directories, asking, overrides or (), plugins or (), view.progress)
        if out:
            page = write_evaluation(evaluation, out)
    if json:
        console.print_json(evaluation.as_json())
    elif not quiet:
        console.print_evaluation(evaluation, page)
