"""Environment record and start event of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import mean
from typing import TYPE_CHECKING, Any

import torch
from pydantic_core import to_jsonable_python

from segkit.core.class_scores import never_trained
from segkit.core.events import RunStarted
from segkit.data.scales import boundary_density, sampled_scales
from segkit.experiments.run_recipe import AFFECTING, Change, value_in_words
from segkit.models.segmenter import digest
from segkit.recipe import plain_recipe, used_plugins
from segkit.recipe.balanced_weights import weights_in_words
from segkit.recipe.resolve import pixels_in_words
from segkit.runs.environment import data_digests, environment
from segkit.runs.fingerprint import changed_fingerprint, fingerprint
from segkit.runs.schema import Environment, Resumed
from segkit.training.devices import device_name, precision_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.experiments.assembly import Assembly
    from segkit.runs.run_dir import RunDir

_MAX_MASKS = 256
_START_FIELDS = {"command", "device", "git", "packages", "platform", "processor"}


def environment_record(assembly: Assembly) -> Environment:
    """Versions, hardware and digests, as in `environment.json`."""
    return Environment(
        **environment(),
        recipe=plain_recipe(assembly.recipe),
        identity=fingerprint(assembly.given, assembly.samples),
        device=_devices(assembly.fabric),
        encoder_digest=digest(assembly.model.encoder),
        images=assembly.images,
        data_digests=data_digests(assembly.splits),
        **_training_scales(assembly),
        **_class_counts(assembly),
        plugins=used_plugins(assembly.recipe),
    )


def resumed_record(
    then: Environment, now: Environment, changes: Sequence[Change], *, epoch: int, steps: int
) -> Environment:
    """The record `then` of a run that is resumed `now`, after that many epochs, and steps of the next one."""
    start = now.model_dump(mode="json", include=_START_FIELDS)
    if changes:
        pairs = {change.path: to_jsonable_python((change.before, change.after)) for change in changes}
        start |= {"changes": pairs, "after_epoch": epoch, "after_steps": steps}
    update: dict[str, Any] = {"recipe": now.recipe, "resumed": [*then.resumed, Resumed(**start)]}
    if then.identity and now.identity:
        if not any(change.affects_results for change in changes):
            if not then.began_as and any(change.is_moved_file for change in changes):
                update["identity"] = then.identity.model_copy(update={"recipe": now.identity.recipe})
        elif not epoch and not steps:  # nothing was trained before
            update["identity"] = now.identity
        else:
            update["began_as"] = then.began_as or then.identity
            update["identity"] = changed_fingerprint(then.identity, now.identity, epoch, steps)
    return then.model_copy(update=update)


def change_warnings(environment: Environment) -> list[str]:
    """A warning for every start that changed settings which affect results during the training of a run."""
    warnings = []
    for start in environment.resumed:
        changes = [
            f"{path} is {value_in_words(after)} instead of {value_in_words(before)}"
            for path, (before, after) in start.changes.items()
            if path in AFFECTING
        ]
        epoch, steps = start.after_epoch, start.after_steps
        if changes and (epoch or steps):
            position = f"epoch {epoch}" if not steps else f"step {steps} of epoch {epoch + 1}"
            warnings.append(
                f"The recipe was changed when the run was resumed after {position}: {', '.join(changes)}. "
                "The same recipe in a new run gives other results."
            )
    return warnings


def run_started(assembly: Assembly, directory: RunDir) -> RunStarted:
    """The start event of a run; also resets the peak memory statistics of the GPU."""
    fabric = assembly.fabric
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(fabric.device)  # exclude earlier runs in this process
    images = _class_counts(assembly)["class_images"]
    untrained = [name for name in assembly.task.classes if not images[name]]
    return RunStarted(
        recipe=assembly.recipe.name,
        directory=directory.path,
        images=assembly.images,
        val_split=assembly.val_split,
        stages=assembly.spec.stages,
        device=_devices(fabric),
        precision=precision_of(fabric),
        epochs=assembly.recipe.training.epochs,
        metrics=list(assembly.metrics),
        warnings=[*assembly.warnings, *never_trained(untrained)],
        ema_decay=assembly.recipe.training.ema_decay,
        untrained_classes=untrained,
        pixels=pixels_in_words(assembly.recipe.data),
        weights=weights_in_words(assembly.given, assembly.recipe),
        left_out=assembly.left_out,
    )


def split_rows(assembly: Assembly) -> Iterator[tuple[str, str, str]]:
    """Name, split and group of each image; the group is "" without groups."""
    for split, prepared in assembly.splits.items():
        groups = assembly.groups.get(split, {})
        yield from ((name, split, groups.get(name, "")) for name in prepared.names)


def _training_scales(assembly: Assembly) -> dict[str, Any]:
    fit, masks = assembly.recipe.data.geometry, assembly.splits["train"].masks
    if fit.is_native:  # all images have one scale, and nothing is compared
        return {"image_scales": (fit.scale, fit.scale)}
    samples = assembly.samples.get("train") or [*chain(*assembly.samples.values())]
    scales = [scale for _, scale in sampled_scales(samples, fit)]
    densities = [boundary_density(masks[i]) for i in range(0, len(masks), 1 + len(masks) // _MAX_MASKS)]
    return {
        "image_scales": (min(scales), max(scales)) if scales else None,
        "boundary_density": mean(densities),
    }


def _class_counts(assembly: Assembly) -> dict[str, dict[str, int]]:
    counts = assembly.splits["train"].counts
    assert counts is not None, "classes are counted in training images"
    return {
        "class_pixels": dict(zip(counts.names, counts.pixels, strict=True)),
        "class_images": dict(zip(counts.names, counts.images, strict=True)),
    }


def _devices(fabric: Fabric) -> str:
    name, processes = device_name(fabric.device), fabric.world_size
    return name if processes == 1 else f"{processes} processes, the first on {name}"
