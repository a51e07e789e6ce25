"""Summary of a finished run, as in `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from segkit.core.class_scores import image_words
from segkit.experiments.confidence import confidence_intervals
from segkit.experiments.metric_details import metric_details
from segkit.runs.reference import read_reference
from segkit.runs.schema import EpochScores, Frozen, SplitScores, Summary
from segkit.utils import machine

if TYPE_CHECKING:
    from segkit.core.events import EpochEnded, RunStarted
    from segkit.experiments.assembly import Assembly
    from segkit.recipe import Recipe
    from segkit.recipe.postprocess_record import PostprocessRecord
    from segkit.recipe.postprocess_settings import PostprocessSettings
    from segkit.training.evaluate import Scores


def summarise(
    assembly: Assembly,
    started: RunStarted,
    epochs: Sequence[EpochEnded],
    scores: Scores,
    best_classes: Mapping[str, Any],
    *,
    seconds: float,
    encoder_digests: tuple[str, str],
    postprocess: PostprocessSettings | None = None,
    chosen: PostprocessRecord | None = None,
    postprocessed: Scores | None = None,
) -> Summary:
    """Summarise a run.

    Args:
        assembly: its parts.
        started: its start event.
        epochs: its epochs.
        scores: scores of the best checkpoint on the reported split.
        best_classes: scores of the classes in the best epoch, on the split that chose it.
        seconds: duration.
        encoder_digests: digests of the encoder before and after training.
        postprocess: post-processing of masks, if there is any.
        chosen: how it was chosen, if it was.
        postprocessed: scores of the post-processed masks on the reported split.
    """
    recipe = assembly.recipe
    best = next((epoch for epoch in reversed(epochs) if epoch.best), epochs[-1])
    windows = recipe.data.validate_windows
    train_seconds = sum(epoch.train_seconds for epoch in epochs)
    samples = recipe.data.samples_per_epoch(started.images["train"]) * len(epochs)
    return Summary(
        status="complete",
        recipe=recipe.name,
        description=recipe.description,
        metrics=list(assembly.metrics),
        first_metric=next(iter(assembly.metrics)),
        metric_details=metric_details(recipe.metrics),
        higher_is_better=assembly.higher_is_better,
        scored_on=assembly.val_split,
        validate_windows=windows and min(windows, len(assembly.eval_batches(assembly.val_split))),
        reported_on=assembly.test_split,
        select=recipe.training.select,
        images=started.images,
        left_out=started.left_out,
        best=_epoch(best, best_classes),
        last=_epoch(epochs[-1]),
        scores=_split_scores(assembly, scores),
        epochs=len(epochs),
        epochs_asked=recipe.training.epochs,
        seconds=seconds,
        train_seconds=train_seconds,
        images_per_second=samples / train_seconds,
        peak_memory_bytes=peak_memory(),
        parameters=_parameters(assembly),
        frozen_encoder=_frozen(*encoder_digests) if recipe.model.encoder.frozen else None,
        device=started.device,
        precision=started.precision,
        classes=[*assembly.task.classes],
        untrained_classes=started.untrained_classes,
        warnings=[
            *started.warnings,
            *diverged(epochs),
            *(undefined(epochs, next(iter(assembly.metrics))) if recipe.training.select == "best" else ()),
            *young_average(recipe, best.epoch, started.images["train"]),
            *_class_warnings(assembly, scores),
            *_chosen_on_reported(assembly, chosen),
        ],
        ema_decay=recipe.training.ema_decay,
        stages=started.stages,
        reference=recipe.reference and read_reference(recipe.reference),
        **(
            {"postprocess": postprocess, "postprocessed": _split_scores(assembly, postprocessed)}
            if postprocessed
            else {}
        ),
    )


def peak_memory() -> int:
    """Peak memory in bytes: allocated on the GPU if one was used, else resident in this process.

    The latter includes Python and torch, some hundred megabytes.
    """
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    return machine.peak_memory()


def diverged(epochs: Sequence[EpochEnded]) -> list[str]:
    """A warning if the validation loss is not finite in some epochs."""
    failed = [epoch.epoch for epoch in epochs if not math.isfinite(epoch.val_loss)]
    if not failed:
        return []
    return [
        f"The validation loss is not a number in {len(failed)} of {len(epochs)} epochs, first in epoch "
        f"{failed[0]}: training has diverged. Try a smaller optimizer.lr, or training.clip_grad_norm: 1."
    ]


def undefined(epochs: Sequence[EpochEnded], metric: str) -> list[str]:
    """A warning if the first metric is not a number in some epochs."""
    failed = [epoch.epoch for epoch in epochs if math.isnan(epoch.metrics[metric])]
    if not failed:
        return []
    choice = "such an epoch is never the best one"
    if len(failed) == len(epochs):
        choice = "the best epoch is that with the lowest validation loss"
    return [
        f"{metric}, which chooses the best epoch, is undefined in {len(failed)} of {len(epochs)} epochs, "
        f"first in epoch {failed[0]}: {choice}. List another metric first to choose by it."
    ]


def young_average(recipe: Recipe, epoch: int, images: int) -> list[str]:
    """A warning if the moving average of the weights (EMA) is over fewer steps than its decay asks for."""
    decay = recipe.training.ema_decay
    steps = epoch * recipe.data.steps_per_epoch(images)
    if not decay or steps * (1 - decay) >= 1:
        return []
    return [
        f"The scored weights are an average (EMA) over only {steps:,} training steps; "
        f"training.ema_decay {decay:g} averages over about {1 / (1 - decay):,.0f}. "
        "Train for more epochs, or use a smaller ema_decay."
    ]


def _chosen_on_reported(assembly: Assembly, chosen: PostprocessRecord | None) -> list[str]:
    """A warning if the post-processing was chosen on the images that it is scored on."""
    if not chosen or not chosen.settings or chosen.split != assembly.test_split:
        return []
    return [
        "The post-processing was chosen on the images that the scores are of, so the scores of "
        "post-processed masks are optimistic. The gain in postprocess.json is measured on images that it was "
        "not chosen on."
    ]


def _class_warnings(assembly: Assembly, scores: Scores) -> list[str]:
    split = assembly.test_split
    return scores.classes.warnings(image_words(assembly.images[split], split)) if scores.classes else []


def _epoch(event: EpochEnded, classes: Mapping[str, Any] | None = None) -> EpochScores:
    return EpochScores(epoch=event.epoch, metrics=event.metrics, val_loss=event.val_loss, **(classes or {}))


def _split_scores(assembly: Assembly, scores: Scores) -> SplitScores:
    groups = assembly.scored_groups
    intervals = confidence_intervals(assembly.recipe.metrics, assembly.metrics, scores.rows, groups)
    return SplitScores(
        split=assembly.test_split,
        metrics=scores.metrics,
        intervals={name: (interval.low, interval.high) for name, interval in intervals.items()},
        **({"groups": len({*groups})} if groups else {}),
        loss=scores.loss,
        **(scores.classes.as_json() if scores.classes else {}),
    )


def _frozen(before: str, after: str) -> Frozen:
    return Frozen(digest_before=before, digest_after=after, unchanged=before == after)


def _parameters(assembly: Assembly) -> dict[str, int]:
    model = assembly.model
    parts = {"encoder": model.encoder, "decoder": model.decoder, "head": model.head}
    return {
        "total": sum(parameter.numel() for parameter in model.parameters()),
        "trainable": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        **{name: sum(parameter.numel() for parameter in part.parameters()) for name, part in parts.items()},
    }
