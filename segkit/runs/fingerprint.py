"""What makes two runs the same: recipe, images and code; by digest, without torch and without decoding."""

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

# What is said about a run, and what changes its speed alone.
CHANGES_NOTHING = ("name", "description", "reference", "plugins")
CHANGES_SPEED = ("workers", "eval_batch_size", "cache")
SAVES_MORE_OFTEN = ("checkpoint_seconds",)
# Rooms of segkit that decide what comes out; the others tell of it.
RESULT_CODE = (
    "core", "data", "parts", "recipe", "models", "training",
    "experiments/assembly.py", "experiments/objectives.py", "experiments/run.py",
)  # fmt: skip


def fingerprint(recipe: Recipe, samples: Mapping[str, Sequence[Sample]]) -> Fingerprint:
    """Find out what a run of a recipe would be.

    Args:
        recipe: as `load_recipe` gives it.
        samples: by split, as the source has them: `survey_source(recipe).splits`.
    """
    plugins = used_plugins(recipe)
    scoring = [
        plugin.digest for plugin in plugins if any(part.startswith("metric ") for part in plugin.parts)
    ]
    return Fingerprint(
        recipe=_digest(_deciding(recipe)),
        seed=recipe.seed,
        data=_data_digest(samples, cache_folder() if recipe.data.cache else None),
        code=_digest([_code_digest(RESULT_CODE), sorted(plugin.digest for plugin in plugins), packages()]),
        metrics=_digest([_code_digest(["parts/metrics"]), sorted(scoring)]),
    )


def _deciding(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe can change a score; with the bytes of files that it names, whose names say little."""
    plain = plain_recipe(recipe)
    kept = {key: value for key, value in plain.items() if key not in (*CHANGES_NOTHING, "seed")}
    kept["data"] = {key: value for key, value in plain["data"].items() if key not in CHANGES_SPEED}
    kept["training"] = {key: value for key, value in plain["training"].items() if key not in SAVES_MORE_OFTEN}
    weights = recipe.model.encoder.options.get("weights")
    if isinstance(weights, str) and is_weights_file(weights) and Path(weights).is_file():
        kept["weights"] = file_digest(Path(weights)).hex()
    if file := recipe.data.split.file:
        kept["split"] = file_digest(file).hex()
    return kept


def _data_digest(samples: Mapping[str, Sequence[Sample]], cache: Path | None) -> str:
    """Over every sample's name and the bytes of its files."""
    files = [file for found in samples.values() for sample in found for file in sample.files]
    digests = FileDigests(cache).of(files)
    told = {file: digest.hex() for file, digest in digests.items()}
    return _digest(
        [
            [split, [[sample.name, *(told.get(file) for file in sample.files)] for sample in found]]
            for split, found in samples.items()
        ]
    )


def _code_digest(rooms: Iterable[str]) -> str:
    root = Path(__file__).parents[1]
    return _digest([[room, source_digest(root / room)] for room in rooms])


def _digest(value: Sequence[Any] | dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
