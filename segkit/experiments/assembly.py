"""Assembly of a run: data, model, losses and metrics built from a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from segkit.core.types import Loss, Metric, Progress, Schedule, Task
from segkit.data.batches import EvalBatches, TrainBatches
from segkit.data.eval_windows import EvalWindows
from segkit.data.preprocess import Prepared
from segkit.data.source_scan import SourceScan
from segkit.data.splits import groups_by_split
from segkit.experiments.assembly_checks import check_batch_size, check_postprocess, warnings_for
from segkit.experiments.augmentation import try_transforms
from segkit.experiments.objectives import (
    build_loss,
    build_metric,
    whole_image_metrics,
)
from segkit.experiments.optimization import optimizer_for, schedule_for, try_optimization
from segkit.models.build import build_model
from segkit.models.dry_run import ModelSpec, dry_run
from segkit.models.feature_cache import ENCODE_BATCH_SIZE
from segkit.models.segmenter import Segmenter
from segkit.models.training_check import check_training
from segkit.parts.losses.weighted_sum import weighted_sum
from segkit.recipe import Recipe, entry_for
from segkit.recipe.balanced_weights import with_balanced_weights
from segkit.recipe.build import Transforms
from segkit.recipe.dataset import (
    dataset_warnings,
    prepare_splits,
    reading_warnings,
    scan_recipe_source,
    scan_samples,
)
from segkit.recipe.fit_warnings import fit_warnings
from segkit.recipe.resolve import range_warnings, with_measured_range
from segkit.recipe.training_samples import TrainingSamples, training_samples
from segkit.training.devices import make_fabric
from segkit.training.evaluate import (
    OnLogits,
    Scores,
    evaluate,
    ignore_logits,
    image_logits,
    predict_logits,
)
from segkit.training.evaluate_images import evaluate_images, predict_image

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn

    from segkit.core.types import Sample
    from segkit.recipe.data_settings import DataSettings

# Transforms with at most eight distinct outputs per image: the same pixels recur in later epochs.
_FEW_OUTPUTS = {"HorizontalFlip", "VerticalFlip", "Transpose", "RandomRotate90", "D4", "SquareSymmetry"}
_PIXELS_AT_ONCE = 8 * 256**2  # of windows that a frozen encoder gets together
_CACHE_FRACTION = 0.5  # of recurring training images from which caching encoder features pays off


@dataclass(frozen=True)
class Assembly:
    """Everything a run needs, built.

    Args:
        recipe: checked recipe, with numbers for `data.channels` and, unless all training images have 8 bits,
            `data.range`; and for balanced weights of losses.
        given: the recipe before the range was measured and the classes were counted.
        fabric: device, precision and processes.
        task: what is predicted.
        samples: samples by official split of the source.
        groups: group of each sample by name, by split; empty without `data.split.group`.
        spec: shapes and stages of the model.
        model: model with pretrained weights, on the CPU.
        loss: weighted sum of the recipe's losses.
        metrics: metrics by name, in the recipe's order.
        splits: preprocessed images by split.
        data_warnings: warnings about images, as sentences.
        left_out: training images that `data.fraction` leaves out.
        val_split: split scored after every epoch.
        test_split: split on which the best checkpoint is scored.
    """

    recipe: Recipe
    given: Recipe
    fabric: Fabric
    task: Task
    samples: Mapping[str, Sequence[Sample]]
    groups: Mapping[str, Mapping[str, str]]
    spec: ModelSpec
    model: Segmenter
    loss: Loss
    metrics: dict[str, Metric]
    splits: dict[str, Prepared]
    data_warnings: list[str]
    left_out: int
    val_split: str
    test_split: str

    @property
    def images(self) -> dict[str, int]:
        """Number of images by split."""
        return {split: len(prepared) for split, prepared in self.splits.items()}

    @property
    def scored_groups(self) -> list[str] | None:
        """Group of each image of the reported split; None without `data.split.group`, or if it has none."""
        groups = self.groups.get(self.test_split)
        return [groups[name] for name in self.splits[self.test_split].names] if groups else None

    @property
    def warnings(self) -> list[str]:
        """Warnings about scores and images, as sentences."""
        about_scores = warnings_for(self.recipe, set(self.splits), self.fabric.world_size)
        whole = whole_image_metrics(self.metrics)
        about_fit = fit_warnings(self.recipe.data, self.recipe.training.epochs, self.splits, whole)
        about_reading = reading_warnings(self.splits)
        return [*self.data_warnings, *about_fit, *about_scores, *self.spec.warnings, *about_reading]

    @property
    def higher_is_better(self) -> bool:
        """Whether higher scores of the first metric are better."""
        return bool(entry_for(self.recipe.metrics[0]).traits["higher_is_better"])

    @cached_property
    def training_samples(self) -> TrainingSamples:
        """Samples of the training epochs."""
        return training_samples(self.recipe, self.splits["train"], self.samples.get("train", ()))

    def train_batches(self) -> TrainBatches:
        """Augmented training batches; with several processes, this process's share of each batch."""
        data, train, samples = self.recipe.data, self.splits["train"], self.training_samples
        transforms = Transforms.of(self.recipe)
        workers = None if data.workers == "auto" else data.workers
        return TrainBatches(
            train.images, train.masks, transforms, data.batch_size, self.recipe.seed,
            workers=workers, on_cpu=self.fabric.device.type == "cpu",
            rank=self.fabric.global_rank, processes=self.fabric.world_size, pixel_range=data.pixel_range,
            others=transforms.others, epochs=samples.epochs, windows=samples.windows,
        )  # fmt: skip

    def eval_batches(self, split: str) -> EvalBatches | EvalWindows:
        """Images of a split in order, or their windows, without augmentation."""
        prepared, data = self.splits[split], self.recipe.data
        images, masks, size = prepared.images, prepared.masks, data.scoring_batch_size
        if self.task.ignore_index is None or data.fit == "stretch":
            return EvalBatches(images, masks, size, pixel_range=data.pixel_range)
        padding, pixel_range = self.task.ignore_index, data.pixel_range
        return EvalWindows(images, masks, data.geometry, size, padding=padding, pixel_range=pixel_range)

    def scorer(
        self, split: str, on_progress: Progress, on_logits: OnLogits = ignore_logits
    ) -> Callable[[nn.Module], Scores]:
        """Function that scores a model on whole images of a split, with a callback as in `evaluate`."""
        score, where = (evaluate_images, " in windows") if self.recipe.data.crop else (evaluate, "")
        label = f"scoring {split} images{where}"
        return self._scorer(score, self.eval_batches(split), label, on_progress, on_logits)

    def epoch_scorer(self, on_progress: Progress) -> Callable[[nn.Module], Scores]:
        """Function that scores a model after an epoch, on the validation images or some of their windows."""
        batches, windows = self.eval_batches(self.val_split), self.recipe.data.validate_windows
        if windows is None or not isinstance(batches, EvalWindows):
            return self.scorer(self.val_split, on_progress)
        label = f"scoring windows of {self.val_split} images"
        return self._scorer(evaluate, batches.drawn(windows, self.recipe.seed), label, on_progress)

    def predict(self, split: str, index: int) -> Iterator[tuple[slice, Tensor]]:
        """Rows and their logits (1, K, rows, W) of one image, as they are scored, from top to bottom."""
        batches = self.eval_batches(split)
        if isinstance(batches, EvalWindows) and batches.fit.is_native:
            yield from predict_image(self.model, batches, index, self.task, self.fabric)
            return
        (batch,) = batches.batches(range(index, index + 1))
        for _, rows, logits in image_logits(batch, predict_logits(self.model, batch.image, self.fabric)):
            yield rows, logits

    def _scorer(
        self,
        score: Callable[..., Scores],
        batches: EvalBatches | EvalWindows,
        label: str,
        on_progress: Progress,
        on_logits: OnLogits = ignore_logits,
    ) -> Callable[[nn.Module], Scores]:
        total = len(batches)
        return lambda model: score(
            model, batches, self.task, self.metrics, self.loss, self.fabric,
            lambda done: on_progress(label, done, total), on_logits,
        )  # fmt: skip

    def optimization(self, steps_per_epoch: int) -> tuple[torch.optim.Optimizer, Schedule]:
        """Optimiser and schedule of the model's parameters on their current device."""
        optimizer = build_optimizer(self.recipe, self.model)
        return optimizer, schedule_for(self.recipe, optimizer, steps_per_epoch)


def assemble(
    recipe: Recipe,
    on_progress: Progress = lambda label, done, total: None,
    *,
    fabric: Fabric | None = None,
    to_train: bool = True,
    scored: dict[str, list[Sample]] | None = None,
) -> Assembly:
    """Build everything that a recipe names; random weights are the same every time.

    Args:
        recipe: result of `load_recipe`.
        on_progress: callback of (label, done, total).
        fabric: processes that train together; by default this process on the recipe's device.
        to_train: False for a model whose weights come from a checkpoint: pretrained weights are not read, and
            only images of the test split are.
        scored: samples to score by split name, instead of the recipe's.

    Raises:
        SegkitError: if data, weights or shapes are invalid.
    """
    fabric = fabric or make_fabric(recipe.training)
    with fabric.rank_zero_first(local=True):  # the other processes find its downloads and cache
        source_scan = SourceScan(scored or {})
        if not scored:
            recipe, source_scan = scan_recipe_source(recipe)
        found = source_scan if scored else scan_samples(recipe, source_scan, on_progress)
        samples = found.whole()
        spec = dry_run(recipe.model, recipe.data)
        if to_train:
            images = len(samples["train"])
            check_batch_size(recipe, images, fabric.world_size)
            check_postprocess(recipe, samples)
            drawn = recipe.data.samples_per_epoch(images)
            device, processes = str(fabric.device), fabric.world_size
            check_training(spec, recipe.model, recipe.data, drawn, device, processes=processes)
            try_optimization(recipe, recipe.data.steps_per_epoch(images))
        model = build_model(recipe, spec, pretrained=to_train)
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            from segkit.parts.encoders._sync_batchnorm import sync_batchnorm

            sync_batchnorm(model.decoder if model.frozen else model)
        recurring = recurring_fraction(recipe.data) >= _CACHE_FRACTION
        model.enable_feature_cache(training=recurring, at_once=encoded_at_once(recipe.data))
        if not to_train:  # images are scored once
            model.stop_caching()
        test_split = next(iter(scored)) if scored else "test" if samples.get("test") else "val"
        to_read = samples if to_train else {test_split: samples[test_split]}
        splits = prepare_splits(recipe, to_read, on_progress)
        given = recipe
        if to_train:
            recipe = with_balanced_weights(with_measured_range(recipe, splits["train"]), splits["train"])
            try_transforms(recipe.data, splits["train"])
        assembly = Assembly(
            recipe=recipe,
            given=given,
            fabric=fabric,
            task=recipe.data.padded_goal,
            samples=source_scan.splits,
            groups=groups_by_split(samples, recipe.data.split),
            spec=spec,
            model=model,
            loss=build_losses(recipe),
            metrics={part.key: build_metric(part, recipe.data.padded_goal) for part in recipe.metrics},
            splits=splits,
            data_warnings=[
                *dataset_warnings(found, splits, chosen=recipe.training.select == "best"),
                *range_warnings(given, recipe, splits),
            ],
            left_out=found.left_out,
            val_split="val" if samples.get("val") else "test",
            test_split=test_split,
        )
        if to_train:
            _ = assembly.training_samples  # its errors come before a run directory is made
        return assembly


def recurring_fraction(data: DataSettings) -> float:
    """Expected fraction of augmented images whose exact pixels recur in other epochs."""
    if data.crop:
        return 0.0  # windows are drawn anew
    others = [float(part.options.get("p", 1.0)) for part in data.augment if part.name not in _FEW_OUTPUTS]
    return math.prod(1 - probability for probability in others)


def encoded_at_once(data: DataSettings) -> int:
    """Images that a frozen encoder gets together: of large windows few, as its first maps are the largest."""
    if not data.crop:
        return ENCODE_BATCH_SIZE
    return max(2, min(ENCODE_BATCH_SIZE, _PIXELS_AT_ONCE // math.prod(data.size)))


def build_losses(recipe: Recipe) -> Loss:
    """The weighted sum of the recipe's losses."""
    return weighted_sum([(part.weight, build_loss(part, recipe.data.padded_goal)) for part in recipe.loss])


def build_optimizer(recipe: Recipe, model: Segmenter) -> torch.optim.Optimizer:
    """The optimiser of the model's parameters on their current device."""
    return optimizer_for(recipe, model.parameter_groups(recipe.model.encoder.lr_factor))
