"""Commands `run`, `resume`, `check`, `report` and `bench`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from typer import Exit, Option

from segkit.cli import options
from segkit.cli.app import app, example
from segkit.core.errors import SegkitError


@app.command(epilog=example("run quickstart --set training.epochs=2"))
def run(
    recipe: options.RecipeArgument,
    overrides: options.SetOption = None,
    runs: options.RunsOption = Path("runs"),
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    demo: options.DemoOption = False,
    track: options.TrackOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Train and evaluate the model of a recipe."""
    from segkit.cli.console import RunView
    from segkit.runs.trackers import tracking
    from segkit.training.distributed.rank import is_worker
    from segkit.utils.signals import handle_signals

    quiet = quiet or is_worker()
    loaded = options.load(recipe, overrides, plugins, no_plugins, demo=demo)
    view = RunView(quiet=quiet)
    trackers = () if is_worker() else track or ()
    with view, handle_signals(view.stopping) as stop, tracking(trackers, view.say, view.warn) as on_event:
        view.note("Loading torch")
        from segkit.experiments.run import run as run_recipe

        for event in run_recipe(loaded, runs, view.progress, stop):
            view.show(event)
            on_event(event)


@app.command(epilog=example("resume runs/quickstart/001"))
def resume(
    run: options.RunArgument,
    overrides: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change training.epochs, devices, workers, or the path of data that has moved; repeatable.",
        ),
    ] = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    track: options.TrackOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Continue an interrupted run, or a finished one for more epochs."""
    from segkit.cli.console import RunView, print_line
    from segkit.core.events import RunEnded
    from segkit.runs.run_dir import RunDir
    from segkit.runs.trackers import tracking
    from segkit.training.distributed.rank import is_worker
    from segkit.utils.signals import handle_signals

    quiet = quiet or is_worker()
    trackers = () if is_worker() else track or ()
    directory = RunDir.open_any(run)
    view = RunView(quiet=quiet, directory=run)
    if directory.has_ended and not overrides:
        if not quiet:
            print_line(f"{run} is complete; rewriting its report")
        report(run, quiet=quiet)
        if trackers:
            tracked = tracking(trackers, view.say, view.warn)
            with directory.as_write_error(), directory.locked(), tracked as on_event:
                on_event(RunEnded(run, directory.read_summary(), directory.report))
        return
    if not is_worker():  # before torch is loaded: fail if another run has it; workers would find the first
        with directory.as_write_error(), directory.locked():
            pass
    options.load_plugins(no_plugins, models=[run])
    with view, handle_signals(view.stopping) as stop, tracking(trackers, view.say, view.warn) as on_event:
        view.note("Loading torch")
        from segkit.experiments.resume import resume as resume_run

        for event in resume_run(run, overrides or (), plugins or (), view.progress, stop):
            view.show(event)
            on_event(event)


@app.command(epilog=example("check isic_frozen"))
def check(
    recipe: options.RecipeArgument,
    overrides: options.SetOption = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    demo: options.DemoOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Validate a recipe without training."""
    from segkit.cli import console

    quiet = quiet or json
    try:
        loaded = options.load(recipe, overrides, plugins, no_plugins, demo=demo)
        with console.RunView(quiet=quiet) as view:
            view.note("Loading torch")
            from segkit.experiments.check import check as check_recipe

            report = check_recipe(loaded, view.progress)
    except SegkitError as error:
        if not json:
            raise
        console.print_json({"ok": False, "errors": options.problems_as_json(error.problems)})
        raise Exit(error.exit_code) from None
    if json:
        console.print_json({"ok": True, "errors": [], **report.as_json()})
    elif not quiet:
        console.print_check(report)


@app.command(epilog=example("report runs/quickstart/001"))
def report(
    run: options.RunArgument, paper: options.PaperOption = None, quiet: options.QuietOption = False
) -> None:
    """Rewrite the report of a finished run, or report a stopped one."""
    from segkit.analysis.paper.write import prepare_paper_folder, write_paper
    from segkit.analysis.report import write_report
    from segkit.cli import console
    from segkit.runs.run_dir import RunDir

    directory = RunDir.open(run, stopped=True)
    if paper:
        prepare_paper_folder(paper, "run")
    with directory.as_write_error(), directory.locked():  # also removes what a killed process has left
        page = write_report(directory)
    if paper:
        from segkit.analysis.paper.papers import paper_of_run  # imports matplotlib

        write_paper(paper_of_run(directory), paper)
    if not quiet:
        if not directory.has_ended:
            console.RunView().print_warnings(directory.read_summary().warnings)
        console.print_line(f"Report: {page}")
        if paper:
            console.print_line(f"Paper: {paper}")


@app.command(epilog=example("bench quickstart"))
def bench(
    recipe: options.RecipeArgument,
    overrides: options.SetOption = None,
    steps: Annotated[
        int | None, Option(min=1, metavar="N", help="Minimum number of steps to time (default: about 10 s).")
    ] = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    demo: options.DemoOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Measure the training speed of a recipe."""
    from segkit.cli import console

    quiet = quiet or json
    loaded = options.load(recipe, overrides, plugins, no_plugins, demo=demo)
    with console.RunView(quiet=quiet) as view:
        view.note("Loading torch")
        started = time.perf_counter()
        from segkit.experiments.benchmark.throughput import bench as bench_recipe

        imported = time.perf_counter() - started
        result = bench_recipe(loaded, steps=steps, on_progress=view.progress)
    result["startup_seconds"] = {"imports": imported, **result["startup_seconds"]}
    if json:
        console.print_json(result)
    elif not quiet:
        console.print_bench(result)
