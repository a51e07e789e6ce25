"""Candidates of a comparison: recipes with the finished runs of all their seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from segkit.analysis.comparison.compatibility import Scored
from segkit.analysis.comparison.costs import mean_costs, read_costs
from segkit.analysis.comparison.result import Candidate
from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.runs.run_dir import RunDir
from segkit.utils.public_text import public_names

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Scores


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        name: name of its recipe, or its name in the comparison.
        data: content of its directory.
    """

    name: str
    data: RunData

    @property
    def run(self) -> RunDir:
        """Its directory."""
        return self.data.run

    @property
    def scored(self) -> Scored:
        """Its scoring setup."""
        recipe, environment, native = self.data.recipe, self.data.environment, self.data.native
        data = recipe.get("data") or {}
        pixels = native.pixels if native else environment.data_digests.get(self.data.summary.reported_on)
        identity = environment.identity
        code = native.code if native else identity.metrics if identity else None
        return Scored(
            where=str(self.data.cross_validation or self.run.path),
            data=data,
            metrics=recipe.get("metrics") or [],
            names=self.data.names,
            pixels=pixels if native or data.get("scale") in (None, 1) else None,  # else of scaled images
            code=code,
            native=native is not None,
        )

    @property
    def seed(self) -> int:
        """Seed of its recipe."""
        return int(self.data.recipe.get("seed", 0))

    @property
    def experiment(self) -> str:
        """Key shared by runs that differ only in the seed."""
        identity = self.data.environment.identity
        content = identity.model_dump() if identity else self.data.recipe
        trained = None if self.run.has_ended else self.data.summary.epochs
        folds = str(self.data.cross_validation or "")
        key = {**content, "seed": None, "name": self.name, "stopped_after": trained, "folds": folds}
        return json.dumps(key, sort_keys=True, default=str)


def read_finished(run: RunDir, name: str = "") -> RunResult:
    """Read a finished run.

    Args:
        run: run directory.
        name: name in the comparison; by default that of its recipe.

    Raises:
        SegkitError: if it is not a run directory, is unfinished, or lacks a file.
    """
    data = read_run_data(RunDir.open(run.path))
    if run.class_scores.is_file():
        data = replace(data, class_iou=run.read_class_iou(data.names, data.summary.classes))
    return RunResult(name or data.summary.recipe, data)


def group_candidates(
    results: Sequence[RunResult], images: Sequence[str]
) -> tuple[list[Candidate], list[str]]:
    """Group runs that differ only in the seed.

    Args:
        results: finished runs, in any order.
        images: names of the images to compare, in order.

    Returns:
        Candidates in the order of their first runs; warnings about duplicates that were left out.
    """
    experiments: dict[str, dict[int, RunResult]] = {}
    warnings = []
    for result in results:
        seeds = experiments.setdefault(result.experiment, {})
        if (first := seeds.setdefault(result.seed, result)) is not result:
            warnings.append(
                f"{result.run.path} is left out: {first.run.path} is the same experiment with the same seed."
            )
    groups = [[seeds[seed] for seed in sorted(seeds)] for seeds in experiments.values()]
    names = _unique_names([group[0] for group in groups])
    return [_candidate(name, group, images) for name, group in zip(names, groups, strict=True)], warnings


def _candidate(name: str, group: Sequence[RunResult], images: Sequence[str]) -> Candidate:
    runs = [result.data for result in group]
    metrics = [metric for metric in runs[0].scores if all(metric in data.scores for data in runs)]
    return Candidate(
        name=name,
        runs=tuple(data.run for data in runs),
        seeds=tuple(result.seed for result in group),
        recipe=runs[0].recipe,
        summaries=tuple(data.summary for data in runs),
        epochs=tuple(data.epochs for data in runs),
        scores={metric: np.array([_scores(data, metric, images) for data in runs]) for metric in metrics},
        costs=mean_costs([read_costs(data.run) for data in runs]),
        published=runs[0].published,
        class_iou=_class_iou(runs, images),
        shown=tuple(runs[0].fold_runs) or (runs[0].run,),
    )


def _class_iou(runs: Sequence[RunData], images: Sequence[str]) -> dict[str, Scores]:
    classes = runs[0].summary.classes
    if any(data.class_iou is None or data.summary.classes != classes for data in runs):
        return {}
    tables = []
    for data in runs:
        positions = {name: position for position, name in enumerate(data.names)}
        assert data.class_iou is not None
        tables.append(data.class_iou[:, [positions[image] for image in images]])
    return {name: np.array([table[k] for table in tables]) for k, name in enumerate(classes)}


def _scores(data: RunData, metric: str, images: Sequence[str]) -> list[float]:
    by_image = dict(zip(data.names, data.scores[metric], strict=True))
    return [by_image[image] for image in images]


def _unique_names(results: Sequence[RunResult]) -> list[str]:
    """Recipe names; where these repeat, with the run's number; where those repeat, the run's folders."""
    names = [result.name for result in results]
    numbered = [f"{result.name} ({result.run.path.name})" for result in results]
    folders = public_names([str(result.run.path) for result in results])
    for longer in (numbered, folders):
        count = Counter(names)
        names = [long if count[name] > 1 else name for name, long in zip(names, longer, strict=True)]
    return names
