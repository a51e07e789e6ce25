"""A model that a paper describes: its recipe and what its runs recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from segkit.analysis.comparison.result import Candidate
from segkit.analysis.cross_validation.out_of_fold import SPLIT
from segkit.analysis.paper.latex import emphasized, join
from segkit.analysis.report.run_data import RunData
from segkit.recipe.postprocess_record import PostprocessRecord
from segkit.runs.schema import Environment, Summary


@dataclass(frozen=True)
class Subject:
    """A model with a run for each seed, or with cross-validated ones.

    Args:
        name: its name in the paper.
        recipe: recipe of the first run, as plain data.
        summaries: results of the run of every seed.
        environment: what the first run recorded.
        seeds: seeds of the runs.
        recipe_file: file with the complete recipe.
        postprocess: how the post-processing was chosen, if it was; not in comparisons, which leave it out.
    """

    name: str
    recipe: Mapping[str, Any]
    summaries: Sequence[Summary]
    environment: Environment
    seeds: Sequence[int]
    recipe_file: Path
    postprocess: PostprocessRecord | None = None

    @staticmethod
    def of_candidate(candidate: Candidate) -> Subject:
        """The subject of a candidate of a comparison."""
        return Subject(
            candidate.name,
            candidate.recipe,
            candidate.summaries,
            candidate.runs[0].read_environment(),
            candidate.seeds,
            candidate.runs[0].recipe,
        )

    @staticmethod
    def of_runs(runs: Sequence[RunData]) -> Subject:
        """The subject of a run, or of a cross-validation with its data for each seed."""
        first = runs[0]
        return Subject(
            first.summary.recipe,
            first.recipe,
            [data.summary for data in runs],
            first.run.read_environment(),
            [int(data.recipe.get("seed") or 0) for data in runs],
            first.cross_validation / "recipe.yaml" if first.cross_validation else first.run.recipe,
            first.postprocess,
        )

    @property
    def summary(self) -> Summary:
        """Results of the first run."""
        return self.summaries[0]

    @property
    def is_cross_validated(self) -> bool:
        """Whether its scores are out-of-fold scores of all images."""
        return self.summary.reported_on == SPLIT

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """The data section of the recipe."""
        return self.recipe.get("data") or {}

    @cached_property
    def training(self) -> Mapping[str, Any]:
        """The training section of the recipe."""
        return self.recipe.get("training") or {}

    @cached_property
    def split(self) -> Mapping[str, Any]:
        """Key `data.split` of the recipe."""
        return self.data.get("split") or {}

    @cached_property
    def plugin_parts(self) -> frozenset[str]:
        """Parts of plugins, such as ``decoder one_conv``."""
        return frozenset(part for plugin in self.environment.plugins for part in plugin.parts)


Sentences = Callable[[Subject], Sequence[str]]


def told(subjects: Sequence[Subject], sentences: Sentences) -> str:
    """Sentences that hold for all subjects once, then those that hold for some of them with their names."""
    found = {subject.name: [*filter(None, sentences(subject))] for subject in subjects}
    first = next(iter(found.values()))
    common = [text for text in first if all(text in texts for texts in found.values())]
    others: dict[tuple[str, ...], list[str]] = {}
    for name, texts in found.items():
        rest = tuple(text for text in texts if text not in common)
        others.setdefault(rest, []).append(name)
    named = [
        f"For {join([*map(emphasized, names)])}: {' '.join(rest)}" for rest, names in others.items() if rest
    ]
    return " ".join([*common, *named])
