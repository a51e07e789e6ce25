"""Command `cv`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from typer import Option

from segkit.cli import options
from segkit.cli.app import announce_plugins, app, example


@app.command(epilog=example("cv isic_finetune --folds 5 --seeds 0,1"))
def cv(
    recipe: options.RecipeArgument,
    folds: Annotated[int, Option(min=2, metavar="N", help="Number of folds.")],
    group: options.GroupOption = "",
    seeds: options.SeedsOption = "",
    out: Annotated[Path | None, Option(metavar="DIR", help="Folder (default: cv/NAME).")] = None,
    paper: options.PaperOption = None,
    overrides: options.SetOption = None,
    runs: options.RunsOption = Path("runs"),
    jobs: options.JobsOption = 1,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    demo: options.DemoOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Cross-validate a recipe: score every image by models that were not trained on it.

    Missing runs of the folds are trained first. The folder can be used like a run, as the mean of its models.
    """
    from segkit.analysis.paper.write import prepare_paper_folder, write_paper
    from segkit.cli import console
    from segkit.experiments.cross_validation import cross_validate, write_cross_validation
    from segkit.experiments.cv_plan import make_cv_plan
    from segkit.experiments.pooled_scores import CrossValidated
    from segkit.runs.cv_dir import check_folder, folder_for
    from segkit.utils.signals import handle_signals

    quiet = quiet or json
    if out:
        check_folder(out)
    if paper:
        prepare_paper_folder(paper, "cross-validation")
    options.load_plugins(no_plugins, plugins)
    announce_plugins()
    command = shlex.join(["segkit", *sys.argv[1:]])
    with console.StudyView(quiet=quiet) as view, handle_signals():
        view.note("Looking for finished runs")
        plan = make_cv_plan(
            recipe, folds=folds, runs=runs, group=group, seeds=options.parse_seeds(seeds),
            overrides=overrides or (), plugins=plugins or (), demo=demo,
        )  # fmt: skip
        for event in cross_validate(plan, runs, jobs=jobs, command=command):
            if not isinstance(event, CrossValidated):
                view.show(event)
        assert isinstance(event, CrossValidated)
        folder = out or folder_for(event.record, Path("cv") / plan.recipe.name)
        written = write_cross_validation(event, folder)
    if paper:
        from segkit.analysis.paper.papers import paper_of_cross_validation  # imports matplotlib

        write_paper(paper_of_cross_validation(written), paper)
    if json:
        console.print_json(
            {
                "out": folder,
                **({"paper": paper} if paper else {}),
                **event.record.model_dump(mode="json", exclude_unset=True),
            }
        )
    elif not quiet:
        console.print_cross_validation(event.record, written.page, paper)
