"""Finished runs, read, and gathered into the entrants of a comparison: a recipe with all its seeds."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segkit.analysis.comparison.compatibility import Scored
from segkit.analysis.comparison.costs import mean_costs, read_costs
from segkit.analysis.comparison.result import Candidate
from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.runs.run_dir import RunDir


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        name: of its recipe, or what a comparison calls it.
        material: all that its directory holds.
    """

    name: str
    material: RunData

    @property
    def run(self) -> RunDir:
        """Its directory."""
        return self.material.run

    @property
    def scored(self) -> Scored:
        """How it was scored."""
        material = self.material
        environment = material.environment
        return Scored(
            where=str(self.run.path),
            data=material.recipe.get("data") or {},
            metrics=material.recipe.get("metrics") or [],
            names=material.names,
            pixels=environment.data_digests.get(material.summary.reported_on),
            code=environment.identity.metrics if environment.identity else None,
        )

    @property
    def seed(self) -> int:
        """Of its recipe."""
        return int(self.material.recipe.get("seed", 0))

    def reported(self, metric: str) -> float:
        """The run's own score; NaN where undefined."""
        score = self.material.summary.scores.metrics.get(metric)
        return math.nan if score is None else float(score)

    def averages(self, metric: str) -> bool:
        """Whether that score is the mean over the images, as that of all images together is not."""
        scores = np.array(self.material.scores[metric])
        mean = float(scores[np.isfinite(scores)].mean()) if np.isfinite(scores).any() else math.nan
        return math.isclose(mean, self.reported(metric), rel_tol=1e-6, abs_tol=1e-6) or (
            math.isnan(mean) and math.isnan(self.reported(metric))
        )

    @property
    def experiment(self) -> str:
        """The same text for runs that differ in their seed alone."""
        identity = self.material.environment.identity
        known = identity.model_dump() if identity else self.material.recipe
        return json.dumps({**known, "seed": None, "name": self.name}, sort_keys=True, default=str)


def read_finished(run: RunDir, name: str = "") -> RunResult:
    """Read a run.

    Args:
        run: its directory.
        name: what to call it; by default what its recipe is called.

    Raises:
        SegkitError: if it is none, has not ended, or misses a file.
    """
    material = read_run_data(RunDir.open(run.path))
    return RunResult(name or material.summary.recipe, material)


def entrants_of(finished: Sequence[RunResult], images: Sequence[str]) -> tuple[list[Candidate], list[str]]:
    """Gather the seeds of each experiment.

    Args:
        finished: in any order.
        images: whose scores are wanted, in order.

    Returns:
        The entrants in the order of their first runs, and sentences about runs that were left out.
    """
    experiments: dict[str, dict[int, RunResult]] = {}
    warnings = []
    for one in finished:
        seeds = experiments.setdefault(one.experiment, {})
        if (first := seeds.setdefault(one.seed, one)) is not one:
            warnings.append(
                f"{one.run.path} is left out: {first.run.path} is the same experiment with the same seed."
            )
    groups = [[seeds[seed] for seed in sorted(seeds)] for seeds in experiments.values()]
    names = _names([group[0] for group in groups])
    return [_entrant(name, group, images) for name, group in zip(names, groups, strict=True)], warnings


def _entrant(name: str, group: Sequence[RunResult], images: Sequence[str]) -> Candidate:
    materials = [one.material for one in group]
    metrics = [name for name in materials[0].scores if all(name in material.scores for material in materials)]
    return Candidate(
        name=name,
        runs=tuple(one.run for one in group),
        seeds=tuple(one.seed for one in group),
        recipe=materials[0].recipe,
        summaries=tuple(material.summary for material in materials),
        epochs=tuple(material.epochs for material in materials),
        scores={
            metric: np.array([_scores(material, metric, images) for material in materials])
            for metric in metrics
        },
        costs=mean_costs([read_costs(one.run) for one in group]),
        published=materials[0].published,
    )


def _scores(material: RunData, metric: str, images: Sequence[str]) -> list[float]:
    by_image = dict(zip(material.names, material.scores[metric], strict=True))
    return [by_image[image] for image in images]


def _names(firsts: Sequence[RunResult]) -> list[str]:
    """Names that tell the entrants apart: with the run's number, or by its whole path, where they must."""
    names = [one.name for one in firsts]
    numbered = [f"{one.name} ({one.run.path.name})" for one in firsts]
    for longer in (numbered, [str(one.run.path) for one in firsts]):
        count = Counter(names)
        names = [name if count[name] == 1 else other for name, other in zip(names, longer, strict=True)]
    return names
