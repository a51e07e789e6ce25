"""A run's best model as a network that predicts: torch, on whatever device is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from segkit.experiments.finished_run import load_best, read_run
from segkit.inference.model_info import ModelInfo
from segkit.models.build import build_model
from segkit.models.dry_run import ModelSpec, dry_run
from segkit.recipe import Recipe
from segkit.runs.run_dir import RunDir
from segkit.training.devices import make_fabric, move_to_device
from segkit.training.evaluate import logits_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from segkit.core.types import Pixels, Task
    from segkit.inference.network import Probabilities
    from segkit.models.segmenter import Segmenter

# Where and how fast it was trained decides nothing here: what there is, is taken.
HERE = ("training.accelerator=auto", "training.devices=1", "training.num_nodes=1", "training.strategy=auto",
         "training.compile=false")  # fmt: skip


@dataclass(frozen=True)
class RunNetwork:
    """A run's best model; see `segkit.inference.Network`.

    Args:
        facts: what it is.
        recipe: what it was built from, with the settings of this machine.
        model: in evaluation mode, on the fabric's device.
        fabric: device and precision.
        warnings: what has changed since the run, in whole sentences.
    """

    facts: ModelInfo
    recipe: Recipe
    model: Segmenter
    fabric: Fabric
    warnings: tuple[str, ...] = ()

    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) uint8 -> probabilities (B, K, H, W)."""
        image = torch.from_numpy(pixels).permute(0, 3, 1, 2)  # B H W C -> B C H W
        logits = logits_of(self.model, image, self.fabric)
        probabilities: Probabilities = probabilities_of(logits, self.facts.task).float().cpu().numpy()
        return probabilities


def open_network(
    run: RunDir, plugins: Sequence[Path] = (), *, accelerator: str = "auto", overrides: Sequence[str] = ()
) -> RunNetwork:
    """Open a finished run to predict with. Its images are not needed; no code that it names is run.

    Args:
        run: a complete run directory.
        plugins: files or folders with the parts that it used.
        accelerator: auto takes a GPU where there is one.
        overrides: changes of its recipe, as `--set` takes them.

    Raises:
        SegkitError: if a plugin that it used is not loaded, its files are at fault, or this machine has no
            such accelerator.
    """
    recipe, changed = read_run(run, [*overrides, *HERE, f"training.accelerator={accelerator}"], plugins)
    spec = dry_run(recipe.model, recipe.data)
    model = build_model(recipe, spec, pretrained=False)
    load_best(model, run, changed)
    scored = run.read_summary()
    facts = facts_of(recipe, spec, model)
    facts = replace(
        facts,
        scored_on=scored.reported_on,
        images=scored.images[scored.reported_on],
        scores=scored.scores.metrics,
    )
    return network_of(recipe, facts, model, changed)


def facts_of(recipe: Recipe, spec: ModelSpec, model: Segmenter) -> ModelInfo:
    """What a recipe's model is; of its scores nothing is known.

    Args:
        recipe: as loaded.
        spec: result of its dry run.
        model: built from it.
    """
    data = recipe.data
    normalize: Any = data.normalize or model.encoder
    return ModelInfo(
        name=recipe.name,
        task=data.goal,
        channels=data.channels,
        size=data.size,
        mean=tuple(normalize.mean),
        std=tuple(normalize.std),
        multiple=spec.size_multiple,
    )


def network_of(recipe: Recipe, facts: ModelInfo, model: Segmenter, changed: Sequence[str] = ()) -> RunNetwork:
    """A model on this machine's device, ready to be asked.

    Args:
        recipe: whose `training` says which accelerator, and how precisely.
        facts: what the model is.
        model: with its weights.
        changed: since it was trained, in whole sentences.

    Raises:
        SegkitError: if this machine has no such accelerator.
    """
    fabric = make_fabric(recipe.training)
    move_to_device(model.eval(), fabric, recipe.training)
    return RunNetwork(facts, recipe, model, fabric, tuple(changed))


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """(B, K, H, W) logits -> probabilities; those of multiclass classes sum to one."""
    return logits.softmax(dim=1) if task.kind == "multiclass" else logits.sigmoid()
