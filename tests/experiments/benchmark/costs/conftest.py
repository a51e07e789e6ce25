"""A finished run to measure."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from segkit.core.plugins import loading as load
from segkit.core.registry import DECODERS
from segkit.runs.run_dir import RunDir
from tests.experiments.benchmark.costs import DECODER
from tests.small_runs import unreported


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """With a frozen encoder and a decoder of a plugin, which lies beside `runs` and is not loaded."""
    folder = tmp_path_factory.mktemp("costs")
    (folder / "thin.py").write_text(DECODER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_loaded", dict(load._loaded))
        directory, _ = unreported(
            folder,
            f"plugins=[{folder / 'thin.py'}]",
            "model.decoder=thin",
            "model.encoder.frozen=true",
            "training.epochs=1",
            "data.eval_batch_size=3",
        )
        DECODERS.remove("thin")
    return directory


@pytest.fixture(autouse=True)
def nobody_else_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs beside the tests."""
    monkeypatch.setattr("segkit.experiments.benchmark.costs.machine_load.busy_seconds", float)


@pytest.fixture
def plugin(run: RunDir) -> Path:
    return run.path.parents[2] / "thin.py"


@pytest.fixture
def copy(run: RunDir, tmp_path: Path) -> RunDir:
    """The run in a place of its own, to be changed."""
    return RunDir(shutil.copytree(run.path, tmp_path / "copy"))
