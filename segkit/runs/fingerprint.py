"""Fingerprint of a run: digests of recipe, data and code. No torch, no decoded images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.paths import cache_folder, is_weights_file
from segkit.core.plugins import source_digest
from segkit.recipe import plain_recipe, used_plugins
from segkit.runs.environment import packages
from segkit.runs.schema import Fingerprint
from segkit.utils.hashing import FileDigests, file_digest

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe

# Recipe keys without effect on scores.
LABEL_KEYS = ("name", "description", "reference", "plugins")
SPEED_KEYS = ("workers", "eval_batch_size", "cache", "colors")
SAVING_KEYS = ("checkpoint_seconds", "keep_state")
# Code that affects scores.
RESULT_CODE = (
    "core", "data", "parts", "recipe", "models", "training",
    "experiments/assembly.py", "experiments/augmentation.py", "experiments/choose_postprocess.py",
    "experiments/objectives.py", "experiments/optimization.py", "experiments/postprocess.py",
    "experiments/run.py",
)  # fmt: skip


def fingerprint(recipe: Recipe, samples: Mapping[str, Sequence[Sample]]) -> Fingerprint:
    """Compute the fingerprint of a run of a recipe.

    Args:
        recipe: recipe from `load_recipe`.
        samples: samples by split, as the source lists them.
    """
    plugins = used_plugins(recipe)
    return Fingerprint(
        recipe=_digest(_scored_settings(recipe)),
        seed=recipe.seed,
        data=_data_digest(samples, recipe.data.split.group, cache_folder() if recipe.data.cache else None),
        code=_digest([_code_digest(RESULT_CODE), sorted(plugin.digest for plugin in plugins), packages()]),
        metrics=metrics_digest(recipe),
    )


def metrics_digest(recipe: Recipe) -> str:
    """Digest of the code of the metrics."""
    plugins = [
        plugin.digest
        for plugin in used_plugins(recipe)
        if any(part.startswith("metric ") for part in plugin.parts)
    ]
    return _digest([_code_digest(["parts/metrics"]), sorted(plugins)])


def changed_fingerprint(then: Fingerprint, now: Fingerprint, epoch: int, steps: int) -> Fingerprint:
    """Fingerprint of a run whose recipe was changed after that many epochs and steps; no recipe has it."""
    return then.model_copy(update={"recipe": _digest([then.recipe, now.recipe, epoch, steps])})


def _scored_settings(recipe: Recipe) -> dict[str, Any]:
    """Settings that can change a score; files are represented by their contents."""
    plain = plain_recipe(recipe)
    settings = {key: value for key, value in plain.items() if key not in (*LABEL_KEYS, "seed")}
    settings["data"] = {key: value for key, value in plain["data"].items() if key not in SPEED_KEYS}
    settings["training"] = {key: value for key, value in plain["training"].items() if key not in SAVING_KEYS}
    weights = recipe.model.encoder.options.get("weights")
    if isinstance(weights, str) and is_weights_file(weights) and Path(weights).is_file():
        settings["weights"] = file_digest(Path(weights)).hex()
    if file := recipe.data.split.file:
        settings["split"] = file_digest(file).hex()
    if isinstance(group := recipe.data.split.group, Path):
        settings["groups"] = file_digest(group).hex()
    return settings


def _data_digest(
    samples: Mapping[str, Sequence[Sample]], group: str | Path | None, cache: Path | None
) -> str:
    files = [file for split in samples.values() for sample in split for file in sample.files]
    digests = {file: digest.hex() for file, digest in FileDigests(cache).of(files).items()}

    def known(sample: Sample) -> list[str | None]:
        columns = sample.columns or {}
        in_group = [columns[group]] if isinstance(group, str) and group in columns else []
        painted = [sample.outlines] if sample.outlines else []
        return [sample.name, *(digests.get(file) for file in sample.files), *painted, *in_group]

    return _digest([[name, [known(sample) for sample in split]] for name, split in samples.items()])


def _code_digest(paths: Iterable[str]) -> str:
    root = Path(__file__).parents[1]
    return _digest([[path, source_digest(root / path)] for path in paths])


def _digest(value: Sequence[Any] | dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
