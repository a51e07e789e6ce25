"""Evaluation of finished runs: scores, intervals, ensemble members, worst images, warnings."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from segkit.analysis.report.format import is_mean
from segkit.core.errors import SegkitError
from segkit.data.scales import sampled_scales
from segkit.experiments.confidence import confidence_interval
from segkit.experiments.metric_details import metric_details
from segkit.experiments.objectives import build_metric
from segkit.experiments.restore_run import read_run, restore, use_available_device
from segkit.inference.evaluation.leaks import leak_warnings
from segkit.inference.evaluation.reported import Reported, reported_scores, size_text
from segkit.inference.evaluation.score_images import PredictorScorer, ResizedScorer, Scorer
from segkit.inference.evaluation.select_images import ScoredImages, choose_images
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.inference.options import PredictOptions
from segkit.inference.predictor import Predictor
from segkit.inference.scale_warnings import scale_warnings
from segkit.inference.torch_network import TorchNetwork, open_network
from segkit.recipe import entry_for
from segkit.utils.public_text import public_names

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.analysis.comparison.result import Interval
    from segkit.core.types import Metric, Progress
    from segkit.recipe import Recipe
    from segkit.runs.run_dir import RunDir
    from segkit.training.evaluate import Scores

AS_TRAINED = PredictOptions()
WORST = 8  # worst images in page and JSON


@dataclass(frozen=True)
class EvaluateOptions:
    """Evaluation options.

    Args:
        native: whether to score at each image's own size instead of the recipe's.
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

    @property
    def first_metric(self) -> str:
        """The recipe's first metric, which ranks images."""
        return self.recipe.metrics[0].name

    @cached_property
    def names(self) -> list[str]:
        """Names of the scored images, without folders of this machine."""
        return public_names([sample.name for sample in self.images.samples])

    def is_mean(self, metric: str) -> bool:
        """Whether a score is the mean over images; one over all images together is not."""
        return is_mean(self.scores.per_image[metric], self.scores.metrics[metric])

    def worst(self, count: int) -> list[int]:
        """Indices of the images with the worst scores of the first metric, worst first."""
        scores, names = self.scores.per_image[self.first_metric], self.names
        sign = 1 if entry_for(self.recipe.metrics[0]).traits["higher_is_better"] else -1
        defined = [index for index, score in enumerate(scores) if not math.isnan(score)]
        return sorted(defined, key=lambda index: (sign * scores[index], names[index]))[:count]

    def describe_options(self) -> str:
        """Image size, flips and scales in words."""
        predict = self.options.predict
        size = "the images' own size" if self.options.native else size_text(self.recipe.data.size)
        words = [f"at {size}"]
        if predict.flips:
            words.append("with flips")
        if predict.scales != (1.0,):
            words.append(f"scales {', '.join(f'{scale:g}' for scale in predict.scales)}")
        return ", ".join(words)

    def as_json(self) -> dict[str, Any]:
        """Plain data, without images."""
        first = self.scores.per_image[self.first_metric]
        return {
            "run": str(self.runs[0].path),
            "runs": [str(run.path) for run in self.runs],
            "split": self.images.split,
            "images": len(self.images.samples),
            "native": self.options.native,
            "tta": self.options.predict.flips,
            "scales": [*self.options.predict.scales],
            "size": None if self.options.native else [*self.recipe.data.size],
            "metrics": self.scores.metrics,
            "metric_details": self.details,
            "intervals": {
                name: None if math.isnan(interval.high - interval.low) else [interval.low, interval.high]
                for name, interval in self.intervals.items()
            },
            "loss": self.scores.loss,
            "members": [
                {"run": str(run.path), "metrics": member.metrics}
                for run, member in zip(self.runs, self.members, strict=False)
            ],
            "worst": [{"image": self.names[i], self.first_metric: first[i]} for i in self.worst(WORST)],
            "seconds": self.seconds,
            "warnings": self.warnings,
        }


def evaluate_runs(
    runs: Sequence[RunDir],
    options: EvaluateOptions,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> Evaluation:
    """Score the best checkpoint of a run, or the mean probabilities of several runs.

    A single run with default options repeats its final evaluation. Otherwise metrics take the logits of the
    probabilities at the scored size.

    Args:
        runs: complete run directories.
        options: evaluation options.
        overrides: recipe changes, as for `--set`; images and metrics are those of the first run.
        plugins: files or folders with the parts they used.
        on_progress: callback of (label, done, total).

    Raises:
        SegkitError: if the runs cannot be scored with these options, or runs or images are damaged.
    """
    started = time.perf_counter()
    trained_with = [read_run(run, (), plugins)[0] for run in runs]
    recipe, changed = read_run(runs[0], overrides, plugins)
    recipe, warnings = use_available_device(recipe, overrides)
    if overrides:
        _check_same_classes(runs[0], trained_with[0], recipe)
    images = choose_images(recipe, overrides, options.split)
    metrics: dict[str, Metric]
    if len(runs) > 1 or options.native or options.predict != AS_TRAINED:
        networks = _open_networks(runs, options, overrides, plugins, recipe)
        metrics = {part.name: build_metric(part, recipe.data.goal) for part in recipe.metrics}
        label = f"scoring {images}"
        scorer: Scorer = PredictorScorer(
            networks, images.samples, metrics, options.predict, options.native, label
        )
        changes = [*dict.fromkeys(warning for network in networks for warning in network.warnings)]
        sizes = [network.info.size for network in networks]
    else:
        restored = restore(runs[0], recipe, changed, on_progress, {images.split: images.samples})
        scorer, metrics, changes = ResizedScorer(restored), restored.assembly.metrics, restored.warnings
        sizes = [recipe.data.size]
    warnings = [*warnings, *changes]
    for run, trained, size in zip(runs, trained_with, sizes, strict=True):
        warnings += leak_warnings(run_name(run), trained, images.samples, recipe)
        scales = run.read_environment().image_scales
        warnings += scale_warnings(scales, sampled_scales(images.samples, size), "sampled images")
    scores, *members = scorer.scores(on_progress)
    reported = reported_scores(runs[0], trained_with[0], recipe, same_images=scorer.as_reported)
    return Evaluation(
        runs=[*runs],
        recipe=recipe,
        options=options,
        images=images,
        scores=scores,
        members=members,
        intervals={name: confidence_interval(metric, scores.rows[name]) for name, metric in metrics.items()},
        details=metric_details(recipe.metrics),
        reported=None if members else reported,
        warnings=warnings,
        seconds=time.perf_counter() - started,
        scorer=scorer,
    )


def _check_same_classes(run: RunDir, trained_with: Recipe, recipe: Recipe) -> None:
    trained, changed = trained_with.data.goal, recipe.data.goal
    if (trained.kind, trained.classes) != (changed.kind, changed.classes):
        raise SegkitError(
            f"{run_name(run)} was trained for {trained.kind} {', '.join(trained.classes)}, "
            f"but --set changes this to {changed.kind} {', '.join(changed.classes)}",
            hint="do not change data.classes and data.task",
        )


def run_name(run: RunDir) -> str:
    """Last two folders of a run's path, such as ``isic_frozen/001``."""
    return "/".join(run.path.absolute().parts[-2:])


def _open_networks(
    runs: Sequence[RunDir],
    options: EvaluateOptions,
    overrides: Sequence[str],
    plugins: Sequence[Path],
    recipe: Recipe,
) -> list[TorchNetwork]:
    training = recipe.training
    changes = [*overrides, f"training.precision={training.precision}"]
    networks = [
        open_network(run, plugins, accelerator=training.accelerator, overrides=changes) for run in runs
    ]
    Predictor(networks)  # checks that they predict the same classes
    first, *others = (network.info.size for network in networks)
    for run, size in zip(runs[1:], others, strict=True):
        if size != first and not options.native:
            raise SegkitError(
                f"{run_name(runs[0])} takes images of {first[1]}x{first[0]} pixels, "
                f"{run_name(run)} of {size[1]}x{size[0]}: their scores are not comparable",
                hint="use --native to score at the images' own size",
            )
    for network in networks:
        options.predict.check(network.info)
    return networks
