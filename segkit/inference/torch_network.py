"""Torch networks: the best checkpoint of a run, on the available device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from segkit.experiments.restore_run import load_best, read_run, run_warnings
from segkit.inference.model_info import ModelInfo
from segkit.inference.network import checked
from segkit.inference.tta import ensemble
from segkit.models.build import build_model
from segkit.models.dry_run import ModelSpec, dry_run
from segkit.recipe import Recipe
from segkit.runs.run_dir import RunDir
from segkit.training.devices import make_fabric, move_to_device
from segkit.training.evaluate import logits_of, predict_logits
from segkit.training.probabilities import probabilities_of, probabilities_to_logits

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Pixels
    from segkit.inference.network import Probabilities
    from segkit.models.segmenter import Segmenter

# Device settings of the training do not affect predictions: use what this machine has.
THIS_MACHINE = ("training.accelerator=auto", "training.devices=1", "training.num_nodes=1",
                "training.compile=false")  # fmt: skip


@dataclass(frozen=True)
class TorchNetwork:
    """A torch model; see `segkit.inference.network.Network`.

    Args:
        info: model information.
        recipe: recipe with the device settings of this machine.
        model: model in evaluation mode, on the fabric's device.
        fabric: device and precision.
        warnings: changes since the run, in whole sentences.
    """

    info: ModelInfo
    recipe: Recipe
    model: Segmenter
    fabric: Fabric
    warnings: tuple[str, ...] = ()

    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) -> probabilities (B, K, H, W)."""
        image = torch.from_numpy(self.info.scaled(pixels)).permute(0, 3, 1, 2)  # B H W C -> B C H W
        logits = logits_of(self.model, image, self.fabric)
        probabilities: Probabilities = probabilities_of(logits, self.info.task).float().cpu().numpy()
        return checked(probabilities, self.info.name)

    def logits(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in 0..255 -> logits (B, K, H, W)."""
        return predict_logits(self.model, image, self.fabric)


@dataclass(frozen=True)
class TorchEnsemble:
    """Mean probabilities of several models that see images alike; see `Network`.

    Args:
        info: information about all of them.
        members: their networks.
    """

    info: ModelInfo
    members: tuple[TorchNetwork, ...]

    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) -> probabilities (B, K, H, W)."""
        return ensemble([network(pixels) for network in self.members])

    def logits(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in 0..255 -> logits of the mean probabilities (B, K, H, W)."""
        task = self.info.task
        members = [probabilities_of(network.logits(image), task).numpy() for network in self.members]
        return probabilities_to_logits(ensemble(members), task)


def open_network(
    run: RunDir, plugins: Sequence[Path] = (), *, accelerator: str = "auto", overrides: Sequence[str] = ()
) -> TorchNetwork:
    """Load the best checkpoint of a run for prediction; its images are not needed.

    Args:
        run: run directory with weights.
        plugins: files or folders with the parts it used; code named in the run is not executed.
        accelerator: auto uses a GPU if there is one.
        overrides: recipe changes, as for `--set`.

    Raises:
        SegkitError: if a plugin of the run is not loaded, its files are damaged, or this machine does not
            have the accelerator.
    """
    recipe, warnings = read_run(
        run, [*overrides, *THIS_MACHINE, f"training.accelerator={accelerator}"], plugins
    )
    spec = dry_run(recipe.model, recipe.data)
    model = build_model(recipe, spec, pretrained=False)
    load_best(model, run, warnings)
    info = run_model_info(run, recipe, spec, model)
    return make_network(recipe, info, model, [*warnings, *run_warnings(run)])


def run_model_info(run: RunDir, recipe: Recipe, spec: ModelSpec, model: Segmenter) -> ModelInfo:
    """Information about the model of a run, with its scores."""
    summary, environment = run.read_summary(), run.read_environment()
    split = summary.reported_on
    return replace(
        model_info(recipe, spec, model),
        scored_on=split,
        images=summary.images.get(split, 0),
        scores=dict(summary.scores.metrics),
        image_scales=environment.image_scales,
        boundary_density=environment.boundary_density,
    )


def model_info(recipe: Recipe, spec: ModelSpec, model: Segmenter) -> ModelInfo:
    """Information about a recipe's model, without scores."""
    data = recipe.data
    limits = data.pixel_range
    pixel_range = None if data.range == "auto" else tuple(zip(limits.low, limits.high, strict=True))
    fit = data.geometry
    is_usual = pixel_range is None and data.bands is None and data.file_channels in (1, 3, 4)
    is_usual = is_usual and fit.kind == "stretch"
    return ModelInfo(
        format=1 if is_usual else 2, kind=data.task, classes=data.classes, ignore_index=data.ignore_index,
        colors=dict(data.goal.colors), name=recipe.name, channels=data.file_channels, bands=data.bands,
        range=pixel_range, rgb=tuple(recipe.model.encoder.options.get("rgb") or ()), size=data.size,
        fit=fit.kind, scale=fit.scale, overlap=fit.overlap,
        mean=_per_channel(model.mean, data.in_channels), std=_per_channel(model.std, data.in_channels),
        multiple=spec.size_multiple, labels=dict(data.goal.labels or ()),
    )  # fmt: skip


def _per_channel(scaled: Tensor, channels: int) -> tuple[float, ...]:
    """Values of each channel, from a buffer of 255 times these.

    The buffer is saved with the weights; an encoder that is built without pretrained weights may have others.
    """
    values = np.broadcast_to(scaled.double().flatten().cpu().numpy() / 255, channels)
    return tuple(float(f"{value:.7g}") for value in values)  # the digits of float32


def make_network(
    recipe: Recipe, info: ModelInfo, model: Segmenter, warnings: Sequence[str] = ()
) -> TorchNetwork:
    """Move a model to the accelerator of `recipe.training`, for prediction in its precision.

    Raises:
        SegkitError: if this machine does not have the accelerator.
    """
    fabric = make_fabric(recipe.training)
    move_to_device(model.eval(), fabric, recipe.training)
    return TorchNetwork(info, recipe, model, fabric, tuple(warnings))
