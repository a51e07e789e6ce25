"""How often a search finds the best of a known grid of 27 at 40% of its cost: docs/tune.md.

    python -m tests.experiments.tuning.sampling 40

A grid is three values of three settings. Each has an effect on the score, there is a little noise, and scores
come near their end at different rates, so that early epochs tell little. Epochs of a recipe that was begun
are not trained again.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import optuna
from optuna.trial import TrialState

from segkit.experiments.tuning.samplers import distributions, make_pruner, make_sampler
from segkit.recipe.search_space import parse_search

EPOCHS, SHARE, MAX_TRIALS = 10, 0.4, 60
EFFECTS = ((0, -0.02, -0.06), (0, -0.01, -0.03), (0, -0.006, -0.02))
AXES = parse_search(["a=0,1,2", "b=0,1,2", "c=0,1,2"])
SETUPS = (
    ("GPSampler", "NopPruner"), ("TPESampler", "NopPruner"), ("TPESampler", "MedianPruner"),
    ("TPESampler", "HyperbandPruner"), ("RandomSampler", "NopPruner"),
)  # fmt: skip
Grid = dict[tuple[int, ...], "np.ndarray"]


def grid(seed: int) -> Grid:
    """Scores of every epoch (10,) of each of the 27 recipes."""
    rng = np.random.default_rng(seed)
    effects = [rng.permutation(effect) for effect in EFFECTS]
    curves = {}
    for choice in itertools.product(range(3), repeat=3):
        final = (
            0.85 + sum(effect[i] for effect, i in zip(effects, choice, strict=True)) + rng.normal(0, 0.002)
        )
        rate = rng.uniform(3, 5)
        rise = (1 - np.exp(-rate * np.arange(1, EPOCHS + 1) / EPOCHS)) / (1 - np.exp(-rate))
        curves[choice] = final * rise + rng.normal(0, 0.003, EPOCHS)
    return curves


def finds_best(sampler: str, pruner: str, seed: int) -> bool:
    """Whether the best recipe of a grid is the result of a search at 40% of the epochs of all 27."""
    curves, trained = grid(seed), dict.fromkeys(itertools.product(range(3), repeat=3), 0)
    study = optuna.create_study(
        direction="maximize", sampler=make_sampler(sampler, AXES, seed), pruner=make_pruner(pruner)
    )
    for _ in range(MAX_TRIALS):
        trial = study.ask(distributions(AXES))
        choice = tuple(int(trial.params[axis.path]) for axis in AXES)
        for epoch in range(1, EPOCHS + 1):
            if epoch > trained[choice]:
                if sum(trained.values()) >= SHARE * len(curves) * EPOCHS:
                    return _best(study) == max(curves, key=lambda one: curves[one].max())
                trained[choice] = epoch
            trial.report(curves[choice][epoch - 1], epoch)
            if trained[choice] == epoch < EPOCHS and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curves[choice].max())
    return _best(study) == max(curves, key=lambda one: curves[one].max())


def _best(study: optuna.Study) -> tuple[int, ...]:
    return tuple(int(study.best_params[axis.path]) for axis in AXES)


def rates(seeds: int) -> Iterator[str]:
    for sampler, pruner in SETUPS:
        found = sum(finds_best(sampler, pruner, seed) for seed in range(seeds))
        yield f"| {sampler} | {pruner} | {found} of {seeds} |"


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    for row in rates(int(sys.argv[1])):
        print(row, flush=True)  # noqa: T201
