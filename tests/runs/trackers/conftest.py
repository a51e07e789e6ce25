"""Runs that end in a second or two, and trackers that write into the test's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_runs import light_report


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The report takes most of a small run's time, and is not what is tested here."""
    for place in ("segkit.experiments.recorder", "segkit.experiments.resume", "segkit.analysis.report"):
        monkeypatch.setattr(f"{place}.write_report", light_report)
    for name in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
