"""Small runs, exported once in every format that some test looks at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segkit.export.export import Outcome, export_run
from segkit.run_dir import RunDir
from tests.small_runs import finished

SMALL = ("training.epochs=1",)
RUNS: dict[str, tuple[str, ...]] = {
    "binary": (),
    "multiclass": (
        "data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=cross_entropy",
        "model.encoder.frozen=true", "data.size=[64, 96]",
    ),
    "multilabel": ("data.task=multilabel", "data.classes=[lesion, hair]", "model.decoder=unet"),
    "in steps": ("model.decoder=fpn",),
}  # fmt: skip
ASKED: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"input": "normalized", "output": "logits"},
    "multilabel": {"output": "logits"},
    "in steps": {"input": "normalized"},
}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="session")
def run_of(shelf: Path) -> Callable[[str], RunDir]:
    """The run of a case, trained when it is first asked for."""
    trained: dict[str, RunDir] = {}

    def run(case: str) -> RunDir:
        if case not in trained:
            folder = shelf / case
            folder.mkdir()
            trained[case] = finished(folder, *SMALL, *RUNS[case])[0]
        return trained[case]

    return run


@pytest.fixture(scope="session")
def export_of(shelf: Path, run_of: Callable[[str], RunDir]) -> Callable[[str, Any], Outcome]:
    """What an export of a case has come to, exported when it is first asked for."""
    made: dict[tuple[str, str], Outcome] = {}

    def outcome(case: str, format: Any) -> Outcome:
        if (case, format) not in made:
            file = shelf / f"{case}.{format}"
            made[case, format] = export_run(run_of(case), file, format, **ASKED[case])
        return made[case, format]

    return outcome
