"""From names to objects: a checked recipe becomes an `Assembly` that `fit` can train."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from segkit.core.errors import SegkitError
from segkit.core.types import Loss, Metric, Progress, Schedule, Task
from segkit.data.batches import EvalBatches, TrainBatches
from segkit.data.preprocess import Prepared
from segkit.experiments.objectives import build_loss, build_metric
from segkit.models.build import build_model
from segkit.models.dry_run import ModelSpec, dry_run
from segkit.models.segmenter import Segmenter
from segkit.parts.losses.weighted_sum import weighted_sum
from segkit.parts.schedules.warmup import build_schedule
from segkit.recipe import Recipe, entry_for
from segkit.recipe.build import build
from segkit.recipe.dataset import find_samples, prepare_splits, reading_warnings, survey_source
from segkit.training.devices import make_fabric
from segkit.training.evaluate import Scores, evaluate

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn

    from segkit.core.types import Sample
    from segkit.recipe.part_schema import TransformPart

# What they make of an image is one of a few images.
_OF_FEW = {"HorizontalFlip", "VerticalFlip", "Transpose", "RandomRotate90", "D4", "SquareSymmetry"}
_OFTEN = 0.5  # share of training images that must come again for keeping all of them to be worth it


@dataclass(frozen=True)
class Assembly:
    """Everything a run needs, built.

    Args:
        recipe: what it was built from.
        fabric: device, precision and processes.
        task: what is predicted.
        samples: those that were found, by the source's own splits.
        spec: the shape of the model.
        model: with its pretrained weights, on the CPU.
        loss: the weighted sum of the recipe's losses.
        metrics: by name, in the recipe's order.
        splits: the prepared images.
        val_split: the split that is scored after every epoch.
        test_split: the split that the best checkpoint is scored on at the end.
    """

    recipe: Recipe
    fabric: Fabric
    task: Task
    samples: Mapping[str, Sequence[Sample]]
    spec: ModelSpec
    model: Segmenter
    loss: Loss
    metrics: dict[str, Metric]
    splits: dict[str, Prepared]
    val_split: str
    test_split: str

    @property
    def warnings(self) -> list[str]:
        """What the user should know of scores and images, in whole sentences."""
        return [*warnings_for(self.recipe, set(self.splits)), *reading_warnings(self.splits)]

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score of the first metric is the better one."""
        return bool(entry_for(self.recipe.metrics[0]).traits["higher_is_better"])

    def train_batches(self) -> TrainBatches:
        """The training images, augmented; for one of several processes, its share of every batch."""
        data = self.recipe.data
        train = self.splits["train"]
        transforms = [build(part) for part in data.augment]
        workers = None if data.workers == "auto" else data.workers
        return TrainBatches(
            train.images, train.masks, transforms, data.batch_size, self.recipe.seed,
            workers=workers, on_cpu=self.fabric.device.type == "cpu",
            rank=self.fabric.global_rank, processes=self.fabric.world_size,
        )  # fmt: skip

    def eval_batches(self, split: str) -> EvalBatches:
        """The images of a split, in order, as they are."""
        prepared = self.splits[split]
        return EvalBatches(prepared.images, prepared.masks, self.recipe.data.scoring_batch_size)

    def scorer(
        self, split: str, on_progress: Progress, keep: Callable[[Tensor], None] = lambda logits: None
    ) -> Callable[[nn.Module], Scores]:
        """Scores a model on a split, in the fabric's precision; `keep` is given the logits of every batch."""
        batches = self.eval_batches(split)
        label, total = f"scoring {split} images", len(batches)
        return partial(
            evaluate,
            batches=batches,
            metrics=self.metrics,
            loss=self.loss,
            fabric=self.fabric,
            on_progress=lambda done: on_progress(label, done, total),
            on_logits=keep,
        )

    def optimization(self, steps_per_epoch: int) -> tuple[torch.optim.Optimizer, Schedule]:
        """Optimiser and schedule over the model's parameters, wherever the model is by now."""
        recipe = self.recipe
        optimizer = build_optimizer(recipe, self.model)
        schedule = build_schedule(
            entry_for(recipe.schedule).factory,
            optimizer,
            recipe.training.epochs,
            steps_per_epoch,
            warmup_epochs=recipe.schedule.warmup_epochs,
            options=recipe.schedule.options,
        )
        return optimizer, schedule


def assemble(
    recipe: Recipe,
    on_progress: Progress = lambda label, done, total: None,
    *,
    fabric: Fabric | None = None,
    to_train: bool = True,
    scored: dict[str, list[Sample]] | None = None,
) -> Assembly:
    """Build everything a recipe names, from the same random state every time.

    Args:
        recipe: as `load_recipe` gives it.
        on_progress: callback of (label, done, total).
        fabric: processes that train together; by default this one alone, on the recipe's device.
        to_train: false for a model whose weights come from a checkpoint: no pretrained weights are read, and
            of the images only those that scores are reported on.
        scored: those, under the name of their split, where they are not the recipe's own.

    Raises:
        SegkitError: whatever is wrong with data, weights or shapes, before any training.
    """
    fabric = fabric or make_fabric(recipe.training)
    with fabric.rank_zero_first(local=True):  # what it downloads or keeps, the others find
        found, samples = (scored, scored) if scored else _find(recipe)
        if to_train:
            refuse_empty_shares(recipe, len(samples["train"]), fabric.world_size)
        spec = dry_run(recipe.model, recipe.data)
        model = build_model(recipe, spec, pretrained=to_train)
        model.enable_feature_cache(training=share_that_comes_again(recipe.data.augment) >= _OFTEN)
        reported_on = next(iter(scored)) if scored else "test" if samples.get("test") else "val"
        read = samples if to_train else {reported_on: samples[reported_on]}
        return Assembly(
            recipe=recipe,
            fabric=fabric,
            task=recipe.data.goal,
            samples=found,
            spec=spec,
            model=model,
            loss=build_losses(recipe),
            metrics={part.name: build_metric(part, recipe.data.goal) for part in recipe.metrics},
            splits=prepare_splits(recipe, read, on_progress),
            val_split="val" if samples.get("val") else "test",
            test_split=reported_on,
        )


def _find(recipe: Recipe) -> tuple[Mapping[str, Sequence[Sample]], dict[str, list[Sample]]]:
    """Samples by the source's own splits, and by the recipe's."""
    found = survey_source(recipe)
    return found.splits, find_samples(recipe, found)


def refuse_empty_shares(recipe: Recipe, images: int, processes: int) -> None:
    """See to it that every process gets an image of every batch.

    Args:
        recipe: as loaded.
        images: for training.
        processes: that train together.

    Raises:
        SegkitError: if the smallest batch of an epoch has too few.
    """
    wanted = recipe.data.batch_size
    smallest = images // math.ceil(images / wanted)
    if smallest < processes:
        raise SegkitError(
            f"data.batch_size: {processes} processes share every batch, and the smallest batch of "
            f"{images} training images, at most {wanted} at a time, has {smallest}",
            hint=f"at most {smallest} processes (training.devices, training.num_nodes), or larger batches",
        )


def warnings_for(recipe: Recipe, splits: set[str]) -> list[str]:
    """What a reader of the scores should know, in whole sentences.

    Args:
        recipe: as loaded.
        splits: the names of the splits that have images.
    """
    warnings = []
    if "val" not in splits:
        warnings.append(
            "The best epoch is chosen on the test images themselves, as there is no validation split: "
            "its score is optimistic. data.split: {by: fraction, val: 0.2} keeps images aside for the choice."
        )
    elif "test" not in splits:
        warnings.append(
            "There are no test images: the final scores are of the validation images on which the best epoch "
            "was chosen, and so they are optimistic."
        )
    encoder = recipe.model.encoder
    if encoder.frozen and encoder.options.get("weights") == "none":
        warnings.append("The frozen encoder has random weights (weights: none); it will never learn.")
    return warnings


def share_that_comes_again(augment: Sequence[TransformPart]) -> float:
    """The share of augmented images that are one of a few, so that they are seen again in another epoch.

    Args:
        augment: the recipe's transforms.
    """
    others = [float(part.options.get("p", 1.0)) for part in augment if part.name not in _OF_FEW]
    return math.prod(1 - probability for probability in others)


def build_losses(recipe: Recipe) -> Loss:
    """The weighted sum of the recipe's losses."""
    return weighted_sum([(part.weight, build_loss(part, recipe.data.goal)) for part in recipe.loss])


def build_optimizer(recipe: Recipe, model: Segmenter) -> torch.optim.Optimizer:
    """The optimiser over the model's parameters, wherever the model is by now."""
    groups = model.parameter_groups(recipe.model.encoder.lr_factor)
    optimizer: torch.optim.Optimizer = build(recipe.optimizer, groups)
    return optimizer
