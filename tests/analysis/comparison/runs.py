"""Finished run directories with scores of one's choice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from segkit.runs.run_dir import RunDir, write_json
from tests.analysis.report.cases import write_run

DIRECTIONS = {"iou": True, "dice": True, "iou_dataset": True, "hd95": False}


def scored_run(
    folder: Path,
    name: str,
    scores: Mapping[str, Sequence[float]],
    *,
    seed: int = 0,
    images: Sequence[str] = (),
    reported: Mapping[str, float | None] | None = None,
    data: Mapping[str, Any] | None = None,
    metrics: Sequence[Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
) -> RunDir:
    """A complete run.

    Args:
        folder: of all runs.
        name: of its recipe.
        scores: of every image, by metric; the first one ranks.
        seed: of its recipe.
        images: their names; made up by default.
        reported: scores that the run reports, where they are no means over the images.
        data: changes of the recipe's data.
        metrics: the recipe's metrics.
        environment: changes of what it tells of its surroundings.
        warnings: of its summary.
    """
    run = write_run(
        folder,
        reference=False,
        recipe=name,
        metrics=list(scores),
        first_metric=next(iter(scores)),
        warnings=list(warnings),
    )
    recipe = run.read_recipe() | {"name": name, "seed": seed, "reference": None}
    recipe["data"] |= data or {}
    recipe["metrics"] = list(metrics or [{"name": metric} for metric in scores])
    run.write_recipe(yaml.safe_dump(recipe, sort_keys=False))
    count = len(next(iter(scores.values())))
    run.write_scores(images or [f"image_{i:03}" for i in range(count)], scores)
    known = json.loads(run.environment.read_text())
    known["data_digests"] = {"test": "of the test images"}
    known["identity"] = {"recipe": f"of {name}", "seed": seed, "data": "", "code": "", "metrics": "of iou"}
    write_json(run.environment, known | (environment or {}))
    summary = json.loads(run.summary.read_text())
    means = {
        metric: float(np.nanmean(values)) if np.isfinite(values).any() else None
        for metric, values in scores.items()
    }
    summary["scores"]["metrics"] = means | (reported or {})
    write_json(run.summary, summary)
    return run
