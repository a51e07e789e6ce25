"""Result of an evaluation: scores, intervals, ensemble members, worst images, warnings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from segkit.analysis.report.format import few_images_note, is_mean, worst_caption
from segkit.inference.evaluation.reported import Reported, size_text
from segkit.inference.evaluation.score_images import Scorer
from segkit.inference.evaluation.select_images import ScoredImages
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.inference.options import PredictOptions
from segkit.recipe import entry_for
from segkit.utils.public_text import public_names

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.analysis.comparison.result import Interval
    from segkit.recipe import Recipe
    from segkit.recipe.postprocess_settings import PostprocessSettings
    from segkit.runs.run_dir import RunDir
    from segkit.training.evaluate import Scores

AS_TRAINED = PredictOptions()
WORST = 8  # worst images in page and JSON


@dataclass(frozen=True)
class EvaluateOptions:
    """Evaluation options.

    Args:
        native: whether to score at each image's own size, as with fit crop, instead of the recipe's.
        predict: prediction options.
        split: split to score; None is the one that the run reports.
    """

    native: bool = False
    predict: PredictOptions = AS_TRAINED
    split: SplitChoice | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores of a run or an ensemble of runs.

    Args:
        runs: run, or members of the ensemble.
        recipe: recipe of the first run, with overrides.
        options: evaluation options.
        images: scored images.
        scores: scores of the run or ensemble.
        members: scores of each member alone; empty for a single run.
        intervals: 95% confidence intervals by metric; NaN if undefined.
        details: what names of metrics do not say, by metric.
        reported: scores that the run reports; None for an ensemble.
        warnings: warnings in whole sentences.
        seconds: elapsed time of reading and scoring.
        scorer: scorer, to show single images.
        groups: number of groups of the images, over which the intervals are; None if each is one of its own.
        postprocess: post-processing of the scored masks, if there is any.
        cross_validation: folder of the cross-validation whose models each score the images that they were not
            trained on; None if all runs score all images.
        models_per_image: number of them that score each image.
    """

    runs: list[RunDir]
    recipe: Recipe
    options: EvaluateOptions
    images: ScoredImages
    scores: Scores
    members: list[Scores]
    intervals: dict[str, Interval]
    details: dict[str, str]
    reported: Reported | None
    warnings: list[str]
    seconds: float
    scorer: Scorer = field(repr=False)
    groups: int | None = None
    postprocess: PostprocessSettings | None = None
    cross_validation: Path | None = None
    models_per_image: int = 0

    @property
    def is_ensemble(self) -> bool:
        """Whether the mean of all runs is scored."""
        return len(self.runs) > 1 and not self.cross_validation

    @property
    def folders(self) -> list[Path]:
        """What is scored: the cross-validation, or the runs."""
        return [self.cross_validation] if self.cross_validation else [run.path for run in self.runs]

    @property
    def first_metric(self) -> str:
        """The recipe's first metric, which ranks images."""
        return self.recipe.metrics[0].key

    @cached_property
    def names(self) -> list[str]:
        """Names of the scored images, without folders of this machine."""
        return public_names([sample.name for sample in self.images.samples])

    @property
    def is_native(self) -> bool:
        """Whether images are scored at their own size."""
        return self.options.native or self.recipe.data.geometry.is_native

    def is_mean(self, metric: str) -> bool:
        """Whether a score is the mean over images; one over all images together is not."""
        return is_mean(self.scores.per_image[metric], self.scores.metrics[metric])

    @property
    def few_images_note(self) -> str:
        """A sentence about the intervals of few images; empty if there are none, or many images."""
        defined = any(math.isfinite(interval.high - interval.low) for interval in self.intervals.values())
        return few_images_note(len(self.images.samples), self.groups) if defined else ""

    def worst(self, count: int) -> list[int]:
        """Indices of the images with the worst scores of the first metric, worst first."""
        scores, names = self.scores.per_image[self.first_metric], self.names
        sign = 1 if entry_for(self.recipe.metrics[0]).traits["higher_is_better"] else -1
        defined = [index for index, score in enumerate(scores) if not math.isnan(score)]
        return sorted(defined, key=lambda index: (sign * scores[index], names[index]))[:count]

    def worst_caption(self, count: int, label: str) -> str:
        """Caption of `worst`, with the name of a score of one image."""
        scores = [score for score in self.scores.per_image[self.first_metric] if not math.isnan(score)]
        return worst_caption(min(count, len(scores)), scores, label)

    def describe_options(self) -> str:
        """Image size, models, flips, scales and post-processing in words."""
        predict, models = self.options.predict, self.models_per_image
        words = [f"at {size_text(self.recipe.data.geometry, native=self.is_native)}"]
        if self.cross_validation:
            whose = "the model" if models == 1 else f"the mean of the {models} models"
            words.append(f"each by {whose} not trained on it")
        if predict.flips:
            words.append("with flips")
        if predict.scales != (1.0,):
            words.append(f"scales {', '.join(f'{scale:g}' for scale in predict.scales)}")
        if self.postprocess:
            words.append(f"post-processed ({self.postprocess.in_words()})")
        return ", ".join(words)

    def as_json(self) -> dict[str, Any]:
        """Plain data, without images."""
        first = self.scores.per_image[self.first_metric]
        return {
            "run": str(self.runs[0].path),
            "runs": [str(run.path) for run in self.runs],
            "cross_validation": self.cross_validation and str(self.cross_validation),
            "split": self.images.split,
            "images": len(self.images.samples),
            "groups": self.groups,
            "native": self.is_native,
            "tta": self.options.predict.flips,
            "scales": [*self.options.predict.scales],
            "postprocess": self.postprocess and self.postprocess.model_dump(),
            "size": None if self.is_native else [*self.recipe.data.size],
            "metrics": self.scores.metrics,
            "metric_details": self.details,
            "intervals": {
                name: None if math.isnan(interval.high - interval.low) else [interval.low, interval.high]
                for name, interval in self.intervals.items()
            },
            "loss": self.scores.loss,
            **_classes(self.scores),
            "members": [
                {"run": str(run.path), "metrics": member.metrics, **_classes(member)}
                for run, member in zip(self.runs, self.members, strict=False)
            ],
            "worst": [{"image": self.names[i], self.first_metric: first[i]} for i in self.worst(WORST)],
            "seconds": self.seconds,
            "warnings": self.warnings,
        }


def _classes(scores: Scores) -> dict[str, Any]:
    return scores.classes.as_json() if scores.classes else {}


def run_name(run: RunDir) -> str:
    """Last two folders of a run's path, such as ``isic_frozen/001``."""
    return "/".join(run.path.absolute().parts[-2:])
