"""Command `compare`."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from segkit.cli import completion, options
from segkit.cli.app import announce_plugins, app, example

MAX_FOLDER_NAME = 80  # characters


@app.command(epilog=example("compare isic_finetune --vary model.decoder=transposed_conv,unet"))
def compare(
    targets: Annotated[
        list[Path],
        Argument(
            metavar="RUN|RECIPE",
            help="Run directories, folders of these, recipes.",
            autocompletion=completion.recipes,
        ),
    ],
    seeds: options.SeedsOption = "",
    vary: Annotated[
        list[str] | None,
        Option(
            metavar="[LABEL=]PATH=A,B,C",
            help="Train the recipe with each of these values; repeat for a grid. A label names one value.",
        ),
    ] = None,
    metric: Annotated[
        str, Option(metavar="NAME", help="Metric to rank by (default: that which selects the best epoch).")
    ] = "",
    out: Annotated[Path | None, Option(metavar="DIR", help="Folder (default: comparisons/NAMES).")] = None,
    paper: options.PaperOption = None,
    overrides: options.SetOption = None,
    runs: options.RunsOption = Path("runs"),
    jobs: options.JobsOption = 1,
    measure: Annotated[
        bool | None, Option(help="Measure costs again, or not at all (default: if unknown, for recipes).")
    ] = None,
    native: Annotated[
        bool, Option("--native", help="Compare scores at the images' own size, whatever the recipes' sizes.")
    ] = False,
    force: Annotated[bool, Option("--force", help="Compare runs even if scored differently.")] = False,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    demo: options.DemoOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Rank runs and recipes, with significance tests.

    Missing runs of recipes are trained first; finished runs are not trained again.
    """
    from segkit.analysis.comparison.write import folder_for, write_comparison
    from segkit.analysis.paper.write import prepare_paper_folder, write_paper
    from segkit.api import SCORE_NATIVELY
    from segkit.cli import console
    from segkit.experiments.study import study
    from segkit.experiments.study_events import Compared
    from segkit.experiments.study_plan import make_plan
    from segkit.utils.result_folder import make_folder
    from segkit.utils.signals import handle_signals

    quiet = quiet or json
    only_runs = all(target.is_dir() for target in targets)
    options.load_plugins(no_plugins, plugins, models=targets if only_runs else None)
    announce_plugins()
    command = shlex.join(["segkit", *sys.argv[1:]])
    with console.StudyView(quiet=quiet) as view, handle_signals():
        view.note("Looking for finished runs")
        plan = make_plan(
            targets, runs=runs, overrides=overrides or (), vary=vary or (), seeds=options.parse_seeds(seeds),
            plugins=plugins or (), demo=demo, metric=metric, force=force, native=native,
        )  # fmt: skip
        if out:
            make_folder(out, "comparison")
        if paper:
            prepare_paper_folder(paper, "comparison")
        for event in study(
            plan, runs, jobs=jobs, measure=measure, force=force,
            score_natively=SCORE_NATIVELY if native else "", command=command,
        ):  # fmt: skip
            view.show(event)
    assert isinstance(event, Compared)
    comparison = event.comparison
    names = [candidate.name for candidate in comparison.candidates]
    folder = out or folder_for(comparison, Path("comparisons") / _folder_name(names))
    files = write_comparison(comparison, folder)
    if paper:
        from segkit.analysis.paper.papers import paper_of_comparison  # imports matplotlib

        write_paper(paper_of_comparison(comparison), paper)
    if json:
        console.print_json({**comparison.as_json(), **({"paper": paper} if paper else {})})
    elif not quiet:
        console.print_comparison(comparison, files, paper)


def _folder_name(recipes: Sequence[str]) -> str:
    first, *others = sorted(recipes)
    start = os.path.commonprefix([first, *others]).rfind("-") + 1  # noqa: RUF071 - characters are meant
    names = "+".join([first, *(name[start:] for name in others)])  # variants of one recipe repeat its name
    name = "".join(char if char.isalnum() or char in "+-_. " else "_" for char in names).strip(". ")
    if len(name) <= MAX_FOLDER_NAME:
        return name or "_"
    return f"{name[: MAX_FOLDER_NAME - 9]}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
