"""What is done with many runs: compare them."""

from __future__ import annotations

import hashlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segkit.cli.app import app, example
from segkit.cli.options import (
    DemoOption,
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    QuietOption,
    RunsOption,
    SetOption,
    load_default_plugins,
)
from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison

LONGEST_NAME = 80  # of a folder
VARY_EXAMPLE = "compare recipes/isic_finetune.yaml --vary model.decoder=transposed_conv,unet,fpn"


@app.command(epilog=example(VARY_EXAMPLE))
def compare(
    targets: Annotated[
        list[Path], typer.Argument(metavar="RUN|RECIPE", help="Run directories, folders of them, recipes.")
    ],
    seeds: Annotated[
        str, typer.Option(metavar="0,1,2", help="Train every recipe with each of these seeds.")
    ] = "",
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=A,B,C", help="Make recipes out of one, with each value; repeatable: a grid."
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="Rank by this score (default: what chose the best epoch).")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the pages go (default: comparisons/NAMES).")
    ] = None,
    overrides: SetOption = None,
    runs: RunsOption = Path("runs"),
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Train so many at once.")] = 1,
    measure: Annotated[
        bool | None,
        typer.Option(
            help="Measure costs again, or none (default: those of recipes, where they are not known)."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compare what was not scored alike.")] = False,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    demo: DemoOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Tell which recipe is really better, by how much, how surely, and at what cost.

    Finished runs are taken as they are; of recipes, whatever is missing is trained first.
    """
    from segkit.analysis.comparison.write import folder_for, make_folder, write_comparison
    from segkit.cli import console
    from segkit.core.plugins import load_plugin, loaded_plugins
    from segkit.experiments.plan import make_plan
    from segkit.experiments.study import study
    from segkit.experiments.study_events import Compared
    from segkit.utils.signals import handle_signals

    quiet = quiet or json
    load_default_plugins(no_plugins)
    for plugin in plugins or ():
        load_plugin(plugin, "--plugins")
    if not quiet:
        console.say_plugins(loaded_plugins())
    command = shlex.join(["segkit", *sys.argv[1:]])
    with console.StudyView(quiet=quiet) as view, handle_signals():
        view.note("Looking for finished runs")
        plan = make_plan(
            targets, runs=runs, overrides=overrides or (), vary=vary or (), seeds=_numbers(seeds),
            plugins=plugins or (), demo=demo, metric=metric, force=force,
        )  # fmt: skip
        if out:
            make_folder(out)
        for event in study(plan, runs, jobs=jobs, measure=measure, force=force, command=command):
            view.show(event)
    assert isinstance(event, Compared)
    comparison = event.comparison
    place = out or folder_for(comparison, Path("comparisons") / _folder(comparison))
    files = write_comparison(comparison, place)
    if json:
        console.print_json(comparison.as_json())
    elif not quiet:
        console.print_comparison(comparison, files)


def _numbers(seeds: str) -> list[int]:
    """The seeds of ``0,1,2``."""
    words = [word.strip() for word in seeds.split(",")] if seeds else []
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise SegkitError(
            f"{seeds!r} are no seeds: each a whole number, and each once",
            where="--seeds",
            hint="--seeds 0,1,2",
        )
    return [int(word) for word in words]


def _folder(comparison: Comparison) -> str:
    """After the names of what is compared."""
    names = "+".join(sorted(candidate.name for candidate in comparison.candidates))
    name = "".join(sign if sign.isalnum() or sign in "+-_. " else "_" for sign in names).strip(". ")
    if len(name) <= LONGEST_NAME:
        return name or "_"
    return f"{name[: LONGEST_NAME - 9]}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
