"""A folder for the Hugging Face hub: weights, what they are, the recipe, and a page about it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict

from segkit.core.plugins import Plugin, load_plugin
from segkit.experiments.finished_run import compare_plugins
from segkit.inference.export.export import Outcome, open_to_export
from segkit.inference.export.model_card import card
from segkit.inference.export.recipe import last_name, public_recipe
from segkit.inference.export.verify import check_shapes, reported_otherwise, verify
from segkit.inference.export_metadata import Exported
from segkit.inference.model_info import facts_from
from segkit.inference.torch_network import HERE, RunNetwork, facts_of, network_of
from segkit.models.build import build_model
from segkit.models.dry_run import dry_run
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir, write_json
from segkit.training.checkpoint import load_weights, save_weights
from segkit.utils.safe_read import corrupt_file, read_json

if TYPE_CHECKING:
    from segkit.core.types import Progress

CONFIG, WEIGHTS, RECIPE, PAGE = "config.json", "model.safetensors", "recipe.yaml", "README.md"


class Config(BaseModel):
    """config.json; what it says beside this is for people."""

    model_config = ConfigDict(extra="ignore")

    library_name: str
    facts: dict[str, Any]
    plugins: list[Plugin] = []


def export_to_hub(
    run: RunDir,
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> Outcome:
    """Write a folder that `segkit.load` opens, and that can be uploaded as it is.

    Args:
        run: a complete run directory.
        folder: to write to; files of the same names are replaced, others stay.
        overrides: changes of its recipe, as `--set` takes them; other images to compare on, say.
        plugins: files or folders with the parts that it used.
        on_progress: callback of (label, done, total).

    Raises:
        ExportError: if what was written is not the run's model.
        SegkitError: if the run, its images or plugins are at fault.
        OSError: if it cannot be written.
    """
    trained, model = open_to_export(run, overrides, plugins, on_progress)
    exported = Exported(model.facts, recipe=public_recipe(model.recipe))
    recorded = run.read_environment().plugins
    with _written_whole(folder) as new:
        save_weights(model.model, new / WEIGHTS)
        (new / RECIPE).write_text(exported.recipe, encoding="utf-8")
        write_json(new / CONFIG, {
            "library_name": "segkit", "segkit_version": exported.version, "facts": exported.facts.as_json(),
            "plugins": [
                {**plugin.model_dump(mode="json"), "path": last_name(str(plugin.path))} for plugin in recorded
            ],
        })  # fmt: skip
        network = open_hub(new, plugins, accelerator="cpu")
        verified = verify(network, model, trained, check_shapes(network, model, trained), on_progress)
        warnings = (*trained.warnings, *filter(None, [reported_otherwise(verified)]))
        page = card(run, exported, verified, warnings, file=folder.name, front=_front(run, exported))
        (new / PAGE).write_text(page, encoding="utf-8")
    files = tuple(folder / name for name in (WEIGHTS, CONFIG, RECIPE, PAGE))
    return Outcome(files, exported, verified, warnings)


def open_hub(path: Path, plugins: Sequence[Path] = (), *, accelerator: str = "auto") -> RunNetwork:
    """Open such a folder to predict with. No code that it names is run.

    Args:
        path: of the folder.
        plugins: files or folders with the parts that it needs.
        accelerator: auto takes a GPU where there is one; cpu, cuda or mps.

    Raises:
        SegkitError: if a plugin that it needs is not loaded, or a file is damaged.
    """
    config = read_json(path / CONFIG, Config)
    try:
        told = facts_from(config.facts)
    except ValueError as error:
        raise corrupt_file(path / CONFIG, str(error)) from None
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    changed = compare_plugins(RunDir(path), config.plugins)
    overrides = ["plugins=[]", *HERE, f"training.accelerator={accelerator}", "training.precision=32-true"]
    recipe = load_recipe(path / RECIPE, overrides)
    spec = dry_run(recipe.model, recipe.data)
    model = build_model(recipe, spec, pretrained=False)
    load_weights(model, path / WEIGHTS)
    facts = facts_of(recipe, spec, model)
    facts = replace(facts, scored_on=told.scored_on, images=told.images, scores=told.scores)
    return network_of(recipe, facts, model, changed)


def _front(run: RunDir, exported: Exported) -> str:
    """What the hub reads: YAML between lines of dashes. Of a licence nothing is known, so nothing is said."""
    facts, summary = exported.facts, run.read_summary()
    source = ((run.read_recipe().get("data") or {}).get("source")) or {}
    named = source.get("name", "own images") if isinstance(source, dict) else str(source)
    metrics = [
        {"type": name, "name": name, "value": value}
        for name, value in facts.scores.items()
        if value is not None and math.isfinite(value)
    ]
    result = {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": named, "type": named, "split": facts.scored_on},
        "metrics": metrics,
    }
    front = {
        "library_name": "segkit",
        "pipeline_tag": "image-segmentation",
        "tags": ["segkit", "image-segmentation", "semantic-segmentation", "pytorch"],
        "model-index": [{"name": summary.recipe, "results": [result]}],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n"


@contextmanager
def _written_whole(folder: Path) -> Iterator[Path]:
    """A folder beside it to write to, whose files move there in the end, or none of them."""
    new = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield new
        folder.mkdir(exist_ok=True)
        for file in sorted(new.iterdir()):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(new, ignore_errors=True)
