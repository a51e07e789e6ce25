"""Command `tune`."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from segkit.cli import completion, options
from segkit.cli.app import announce_plugins, app, example
from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.experiments.tuning.storage_url import StorageUrl

# The first found the best of grids of 27 most often (docs/tune.md), but learns nothing from pruned trials.
SAMPLER, SAMPLER_WITH_PRUNER = "GPSampler", "TPESampler"
SCORE_MEAN = "segkit.inference.evaluation.mean_scores:score_on_test"  # for another process

SearchOption = Annotated[
    list[str],
    Option(metavar="PATH=SPACE", help="Search a, b, c, or 1..8, or 0.1..0.9, or log:1e-4..1e-2; repeatable."),
]
FoldsOption = Annotated[
    int | None,
    Option(min=2, metavar="N", help="Judge trials by cross-validation (default: by the validation images)."),
]
StorageOption = Annotated[
    str,
    Option(
        metavar="URL",
        help="sqlite:///FILE, or postgresql://USER@HOST/DATABASE for several machines "
        "(default: a file for each search in the folder of runs).",
    ),
]
SamplerOption = Annotated[
    str,
    Option(
        metavar="NAME",
        help=f"Optuna's sampler (default: {SAMPLER}; {SAMPLER_WITH_PRUNER} with a pruner).",
        autocompletion=completion.samplers,
    ),
]
PrunerOption = Annotated[
    str,
    Option(
        metavar="NAME",
        help="Optuna's pruner, which ends trials that begin badly, such as MedianPruner.",
        autocompletion=completion.pruners,
    ),
]


@app.command(
    epilog=example(
        "tune quickstart --search optimizer.lr=log:1e-4..1e-2 --search model.decoder=unet,fpn --trials 20 "
        "--set 'data.split={by: fraction, val: 0.2}'"
    )
)
def tune(
    recipe: options.RecipeArgument,
    search: SearchOption,
    trials: Annotated[int, Option(min=1, metavar="N", help="Number of trials, over all workers.")],
    folds: FoldsOption = None,
    group: options.GroupOption = "",
    storage: StorageOption = "",
    sampler: SamplerOption = "",
    pruner: PrunerOption = "NopPruner",
    jobs: options.JobsOption = 1,
    seed: Annotated[int, Option(min=0, metavar="N", help="Seed of the sampler.")] = 0,
    overrides: options.SetOption = None,
    runs: options.RunsOption = Path("runs"),
    out: Annotated[
        Path | None, Option(metavar="DIR", help="Folder of the result (default: tune/RECIPE).")
    ] = None,
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    demo: options.DemoOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Search for the values of a recipe with the best validation score, or the best out-of-fold score.

    Every trial is a run, or one run for each fold. The same command goes on after an interruption, and shares
    the trials with others that use the same storage. The best recipe is scored on the test images once.
    """
    _check_installed()
    from segkit.experiments.tuning.storage_url import parse_storage, sqlite_storage

    url = parse_storage(storage) if storage else None
    _hide_password(storage, url)

    from segkit.analysis.tuning.write import check_folder, folder_for, write_tuning
    from segkit.cli import console
    from segkit.experiments.tuning.events import Tuned
    from segkit.experiments.tuning.plan import plan_tuning
    from segkit.experiments.tuning.samplers import most_trials
    from segkit.experiments.tuning.shared_study import SharedStudy
    from segkit.experiments.tuning.tune import TuneOptions, check_probes
    from segkit.experiments.tuning.tune import tune as tune_recipe
    from segkit.utils.result_folder import make_folder
    from segkit.utils.signals import handle_signals

    quiet = quiet or json
    sampler = sampler or (SAMPLER if pruner == "NopPruner" else SAMPLER_WITH_PRUNER)
    options.load_plugins(no_plugins, plugins)
    command = shlex.join(["segkit", *sys.argv[1:]])
    with console.TuneView(quiet=quiet) as view, handle_signals():
        view.note("Checking the search space")
        plan = plan_tuning(recipe, search, overrides or (), folds=folds or 0, group=group, demo=demo)
        announce_plugins()
        url = url or sqlite_storage(runs / f"{plan.study}.tune.sqlite3")
        if (limit := most_trials(plan.axes)) and limit < trials:
            view.say(f"There are {limit} different trials: no more are made")
            trials = limit
        folder = out or folder_for(plan.study, Path("tune") / plan.recipe.name)
        check_folder(plan.study, folder)
        study = SharedStudy(
            url, plan.study, plan.identity, plan.axes,
            higher_is_better=plan.higher_is_better, sampler=sampler, pruner=pruner, seed=seed,
        )  # fmt: skip
        with study:
            make_folder(folder, "search")
            settings = TuneOptions(
                runs, trials, sampler, pruner, seed, jobs=jobs, storage=url.shown, command=command,
                warnings=check_probes(plan), score_mean=SCORE_MEAN,
            )  # fmt: skip
            for event in tune_recipe(plan, study, settings):
                view.show(event)
    assert isinstance(event, Tuned)
    page = write_tuning(event.tuning, folder)
    if json:
        console.print_json(event.tuning.as_json())
    elif not quiet:
        console.print_tuning(event.tuning, page)


def _check_installed() -> None:
    if not find_spec("optuna"):
        raise SegkitError("segkit tune needs Optuna", hint="pip install 'segkit-torch[tune]'")


def _hide_password(storage: str, url: StorageUrl | None) -> None:
    """Replace a URL with a password in the command line, which runs record and all users of a machine see."""
    from segkit.utils.process_title import set_process_title

    if url is None or url.without_secrets(storage) == storage:
        return
    sys.argv = [sys.argv[0], *(word.replace(storage, url.shown) for word in sys.argv[1:])]
    if not set_process_title(["segkit", *sys.argv[1:]]):
        raise SegkitError(
            "every user of this machine can read a password in a command line",
            where="--storage",
            hint="'postgresql://USER:${NAME}@HOST/DATABASE' reads it from an environment variable, as "
            "PGPASSWORD does; or pip install 'segkit-torch[tune]', which hides it",
        )
