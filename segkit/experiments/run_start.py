"""Environment record and start event of a run."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import torch

from segkit.core.events import RunStarted
from segkit.data.scales import sampled_scales
from segkit.models.segmenter import digest
from segkit.recipe import used_plugins
from segkit.runs.environment import data_digests, environment
from segkit.runs.fingerprint import fingerprint
from segkit.runs.schema import Environment
from segkit.training.devices import device_name, precision_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.experiments.assembly import Assembly
    from segkit.runs.run_dir import RunDir


def environment_record(assembly: Assembly) -> Environment:
    """Versions, hardware and digests, as in `environment.json`."""
    return Environment(
        **environment(),
        identity=fingerprint(assembly.recipe, assembly.samples),
        device=_devices(assembly.fabric),
        encoder_digest=digest(assembly.model.encoder),
        data_digests=data_digests(assembly.splits),
        image_scales=_training_scales(assembly),
        plugins=used_plugins(assembly.recipe),
    )


def run_started(assembly: Assembly, directory: RunDir) -> RunStarted:
    """The start event of a run; also resets the peak memory statistics of the GPU."""
    fabric = assembly.fabric
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(fabric.device)  # exclude earlier runs in this process
    return RunStarted(
        recipe=assembly.recipe.name,
        directory=directory.path,
        images={split: len(prepared) for split, prepared in assembly.splits.items()},
        val_split=assembly.val_split,
        stages=assembly.spec.stages,
        device=_devices(fabric),
        precision=precision_of(fabric),
        epochs=assembly.recipe.training.epochs,
        metrics=list(assembly.metrics),
        warnings=assembly.warnings,
    )


def _training_scales(assembly: Assembly) -> tuple[float, float] | None:
    samples = assembly.samples.get("train") or [*chain(*assembly.samples.values())]
    scales = sampled_scales(samples, assembly.recipe.data.size)
    return (min(scales), max(scales)) if scales else None


def _devices(fabric: Fabric) -> str:
    name, processes = device_name(fabric.device), fabric.world_size
    return name if processes == 1 else f"{processes} processes, the first on {name}"
