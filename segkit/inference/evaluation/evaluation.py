"""Runs in, scores out, with all that belongs to them: intervals, members, the worst images, warnings."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segkit.core.errors import SegkitError
from segkit.experiments.finished_run import read_run, restore, use_available_device
from segkit.experiments.objectives import build_metric
from segkit.inference.evaluation.confidence import interval_of
from segkit.inference.evaluation.leaks import warn_of_leaks
from segkit.inference.evaluation.score_images import PredictorScorer, Scorer
from segkit.inference.evaluation.score_resized import ResizedScorer
from segkit.inference.evaluation.select_images import Images, choose_images
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.inference.options import PredictOptions
from segkit.inference.predictor import Predictor
from segkit.inference.torch_network import RunNetwork, open_network
from segkit.recipe import entry_for

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.analysis.comparison.result import Interval
    from segkit.core.types import Metric, Progress
    from segkit.recipe import Recipe
    from segkit.runs.run_dir import RunDir
    from segkit.training.evaluate import Scores

AS_TRAINED = PredictOptions()
WORST = 8  # images that are shown


@dataclass(frozen=True)
class Asking:
    """How runs are scored.

    Args:
        native: at each image's own size, as the ISIC challenges do, not at the recipe's.
        ways: how the networks are asked.
        images: which ones, where not those that the run reports its scores on.
    """

    native: bool = False
    ways: PredictOptions = AS_TRAINED
    images: SplitChoice | None = None


@dataclass(frozen=True)
class Evaluation:
    """What one run, or the mean of several, scores on some images.

    Args:
        runs: the members.
        recipe: of the first one, changed as the user says.
        asking: how they were scored.
        images: that were scored.
        scores: of all members together.
        members: of several, what each scores alone.
        intervals: 95%, by metric; NaN where there is none.
        warnings: whole sentences.
        seconds: reading and scoring.
        subject: shows single images again.
    """

    runs: list[RunDir]
    recipe: Recipe
    asking: Asking
    images: Images
    scores: Scores
    members: list[Scores]
    intervals: dict[str, Interval]
    warnings: list[str]
    seconds: float
    subject: Scorer = field(repr=False)

    @property
    def first_metric(self) -> str:
        """The recipe's first metric, by which images are ranked."""
        return self.recipe.metrics[0].name

    @property
    def names(self) -> list[str]:
        """Of the scored images."""
        return [sample.name for sample in self.images.samples]

    def worst(self, most: int) -> list[int]:
        """The numbers of the images with the worst scores of the first metric, the worst one first."""
        scores, names = self.scores.per_image[self.first_metric], self.names
        sign = 1 if entry_for(self.recipe.metrics[0]).traits["higher_is_better"] else -1
        defined = [index for index, score in enumerate(scores) if not math.isnan(score)]
        return sorted(defined, key=lambda index: (sign * scores[index], names[index]))[:most]

    def how(self) -> str:
        """At which size, and how the networks were asked, in words."""
        height, width = self.recipe.data.size
        ways = self.asking.ways
        words = ["at the images' own size" if self.asking.native else f"at {width}x{height}"]
        words += ["mirrored too"] if ways.flips else []
        words += (
            [f"scales {', '.join(f'{scale:g}' for scale in ways.scales)}"] if ways.scales != (1.0,) else []
        )
        return ", ".join(words)

    def as_json(self) -> dict[str, Any]:
        """All but the pictures, as plain data."""
        first = self.scores.per_image[self.first_metric]
        return {
            "run": str(self.runs[0].path),
            "runs": [str(run.path) for run in self.runs],
            "split": self.images.split,
            "images": len(self.images.samples),
            "native": self.asking.native,
            "tta": self.asking.ways.flips,
            "scales": [*self.asking.ways.scales],
            "metrics": self.scores.metrics,
            "intervals": {
                name: None if math.isnan(one.high - one.low) else [one.low, one.high]
                for name, one in self.intervals.items()
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
    asking: Asking,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> Evaluation:
    """Score a run's best weights, or several runs' as one model: the mean of their probabilities.

    One run that is asked as it was in training is scored as it was then, with the same figures. Otherwise
    probabilities become logits again, at the size that is scored, and metrics take those.

    Args:
        runs: complete ones.
        asking: how.
        overrides: changes of their recipes, as `--set` takes them; images and metrics are the first one's.
        plugins: files or folders with the parts that they used.
        on_progress: callback of (label, done, total).

    Raises:
        SegkitError: if the runs cannot be asked so, or something is wrong with them or with the images.
    """
    started = time.perf_counter()
    recipe, changed = read_run(runs[0], overrides, plugins)
    recipe, moved = use_available_device(recipe, overrides)
    if overrides:
        _refuse_other_classes(runs[0], recipe, plugins)
    images = choose_images(recipe, overrides, asking.images)
    metrics: dict[str, Metric]
    if len(runs) > 1 or asking.native or asking.ways != AS_TRAINED:
        networks = _open(runs, asking, overrides, plugins, recipe)
        metrics = {part.name: build_metric(part, recipe.data.goal) for part in recipe.metrics}
        label = f"scoring {images}"
        subject: Scorer = PredictorScorer(
            networks, images.samples, metrics, asking.ways, asking.native, label
        )
        warnings = [*moved, *dict.fromkeys(told for network in networks for told in network.warnings)]
    else:
        trained = restore(runs[0], recipe, changed, on_progress, {images.split: images.samples})
        subject, metrics = ResizedScorer(trained), trained.assembly.metrics
        warnings = [*moved, *trained.warnings]
    if overrides or asking.images or len(runs) > 1:
        for run in runs:
            own, _ = read_run(run, (), plugins)
            warnings += warn_of_leaks(name_of(run), own, images.samples, recipe)
    scores, *members = subject.scores(on_progress)
    return Evaluation(
        runs=[*runs],
        recipe=recipe,
        asking=asking,
        images=images,
        scores=scores,
        members=members,
        intervals={name: interval_of(metric, scores.rows[name]) for name, metric in metrics.items()},
        warnings=warnings,
        seconds=time.perf_counter() - started,
        subject=subject,
    )


def _refuse_other_classes(run: RunDir, recipe: Recipe, plugins: Sequence[Path]) -> None:
    """A model knows the classes that it has learnt, whatever they are called now.

    Raises:
        SegkitError: if the changed recipe has others.
    """
    learnt, asked = read_run(run, (), plugins)[0].data.goal, recipe.data.goal
    if (learnt.kind, learnt.classes) != (asked.kind, asked.classes):
        raise SegkitError(
            f"{name_of(run)} has learnt {learnt.kind} {', '.join(learnt.classes)}, "
            f"and --set asks for {asked.kind} {', '.join(asked.classes)}",
            hint="leave data.classes and data.task as they are",
        )


def name_of(run: RunDir) -> str:
    """``isic_frozen/001``."""
    return "/".join(run.path.absolute().parts[-2:])


def _open(
    runs: Sequence[RunDir], asking: Asking, overrides: Sequence[str], plugins: Sequence[Path], recipe: Recipe
) -> list[RunNetwork]:
    """The members' networks, which can be asked as one.

    Raises:
        SegkitError: if they cannot.
    """
    training = recipe.training
    changes = [*overrides, f"training.precision={training.precision}"]
    networks = [
        open_network(run, plugins, accelerator=training.accelerator, overrides=changes) for run in runs
    ]
    Predictor(networks)  # checks that they predict the same
    first, *others = (network.facts.size for network in networks)
    for run, size in zip(runs[1:], others, strict=True):
        if size != first and not asking.native:
            raise SegkitError(
                f"{name_of(runs[0])} looks at images of {first[1]}x{first[0]} pixels, "
                f"{name_of(run)} at {size[1]}x{size[0]}: their scores are not of one size",
                hint="--native scores all of them at the images' own size",
            )
    for network in networks:
        asking.ways.check(network.facts)
    return networks
