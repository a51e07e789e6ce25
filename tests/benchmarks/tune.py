"""`segkit tune`: how often it finds the best of a grid, and what a second worker saves.

    python -m tests.benchmarks.tune grid [--seeds 10] [--share 0.4] [--epochs 16] [--runs DIR]
    python -m tests.benchmarks.tune workers [--trials 24] [--seconds 40]

`grid` trains all 27 recipes of a grid on drawn lesions, without reports, in one process (a repeated command
finds the runs in --runs), then searches with each sampler and seed until a share of the recipes is tried; one
that is proposed again costs nothing. The best recipe is that with the best validation score of its run, which
is what a search sees. It is trained with further seeds: recipes that are worse by no more than the standard
deviation over seeds are as good.

`workers` searches with trials that sleep, on PostgreSQL: with one worker, and with two, each of which is
killed (SIGKILL) in a trial and started again at once. Both searches run at the same time, so that whatever
else the machine does slows both. Signs of life, and the silence after which a trial is taken up, are those of
`segkit tune`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from segkit.core.events import RunEnded
from segkit.experiments import recorder
from segkit.experiments.run import run
from segkit.experiments.tuning import worker
from segkit.experiments.tuning.events import TrialEnded
from segkit.experiments.tuning.plan import TuningPlan, plan_tuning
from segkit.experiments.tuning.samplers import most_trials
from segkit.experiments.tuning.shared_study import GRACE_SECONDS, HEARTBEAT_SECONDS, SharedStudy
from segkit.experiments.tuning.storage_url import parse_storage, sqlite_storage
from segkit.experiments.tuning.tune import TuneOptions, tune
from segkit.recipe import load_recipe
from segkit.recipe.search_space import setting
from tests import commands
from tests.experiments.tuning import case
from tests.experiments.tuning.postgresql import PASSWORD, VARIABLE, postgresql, start_worker
from tests.small_runs import light_report

RECIPE = """
name: grid
data:
  source: {{name: synthetic_lesions, train: 80, val: 80, test: 4, size: 64}}
  size: [64, 64]
  augment: [{{name: HorizontalFlip, p: 0.5}}]
  batch_size: 8
model:
  encoder: {{name: test_resnet, weights: none, features: all}}
  decoder: unet
loss: dice
optimizer: {{name: adamw, lr: 0.003}}
schedule: one_cycle
metrics: [iou]
training: {{epochs: {epochs}, accelerator: cpu}}
"""
GRID = ("optimizer.lr=0.0003,0.003,0.03", "model.decoder=transposed_conv,unet,fpn", "loss=dice,bce,focal")
SAMPLERS = ("GPSampler", "TPESampler", "RandomSampler")
FURTHER_SEEDS = (1, 2, 3, 4)  # of the best recipe
KILLED_IN = (2, 4)  # trial of each worker, by its own count
MOST_TRIALS = 100  # of a search: more than are reached


def grid(seeds: int, share: float, epochs: int, runs: Path | None) -> None:
    """Train the grid, search, and print how often the best was found."""
    worker.run_in_subprocesses = commands.here  # type: ignore[assignment]
    recorder.write_report = light_report
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "grid.yaml")
        file.write_text(RECIPE.format(epochs=epochs))
        runs = runs or Path(folder, "runs")
        plan = plan_tuning(file, GRID)
        started = time.monotonic()
        size = most_trials(plan.axes) or 0
        scores = search(plan, runs, Path(folder), "GridSampler", 0, size)
        best = max(scores, key=scores.__getitem__)
        print(f"{len(scores)} recipes in {time.monotonic() - started:.0f} s; best {scores[best]:.4f}: {best}")
        again = [score_of(file, best.split("; "), seed, runs) for seed in FURTHER_SEEDS]
        noise = stdev([scores[best], *again])
        good = [name for name, score in scores.items() if score >= scores[best] - noise]
        print(f"SD over {1 + len(again)} seeds {noise:.4f}: {len(good)} recipes are as good, with the best")
        budget = int(share * len(scores))
        print(f"With {budget} of {len(scores)} recipes, in {seeds} searches:")
        print(f"{'':<14}best found  one as good  mean score below the best")
        for sampler in SAMPLERS:
            searches = [search(plan, runs, Path(folder), sampler, seed, budget) for seed in range(seeds)]
            found = [max(known, key=known.__getitem__) for known in searches]
            counts = sum(one == best for one in found), sum(one in good for one in found)
            below = scores[best] - mean(scores[one] for one in found)
            print(f"{sampler:<14}{counts[0]:>10}  {counts[1]:>11}  {below:>25.4f}", flush=True)


def search(
    plan: TuningPlan, runs: Path, folder: Path, sampler: str, seed: int, budget: int
) -> dict[str, float]:
    """Scores by recipe of a search that ends when it has tried so many recipes."""
    scores: dict[str, float] = {}
    options: dict[str, Any] = {"sampler": sampler, "pruner": "NopPruner", "seed": seed}
    storage = sqlite_storage(folder / f"{sampler}{seed}.db")
    with SharedStudy(
        storage, plan.study, plan.identity, plan.axes, higher_is_better=True, **options
    ) as study:
        events = tune(plan, study, TuneOptions(runs, MOST_TRIALS, **options))
        for event in events:
            if isinstance(event, TrialEnded):
                values = event.trial.values
                name = "; ".join(setting(path, values[path]) for path in sorted(values))
                scores[name] = event.trial.score or 0.0
            if len(scores) == budget:
                break
        events.close()
    return scores


def score_of(file: Path, changes: list[str], seed: int, runs: Path) -> float:
    """Validation score of a recipe with another seed."""
    *_, ended = run(load_recipe(file, [*changes, f"seed={seed}"]), runs)
    assert isinstance(ended, RunEnded)
    return float(ended.summary.best.metrics["iou"])


def workers(trials: int, seconds: float) -> None:
    """Time one worker, and two that are killed, and print the ratio and what became of the trials."""
    os.environ[VARIABLE] = PASSWORD
    with tempfile.TemporaryDirectory() as folder, postgresql() as one, postgresql() as two:
        file = Path(folder, "simulated.yaml")
        file.write_text(case.RECIPE)
        plan = plan_tuning(file, case.SEARCH)
        with ThreadPoolExecutor() as pool:
            alone = pool.submit(timed, plan, one, Path(folder), trials, seconds, ["one"])
            together, lost = timed(plan, two, Path(folder), trials, seconds, ["a", "b"])
            (seconds_alone, _) = alone.result()
        with SharedStudy(
            parse_storage(two), plan.study, plan.identity, plan.axes,
            higher_is_better=True, sampler="RandomSampler", pruner="NopPruner",
        ) as study:  # fmt: skip
            counted = [trial for trial in study.trials() if trial.state == "complete"]
            different = {str(trial.values) for trial in counted}
    print(f"one worker: {seconds_alone:.0f} s for {trials} trials of {seconds:g} s")
    print(
        f"two workers, each killed and started again: {together:.0f} s, ratio {together / seconds_alone:.2f}"
    )
    print(f"{lost} trials lost and begun again; {len(counted)} counted, {len(different)} different")


def timed(
    plan: TuningPlan, storage: str, folder: Path, trials: int, seconds: float, names: list[str]
) -> tuple[float, int]:
    """Seconds of a search, and trials that were lost to kills: of two workers each is killed once."""

    def start(name: str) -> subprocess.Popen[str]:
        epoch, beat = seconds / 4, (HEARTBEAT_SECONDS, GRACE_SECONDS)
        return start_worker(plan.source, storage, folder / name, trials, epoch_seconds=epoch, beat=beat)

    started, lost = time.monotonic(), 0
    running = {name: start(name) for name in names}
    for name, trial in zip(names, KILLED_IN, strict=False) if len(names) > 1 else ():
        begun = (line for line in running[name].stdout or () if line.startswith("begun"))
        for _ in range(trial):
            next(begun)
        time.sleep(seconds / 2)
        running[name].kill()
        running[name].communicate()
        running[name], lost = start(name), lost + 1
    for process in running.values():
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    return time.monotonic() - started, lost


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("grid")
    verb.set_defaults(measure=grid)
    verb.add_argument("--seeds", type=int, default=10)
    verb.add_argument("--share", type=float, default=0.4)
    verb.add_argument("--epochs", type=int, default=16)
    verb.add_argument("--runs", type=Path)
    verb = verbs.add_parser("workers")
    verb.set_defaults(measure=workers)
    verb.add_argument("--trials", type=int, default=24)
    verb.add_argument("--seconds", type=float, default=40)
    arguments = vars(parser.parse_args())
    arguments.pop("measure")(**arguments)
