"""What is done with a recipe and its runs: run, resume, check, report, bench."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.app import app, example
from segkit.cli.options import (
    DemoOption,
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    QuietOption,
    RecipeArgument,
    RunsOption,
    SetOption,
    TrackOption,
    load,
    load_default_plugins,
    problems_as_json,
)
from segkit.core.errors import SegkitError

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]


@app.command(epilog=example("run recipes/quickstart.yaml --set training.epochs=2"))
def run(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    runs: RunsOption = Path("runs"),
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    demo: DemoOption = False,
    track: TrackOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train what a recipe describes, score it, and write a report."""
    from segkit.cli.console import RunView
    from segkit.runs.trackers import tracking
    from segkit.training.distributed.rank import is_worker
    from segkit.utils.signals import handle_signals

    quiet = quiet or is_worker()
    loaded = load(recipe, overrides, plugins, no_plugins, demo=demo, quiet=quiet)
    view = RunView(quiet=quiet)
    names = () if is_worker() else track or ()
    with view, handle_signals(view.stopping) as stop, tracking(names, view.say, view.warn) as hear:
        view.note("Loading torch and friends")
        from segkit.experiments.run import run as run_recipe

        for event in run_recipe(loaded, runs, view.progress, stop):
            view.show(event)
            hear(event)


@app.command(epilog=example("resume runs/quickstart/001"))
def resume(
    run: RunArgument,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    track: TrackOption = None,
    quiet: QuietOption = False,
) -> None:
    """Go on with a run that was interrupted or killed, as if nothing had happened."""
    from segkit.cli.console import RunView, say
    from segkit.core.events import RunEnded
    from segkit.runs.run_dir import RunDir
    from segkit.runs.trackers import tracking
    from segkit.training.distributed.rank import is_worker
    from segkit.utils.signals import handle_signals

    quiet = quiet or is_worker()
    names = () if is_worker() else track or ()
    directory = RunDir.open_any(run)
    view = RunView(quiet=quiet, directory=run)
    if directory.summary.is_file():
        if not quiet:
            say(f"{run} has ended; its report is written again")
        report(run, quiet)
        if names:
            with directory.as_write_error(), directory.locked(), tracking(names, view.say, view.warn) as hear:
                hear(RunEnded(run, directory.read_summary(), directory.report))
        return
    with directory.as_write_error(), directory.locked():  # before torch is imported
        pass
    load_default_plugins(no_plugins)
    with view, handle_signals(view.stopping) as stop, tracking(names, view.say, view.warn) as hear:
        view.note("Loading torch and friends")
        from segkit.experiments.resume import resume as go_on

        for event in go_on(run, plugins or (), view.progress, stop):
            view.show(event)
            hear(event)


@app.command(epilog=example("check recipes/isic_frozen.yaml"))
def check(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    demo: DemoOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Tell everything that can be known without training: schema, parts, files, weights, shapes, sizes."""
    from segkit.cli import console

    quiet = quiet or json
    try:
        loaded = load(recipe, overrides, plugins, no_plugins, demo=demo, quiet=quiet)
        with console.RunView(quiet=quiet) as view:
            view.note("Loading torch and friends")
            from segkit.experiments.check import check as check_recipe

            report = check_recipe(loaded, view.progress)
    except SegkitError as error:
        if not json:
            raise
        console.print_json({"ok": False, "errors": problems_as_json(error.problems)})
        raise typer.Exit(error.exit_code) from None
    if json:
        console.print_json({"ok": True, "errors": [], **report.as_json()})
    elif not quiet:
        console.print_check(report)


@app.command(epilog=example("report runs/quickstart/001"))
def report(run: RunArgument, quiet: QuietOption = False) -> None:
    """Write the report of a run again."""
    from segkit.analysis.report import write_report
    from segkit.cli import console
    from segkit.runs.run_dir import RunDir

    directory = RunDir.open(run)
    with directory.as_write_error():
        page = write_report(directory)
    if not quiet:
        console.say(f"Report: {page}")


@app.command(epilog=example("bench recipes/quickstart.yaml"))
def bench(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Time at least so many training steps (default: some 10 seconds of them).",
        ),
    ] = None,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    demo: DemoOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Measure how fast a recipe trains here: its data alone, its model alone, and both together."""
    from segkit.cli import console

    quiet = quiet or json
    loaded = load(recipe, overrides, plugins, no_plugins, demo=demo, quiet=quiet)
    with console.RunView(quiet=quiet) as view:
        view.note("Loading torch and friends")
        started = time.perf_counter()
        from segkit.experiments.benchmark.throughput import bench as bench_recipe

        imported = time.perf_counter() - started
        measured = bench_recipe(loaded, steps=steps, on_progress=view.progress)
    measured["startup_seconds"] = {"imports": imported, **measured["startup_seconds"]}
    if json:
        console.print_json(measured)
    elif not quiet:
        console.print_bench(measured)
