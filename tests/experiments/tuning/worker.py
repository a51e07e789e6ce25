"""A worker of a search with simulated trials: RECIPE STORAGE RUNS TRIALS HEARTBEAT GRACE.

It prints a line for every trial that begins or ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from segkit.core.events import RunStarted
from segkit.experiments.tuning import tune as tuning
from segkit.experiments.tuning import worker
from segkit.experiments.tuning.events import TrialEnded, TrialProgressed
from segkit.experiments.tuning.plan import plan_tuning
from segkit.experiments.tuning.shared_study import SharedStudy
from segkit.experiments.tuning.storage_url import parse_storage
from tests import commands
from tests.experiments.tuning.case import SEARCH, SIMULATE


def main() -> None:
    recipe, storage, runs, trials, heartbeat, grace = sys.argv[1:]
    worker.run_in_subprocesses = commands.here  # type: ignore[assignment]
    plan = plan_tuning(recipe, SEARCH)
    options = tuning.TuneOptions(Path(runs), int(trials), "RandomSampler", "NopPruner", train=SIMULATE)
    study = SharedStudy(
        parse_storage(storage), plan.study, plan.identity, plan.axes,
        higher_is_better=True, sampler="RandomSampler", pruner="NopPruner",
        heartbeat_seconds=int(heartbeat), grace_seconds=int(grace),
    )  # fmt: skip
    with study:
        for event in tuning.tune(plan, study, options):
            if isinstance(event, TrialProgressed) and isinstance(event.event, RunStarted):
                print("begun", event.trial.number, flush=True)  # noqa: T201
            elif isinstance(event, TrialEnded):
                print("ended", event.trial.number, flush=True)  # noqa: T201


main()
