"""Command `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from segkit.cli import options
from segkit.cli.app import app, example
from segkit.core.errors import SegkitError
from segkit.inference.evaluation.split_choice import SplitChoice


@app.command(epilog=example("evaluate runs/quickstart/001 --native --out scores"))
def evaluate(
    runs: Annotated[
        list[Path], Argument(metavar="RUN...", help="Run or cross-validation; several form an ensemble.")
    ],
    native: Annotated[
        bool, Option("--native", help="Score at each image's own size instead of the recipe's size.")
    ] = False,
    tta: options.TtaOption = False,
    scales: options.ScalesOption = "1",
    no_postprocess: options.NoPostprocessOption = False,
    split: Annotated[
        SplitChoice | None,
        Option(
            help="Split to score (default: that of the run); out-of-fold scores every image of a "
            "cross-validation by the model that has not seen it."
        ),
    ] = None,
    out: Annotated[
        Path | None, Option(metavar="DIR", help="Folder for scores, the worst images and an HTML page.")
    ] = None,
    overrides: options.SetOption = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Score finished runs again, on the same or other images.

    --set data.source=... selects other images.
    """
    from segkit.cli import console
    from segkit.inference.evaluation.output_folder import check_out_folder
    from segkit.inference.options import PredictOptions
    from segkit.runs.cv_dir import CvDir, model_runs

    directories = [each for run in runs for each in model_runs(run, stopped=True)]
    cross_validated = next((run for run in runs if CvDir.is_at(run)), None)
    out_of_fold = split == SplitChoice.out_of_fold
    if out_of_fold and (not cross_validated or len(runs) > 1):
        these = "this is a run" if len(runs) == 1 else f"these are {len(runs)} folders"
        raise SegkitError(
            f"--split {split} scores one cross-validation, and {these}",
            where=", ".join(map(str, runs)),
            hint="its folder, as segkit cv RECIPE --folds 5 makes it",
        )
    predict_options = PredictOptions(tta, options.parse_scales(scales), postprocess=not no_postprocess)
    if out:
        check_out_folder(out, directories)
    options.load_plugins(no_plugins, models=runs)
    page = None
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading torch")
        from segkit.inference.evaluation.evaluate_runs import evaluate_runs
        from segkit.inference.evaluation.evaluation import EvaluateOptions
        from segkit.inference.evaluation.out_of_fold import evaluate_out_of_fold
        from segkit.inference.evaluation.write import write_evaluation

        asking = EvaluateOptions(native, predict_options, split)
        changes = overrides or (), plugins or ()
        if out_of_fold and cross_validated:
            evaluation = evaluate_out_of_fold(CvDir(cross_validated), asking, *changes, view.progress)
        else:
            evaluation = evaluate_runs(directories, asking, *changes, view.progress, cross_validated)
        if out:
            page = write_evaluation(evaluation, out)
    if json:
        console.print_json(evaluation.as_json())
    elif not quiet:
        console.print_evaluation(evaluation, page)
