"""What `training.deterministic` costs: steps of one training, with it and without it in turns.

python tests/benchmarks/deterministic.py recipes/isic_frozen.yaml --rounds 10
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from segkit.core.events import StepEnded
from segkit.experiments.run import run
from segkit.recipe import load_recipe

STEPS = 10  # of each kind in a round


def main() -> None:
    """Print the ratio of both in every round, and their median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    recipe = load_recipe(given.recipe, ["training.deterministic=true", "training.checkpoint_seconds=null"])
    with tempfile.TemporaryDirectory() as folder:
        steps = (event for event in run(recipe, Path(folder)) if isinstance(event, StepEnded))
        for _ in range(STEPS):  # until memory and caches are warm
            next(steps)
        ratios = []
        for _ in range(given.rounds):
            seconds = {}
            for deterministic in (True, False):
                torch.use_deterministic_algorithms(deterministic)
                next(steps)
                before = time.perf_counter()
                for _ in range(STEPS):
                    next(steps)
                seconds[deterministic] = time.perf_counter() - before
            ratios.append(seconds[True] / seconds[False])
    print("a step with it takes, of one without:", *(f"{ratio:.3f}" for ratio in ratios))
    print(f"median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
