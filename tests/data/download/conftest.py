"""ISIC 2016, served from this machine as small zips of the same layout."""

from pathlib import Path

import pytest

from segkit.data.download import http as _download
from segkit.data.download import isic2016 as fetch
from tests.data.download.zip_server import serving, zip_of

TRAINING = "ISBI2016_ISIC_Part1_Training_Data"
TRAINING_MASKS = "ISBI2016_ISIC_Part1_Training_GroundTruth"
TEST = "ISBI2016_ISIC_Part1_Test_Data"
TEST_MASKS = "ISBI2016_ISIC_Part1_Test_GroundTruth"
FOLDERS = {TRAINING, TRAINING_MASKS, TEST, TEST_MASKS}


def members(folder: str, count: int) -> dict[str, bytes]:
    ending = "_Segmentation.png" if folder.endswith("GroundTruth") else ".jpg"
    return {f"{folder}/ISIC_{i:07}{ending}": f"{folder} {i} ".encode() * 100 for i in range(count)}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch, "_COUNTS", {"Training": 3, "Test": 2})
    monkeypatch.setattr(_download, "_WAITS_SECONDS", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")
    counts = {TRAINING: 3, TRAINING_MASKS: 3, TEST: 2, TEST_MASKS: 2}
    with serving({f"{name}.zip": zip_of(members(name, count)) for name, count in counts.items()}) as served:
        yield served


def assert_complete(to: Path) -> None:
    assert {path.name for path in to.iterdir()} == FOLDERS | {"fetched.json"}
    assert sorted(path.name for path in (to / TRAINING).iterdir()) == [f"ISIC_{i:07}.jpg" for i in range(3)]
    assert [path.name for path in sorted((to / TEST_MASKS).iterdir())] == [
        "ISIC_0000000_Segmentation.png",
        "ISIC_0000001_Segmentation.png",
    ]
    assert (to / TEST / "ISIC_0000001.jpg").read_bytes() == f"{TEST} 1 ".encode() * 100
