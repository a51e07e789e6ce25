"""What stands behind the name of a metric."""

from __future__ import annotations

from pathlib import Path

from segkit.core.registry import METRICS
from segkit.core.types import Metric, Task
from segkit.experiments.metric_details import metric_details
from tests.small_runs import recipe


def test_options_that_are_not_the_defaults_and_units(tmp_path: Path, plugins_as_before: None) -> None:
    @METRICS.register("assd", higher_is_better=False, unit="mm")
    def assd(task: Task, *, spacing: float = 1.0) -> Metric:
        return Metric(lambda logits, target: logits.mean((1, 2, 3))[:, None])

    metrics = "metrics=[{name: iou, threshold: 0.4}, dice, {name: assd, spacing: 0.5}, hd95]"
    assert metric_details(recipe(tmp_path, metrics).metrics) == {
        "iou": "threshold 0.4", "assd": "spacing 0.5, mm", "hd95": "px",
    }  # fmt: skip
