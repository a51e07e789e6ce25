"""Hugging Face hub folders: weights, config, recipe, model card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

from segkit.analysis.report.format import interval_text
from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.core.plugins import Plugin, load_plugin
from segkit.experiments.restore_run import compare_plugins
from segkit.inference.export.export import ExportResult, open_for_export, public_recipe
from segkit.inference.export.model_card import model_card
from segkit.inference.export.verify import check_shapes, score_warnings, verify
from segkit.inference.export_metadata import ExportMetadata
from segkit.inference.model_info import parse_model_info
from segkit.inference.torch_network import THIS_MACHINE, TorchNetwork, make_network, model_info
from segkit.models.build import build_model
from segkit.models.dry_run import dry_run
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir, write_json
from segkit.training.checkpoint import load_weights, save_weights
from segkit.utils.atomic import atomic_folder
from segkit.utils.public_text import last_name
from segkit.utils.safe_read import corrupt_file, read_json

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Interval
    from segkit.core.types import Progress

CONFIG, WEIGHTS, RECIPE, CARD = "config.json", "model.safetensors", "recipe.yaml", "README.md"


class Config(BaseModel):
    """config.json; other keys are ignored."""

    library_name: str
    segkit_version: str = ""
    facts: dict[str, Any]  # of `ModelInfo`
    plugins: list[Plugin] = []


def export_to_hub(
    run: RunDir,
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> ExportResult:
    """Write a folder that can be uploaded, and opened with `segkit.load`.

    Args:
        run: complete run directory.
        folder: output folder; files of the same names are replaced, others stay.
        overrides: recipe changes, as for `--set`, for example other images to compare on.
        plugins: files or folders with the parts it used.
        on_progress: callback of (label, done, total).

    Raises:
        ExportError: if the exported model does not match the run.
        SegkitError: if the run, its images or plugins are damaged.
        OSError: if a file cannot be written.
    """
    finished, model = open_for_export(run, overrides, plugins, on_progress)
    metadata = ExportMetadata(model.info, recipe=public_recipe(model.recipe))
    with atomic_folder(folder) as new:
        save_weights(model.model, new / WEIGHTS)
        (new / RECIPE).write_bytes(metadata.recipe.encode())
        write_json(new / CONFIG, Config(
            library_name="segkit", segkit_version=metadata.version, facts=metadata.info.as_json(),
            plugins=[
                plugin.model_copy(update={"path": Path(last_name(str(plugin.path)))})
                for plugin in run.read_environment().plugins
            ],
        ))  # fmt: skip
        network = open_hub(new, plugins, accelerator="cpu")
        shapes = check_shapes(network, model, finished)
        verification = verify(network, model, finished, shapes, on_progress)
        warnings = (*finished.warnings, *score_warnings(verification))
        front = _front_matter(run, metadata)
        card = model_card(
            read_run_data(run), metadata, verification, warnings, file=folder.name, front_matter=front
        )
        (new / CARD).write_bytes(card.encode())
    files = tuple(folder / name for name in (WEIGHTS, CONFIG, RECIPE, CARD))
    return ExportResult(files, metadata, verification, warnings)


def open_hub(path: Path, plugins: Sequence[Path] = (), *, accelerator: str = "auto") -> TorchNetwork:
    """Open a hub folder for prediction; code named in it is not executed.

    Raises:
        SegkitError: if a plugin is not loaded, or a file is damaged.
    """
    config = read_json(path / CONFIG, Config)
    try:
        stored = parse_model_info(config.facts)
    except ValueError as error:
        raise corrupt_file(path / CONFIG, str(error)) from None
    for plugin in plugins:
        load_plugin(plugin, "--plugins")
    warnings = compare_plugins(RunDir(path), config.plugins)
    device = (*THIS_MACHINE, f"training.accelerator={accelerator}", "training.precision=32-true")
    recipe = load_recipe(path / RECIPE, ["plugins=[]", *device])
    spec = dry_run(recipe.model, recipe.data)
    model = build_model(recipe, spec, pretrained=False)
    load_weights(model, path / WEIGHTS)
    info = replace(
        model_info(recipe, spec, model),
        scored_on=stored.scored_on,
        images=stored.images,
        scores=stored.scores,
        image_scales=stored.image_scales,
        boundary_density=stored.boundary_density,
    )
    return make_network(recipe, info, model, warnings)


def _front_matter(run: RunDir, metadata: ExportMetadata) -> str:
    """YAML front matter of the hub; without a licence, which is not known."""
    info, summary = metadata.info, run.read_summary()
    source = ((run.read_recipe().get("data") or {}).get("source")) or {}
    dataset = source.get("name", "own images") if isinstance(source, dict) else str(source)
    data = read_run_data(run)
    found = [(name, data.interval(name)) for name in info.scores]
    metrics = [
        {"type": name, "name": _metric_title(data, name, interval), "value": interval.mean}
        for name, interval in found
        if math.isfinite(interval.mean)
    ]
    result = {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": dataset, "type": dataset, "split": info.scored_on},
        "metrics": metrics,
    }
    front = {
        "library_name": "segkit",
        "pipeline_tag": "image-segmentation",
        "tags": ["segkit", "image-segmentation", "semantic-segmentation", "pytorch"],
        "model-index": [{"name": summary.recipe, "results": [result]}],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n"


def _metric_title(data: RunData, name: str, interval: Interval) -> str:
    """``IoU on images of 128 x 128 pixels (95% interval 0.8107 to 0.8371)``."""
    images = f" on images of {data.size}" if data.size else ""
    limits = interval_text(interval.low, interval.high)
    return f"{data.label(name)}{images}{limits and f' (95% interval {limits})'}"
