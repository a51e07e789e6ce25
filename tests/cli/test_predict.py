"""segkit predict, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segkit import api
from segkit.inference.model_info import ModelInfo
from segkit.inference.predictor import Predictor
from tests.inference.networks import LESION, PARTS, Brightness, noise
from tests.small_runs import unreported


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unreported(tmp_path_factory.mktemp("predicting"), "training.epochs=1")[0].path


@pytest.fixture
def photos(project: Path) -> Path:
    (project / "photos").mkdir()
    for number in range(3):
        Image.fromarray(noise(80, 100 + number, seed=number)).save(project / f"photos/{number}.jpg")
    return project / "photos"


@pytest.mark.parametrize(
    ("info", "told"),
    [(LESION, "2 of them with no foreground"), (PARTS, "2 of them with nothing but skin")],
)
def test_masks_without_foreground_are_counted(
    segkit: Any, project: Path, monkeypatch: pytest.MonkeyPatch, info: ModelInfo, told: str
) -> None:
    monkeypatch.setattr(api, "load", lambda *_, **__: Predictor([Brightness(info)]))
    (project / "photos").mkdir()
    for name, color in {"a": (0, 0, 0), "b": (200, 255, 0), "c": (0, 0, 0)}.items():
        Image.new("RGB", (40, 30), color).save(project / f"photos/{name}.png")
    said = segkit("predict", "model.onnx", "photos", "--out", "masks")
    numbers = [f"their numbers: 0 {PARTS.classes[0]}, 1 {PARTS.classes[1]}, 2 {PARTS.classes[2]}"]
    numbers = numbers if info is PARTS else []
    assert said.out.splitlines()[1:] == [*numbers, told]
    said = segkit("predict", "model.onnx", "photos/b.png", "--out", "one")
    assert said.out.splitlines()[1:] == numbers
    said = segkit("predict", "model.onnx", "photos", "--out", "again", "--json")
    document = json.loads(said.out)
    assert document["no_foreground"] == 2
    classes = {row["value"]: row["name"] for row in document["classes"]}
    assert classes == ({0: "skin", 1: "lesion", 2: "hair"} if info is PARTS else {255: "lesion"})


def test_masks_of_a_folder(segkit: Any, run: Path, photos: Path) -> None:
    said = segkit("predict", str(run), "photos", "--out", "masks", "--overlay", "--probabilities")
    assert said.code == 0, said.err
    assert said.out.startswith("3 masks in masks (")
    assert "images: 3" in said.err
    for number in range(3):
        with Image.open(f"masks/{number}.png") as mask:
            assert (mask.mode, mask.size) == ("L", (100 + number, 80))
            assert set(np.unique(mask)) <= {0, 255}
    assert len([*Path("masks/overlays").iterdir()]) == len([*Path("masks/probabilities").iterdir()]) == 3


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("words", [["predict", "a.pt2", "photos", "--out", "masks"], ["evaluate", "a.pt2"]])
def test_a_pt2_file_is_left_to_torch(segkit: Any, words: list[str]) -> None:
    Path("a.pt2").touch()
    said = segkit(*words)
    assert said.code == 2
    assert said.err.endswith(
        "a.pt2: segkit writes .pt2 files and does not read them\n"
        "  try: the run directory that it was exported from, or an .onnx file of that run to predict with; "
        "torch.export.load opens a .pt2 file\n"
    )
    assert not Path("masks").exists()


def test_a_bad_photograph_is_told_and_the_exit_code_says_so(segkit: Any, run: Path, photos: Path) -> None:
    (photos / "1.jpg").write_bytes(b"no image")
    said = segkit("predict", str(run), "photos", "--out", "masks")
    assert said.code == 2
    assert said.out.startswith("2 masks of 3 images in masks (")
    assert said.err.endswith(
        "photos/1.jpg: this is not a readable image file\n"
        "  try: copy or download it again; "
        "PNG, JPEG, BMP, TIFF, GIF, WebP, PPM, HEIC, AVIF and NPY are read\n"
    )
    assert sorted(path.name for path in Path("masks").iterdir()) == ["0.png", "2.png"]


def test_files_that_are_passed_over_are_named(segkit: Any, run: Path, photos: Path) -> None:
    for name in ("scan.JXL", "1.dng", "notes.txt"):
        (photos / name).write_bytes(b"content")
    said = segkit("predict", str(run), "photos", "--out", "masks")
    assert said.code == 2
    assert said.out.startswith("3 masks of 4 images in masks (")
    assert "warning: 2 other files are not read: 1.dng, notes.txt.\n" in said.err
    assert said.err.endswith(
        "photos/scan.JXL: JXL files are not read\n"
        "  try: convert it; PNG, JPEG, BMP, TIFF, GIF, WebP, PPM, HEIC, AVIF and NPY are read\n"
    )
    (photos / "scan.JXL").unlink()
    said = segkit("predict", str(run), "photos", "--out", "masks", "--overwrite", "--json")
    told = json.loads(said.out)
    assert (said.code, told["images"], told["left_out"]) == (0, 3, ["photos/1.dng", "photos/notes.txt"])


def test_json_is_one_document(segkit: Any, run: Path, photos: Path) -> None:
    (photos / "1.jpg").write_bytes(b"no image")
    said = segkit("predict", str(run), "photos/*.jpg", "--out", "masks", "--json")
    assert (said.code, said.err) == (2, "")
    told = json.loads(said.out)
    assert (told["images"], told["masks"], told["out"]) == (3, 2, "masks")
    assert told["errors"][0]["file"] == "photos/1.jpg"


def test_a_photograph_in_tiles_and_mirrored(segkit: Any, run: Path, photos: Path) -> None:
    words = ["predict", str(run), "photos/0.jpg", "--out", "masks", "--quiet"]
    said = segkit(*words, "--tile", "64", "--tta", "--scales", "1,0.5", "--probability-format", "npy")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert np.load("masks/probabilities/0.npy").shape == (1, 80, 100)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--tile", "60"],
            "windows of 60 pixels do not fit this model\n  try: use a multiple of 32, such as 64\n",
        ),
        (
            ["--overlap", "8"],
            "--overlap needs --tile: this model takes whole images, resized\n  try: for example --tile 512\n",
        ),
        (
            ["--out", "photos/masks"],
            "this folder is inside photos: the next prediction would read the masks as images\n"
            "  try: choose an --out folder outside it\n",
        ),
        (["--out", "photos/0.jpg"], "photos/0.jpg: not a folder\n  try: choose another --out\n"),
        (
            ["--tile", "64", "--overlap", "64"],
            "windows of 64 pixels cannot overlap by 64\n  try: an overlap of at most 63 pixels\n",
        ),
        (["--scales", "a"], "--scales: 'a' is not a list of numbers\n  try: --scales 0.75,1,1.25\n"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is(
    segkit: Any, run: Path, photos: Path, words: list[str], told: str
) -> None:
    said = segkit("predict", str(run), "photos", "--out", "masks", *words)
    assert said.code == 2
    assert said.err.endswith(told)
    assert ("Loading the model" in said.err) == ("this model" in told)
    assert Path("masks").exists() is False


def test_masks_that_are_there_stay(segkit: Any, run: Path, photos: Path) -> None:
    words = ["predict", str(run), "photos/0.jpg", "--out", "masks", "--quiet"]
    assert segkit(*words).code == 0
    before = Path("masks/0.png").read_bytes()
    said = segkit(*words)
    assert said.code == 2
    assert "this file already exists" in said.err
    assert Path("masks/0.png").read_bytes() == before
    assert segkit(*words, "--overwrite").code == 0


def test_a_folder_that_cannot_be_written_to_is_told(segkit: Any, run: Path, photos: Path) -> None:
    Path("masks").mkdir()
    Path("masks/overlays").write_text("a file")
    said = segkit("predict", str(run), "photos", "--out", "masks", "--overlay", "--quiet")
    assert said.code == 1
    assert "cannot write" in said.err
    assert "masks" in said.err
