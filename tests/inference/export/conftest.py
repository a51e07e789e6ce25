"""Small runs, exported once in every format that some test looks at."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from segkit.core.registry import ENCODERS
from segkit.core.types import Pyramid
from segkit.inference.export.export import ExportResult, export_run
from segkit.runs.run_dir import RunDir
from tests.small_runs import unreported

# An exporter takes time for every layer: most tests need no more than three.
SMALL = ("training.epochs=1", "model.encoder={name: three_layers}")
RUNS: dict[str, tuple[str, ...]] = {
    "binary": (),
    "multiclass": (
        "data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=cross_entropy",
        "model.encoder={name: test_resnet, weights: none, frozen: true}", "data.size=[64, 96]",
    ),
    "multilabel": (
        "data.task=multilabel", "data.classes=[lesion, hair]",
        "model.decoder={name: unet, channels: [16, 8, 8]}",
    ),
    "pooled": ("model.decoder=pspnet", "data.size=[60, 60]"),
}  # fmt: skip
ASKED: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"input": "normalized", "output": "logits"},
    "multilabel": {"output": "logits"},
    "pooled": {"input": "normalized"},
}


# What pspnet pools at the size of training becomes a rule of an ONNX file; its exporter says nothing of it.
OF_ONE_SIZE = ("pooled", "onnx")


class ThreeLayers(nn.Module):
    """A map after each, a half, a quarter and an eighth as large."""

    pyramid = Pyramid((8, 12, 16), (2, 4, 8))
    mean, std = (0.6, 0.5, 0.4), (0.2, 0.25, 0.3)

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        channels = (in_channels, *self.pyramid.channels)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(*pair, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(pair[1]),
                nn.ReLU(inplace=True),
            )
            for pair in pairwise(channels)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [image]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return maps[1:]


@pytest.fixture(autouse=True)
def three_layers(plugins_as_before: None) -> None:
    @ENCODERS.register("three_layers")
    def three_layers(in_channels: int) -> nn.Module:
        return ThreeLayers(in_channels)


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
            trained[case] = unreported(folder, *SMALL, *RUNS[case])[0]
        return trained[case]

    return run


@pytest.fixture(scope="session")
def export_of(shelf: Path, run_of: Callable[[str], RunDir]) -> Callable[[str, Any], ExportResult]:
    """What an export of a case has come to, exported when it is first asked for."""
    made: dict[tuple[str, str], ExportResult] = {}

    def outcome(case: str, format: Any) -> ExportResult:
        if (case, format) not in made:
            file = shelf / format / f"{case}.{format}"  # each has its page beside it
            file.parent.mkdir(exist_ok=True)
            made[case, format] = export_run(run_of(case), file, format, **ASKED[case])
        return made[case, format]

    return outcome
