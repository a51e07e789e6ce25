"""The page about an export, whose code runs; and the folder for the hub."""

from __future__ import annotations

import io
import json
import math
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import segkit
from segkit.analysis.comparison.statistics import intervals
from segkit.analysis.report.format import number
from segkit.analysis.report.run_data import read_run_data
from segkit.core.errors import SegkitError
from segkit.inference.export.export import ExportResult
from segkit.inference.export.hub import export_to_hub, open_hub
from segkit.runs.run_dir import RunDir
from tests.inference.networks import noise

Export = Callable[[str, str], ExportResult]
Run = Callable[[str], RunDir]


def pieces(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("case", "format"),
    [
        pytest.param("binary", "onnx", marks=pytest.mark.slow),
        pytest.param("multiclass", "onnx", marks=pytest.mark.slow),
        pytest.param("multilabel", "onnx", marks=pytest.mark.slow),
        pytest.param("multiclass", "pt2", marks=pytest.mark.slow),
        pytest.param("binary", "pt2", marks=pytest.mark.slow),
    ],
)
def test_the_code_of_its_page_gives_the_model_s_mask(
    case: str, format: str, export_of: Export, run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = export_of(case, format)
    file, page = outcome.files
    shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    height, width = outcome.metadata.info.size
    Image.fromarray(noise(2 * height + 5, 3 * width)).save("photo.jpg", quality=95)
    *with_segkit, plain = pieces(page.read_text(), "python")
    found: dict[str, Any] = {}
    exec(plain, found)
    mask = np.moveaxis(found["masks"], 0, -1) if case == "multilabel" else found["mask"]
    expected = segkit.load(run_of(case)).predict("photo.jpg").mask
    assert mask.shape[:2] == (2 * height + 5, 3 * width)
    assert (mask == expected).mean() > 0.999
    commands = pieces(page.read_text(), "sh")
    if format == "pt2":  # segkit writes such a file and does not read it
        assert (with_segkit, commands) == ([], [])
        return
    assert commands == [f"segkit predict {file.name} photos --out masks --overlay\n"]
    (ours,) = with_segkit
    exec(ours, found)
    assert (mask == found["mask"]).mean() > 0.999


@pytest.mark.slow
def test_its_page_says_what_it_is_what_it_scores_and_what_nobody_knows(
    export_of: Export, run_of: Run
) -> None:
    page = export_of("multiclass", "onnx").files[1].read_text()
    summary = run_of("multiclass").read_summary()
    for told in (
        "# small\n", "| Task | multiclass segmentation |", r"| lesion | 1 | 1 | \#e69f00 |",
        "| Encoder | test_resnet, frozen |", "| Decoder | transposed_conv |",
        "| Input of the decoder | stage 5 of 5 |",
        "On 5 test images of 64 x 96 pixels (height x width):",
        f"| IoU | {summary.scores.metrics['iou']:.4f} | ",
        "| Training images | 10 |", "not evaluated on images of other cameras", "one seed, 3:",
        "0 of 30,720 pixels have another class", "## All 5 scored images, the worst first",
    ):  # fmt: skip
        assert told in page, told
    for name, metric in (("IoU", "iou"), ("Dice", "dice")):
        scores = read_run_data(run_of("multiclass")).scores[metric]
        (sure,) = intervals([np.array([scores])])
        assert sure.low < summary.scores.metrics[metric] < sure.high
        row = f"| {name} | {summary.scores.metrics[metric]:.4f} | {sure.low:.4f} to {sure.high:.4f} |"
        assert row in page


def test_a_hub_folder_is_loaded_and_says_the_same(run_of: Run, tmp_path: Path) -> None:
    run = run_of("multilabel")
    outcome = export_to_hub(run, tmp_path / "lesions")
    folder = tmp_path / "lesions"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "recipe.yaml",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["lesions"]
    assert [*outcome.files] == [
        folder / name for name in ("model.safetensors", "config.json", "recipe.yaml", "README.md")
    ]
    with pytest.raises(SegkitError, match="this is an export, not a run directory"):
        RunDir.open(folder)
    loaded, photo = segkit.load(folder), noise(50, 70)
    assert (loaded.predict(photo).mask == segkit.load(run).predict(photo).mask).all()
    assert loaded.info == outcome.metadata.info
    _, front, page = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    told = yaml.safe_load(front)
    assert (told["library_name"], told["pipeline_tag"]) == ("segkit", "image-segmentation")
    (result,) = told["model-index"][0]["results"]
    scores = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert re.fullmatch(
        r"IoU on images of 64 x 64 pixels \(95% interval 0\.\d{4} to 0\.\d{4}\)",
        result["metrics"][0]["name"],
    )
    reported = run.read_summary().scores.metrics
    assert scores == {name: value for name, value in reported.items() if math.isfinite(value)}
    assert page.startswith("\n# small\n")
    assert r"| hair | 1 | 255 | \#56b4e9 | {name}\_hair.png |" in page
    assert "An interval over 5 images is uncertain.\n" in page
    per_class = run.read_summary().scores.per_class
    _, classes = page.replace("**", "").split("### Scores of the classes\n")
    for name in ("lesion", "hair"):
        shown = [number(per_class[measure][name]) for measure in ("iou", "dice", "precision", "recall")]
        assert f"| {' | '.join([name, *shown])} | " in classes
    assert 'segkit.load("lesions")' in page
    assert json.loads((folder / "config.json").read_text())["library_name"] == "segkit"


def test_its_page_holds_no_folder_of_the_machine(run_of: Run, tmp_path: Path) -> None:
    shutil.copytree(run_of("binary").path, tmp_path / "small" / "001")
    run = RunDir.open(tmp_path / "small" / "001")
    names, scores = run.read_scores()
    run.write_scores([f"{tmp_path}/images/{name}" for name in names], scores)
    summary = json.loads(run.summary.read_text())
    run.summary.write_text(json.dumps({**summary, "warnings": [f"{tmp_path}/a.py: it has changed."]}))
    export_to_hub(run, tmp_path / "hub")
    page = (tmp_path / "hub" / "README.md").read_text()
    assert str(tmp_path) not in page
    assert "- a.py: it has changed." in page
    assert "Scores of the classes" not in page
    assert all(f"| {name} | " in page for name in names)


@pytest.fixture
def hub(run_of: Run, shelf: Path, tmp_path: Path) -> Path:
    if not (shelf / "hub").exists():
        export_to_hub(run_of("binary"), shelf / "hub")
    return shutil.copytree(shelf / "hub", tmp_path / "hub")


def test_a_second_one_replaces_its_files_and_leaves_others(run_of: Run, hub: Path) -> None:
    (hub / "LICENSE").write_text("mine")
    (hub / "README.md").write_text("old")
    export_to_hub(run_of("binary"), hub)
    assert (hub / "LICENSE").read_text() == "mine"
    assert "# small" in (hub / "README.md").read_text()


def test_a_broken_one_is_refused_and_leaves_nothing(
    run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segkit.inference.export import hub as module

    load = module.load_weights

    def other(model: Any, path: Path) -> None:
        load(model, path)
        with torch.no_grad():
            model.head.bias.add_(1)

    monkeypatch.setattr(module, "load_weights", other)
    with pytest.raises(SegkitError, match="the exported file differs from the run's model"):
        export_to_hub(run_of("binary"), tmp_path / "hub")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("config.json", b"{", "config.json"),
        ("config.json", b'{"library_name": "segkit", "facts": {}}', "format: Field required"),
        ("config.json", b'{"library_name": "segkit"}', "facts"),
        ("recipe.yaml", b"name: [", "recipe.yaml"),
        ("model.safetensors", b"weights", "model.safetensors"),
    ],
)
def test_damaged_ones_are_named(name: str, content: bytes, told: str, hub: Path) -> None:
    (hub / name).write_bytes(content)
    with pytest.raises(SegkitError) as caught:
        open_hub(hub)
    assert told in str(caught.value)
    assert str(hub / name) in str(caught.value)


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (open, (str(self.file), "w"))


def test_weights_and_words_that_are_code_are_refused_and_not_run(hub: Path, tmp_path: Path) -> None:
    ran, zipped = tmp_path / "ran", io.BytesIO()
    torch.save({"payload": Payload(ran)}, zipped)
    hostile = {
        "model.safetensors": [pickle.dumps(Payload(ran)), zipped.getvalue()],
        "recipe.yaml": [f"!!python/object/apply:builtins.open [{ran}, w]\n".encode()],
        "config.json": [pickle.dumps(Payload(ran))],
    }
    for name, contents in hostile.items():
        before = (hub / name).read_bytes()
        for content in contents:
            (hub / name).write_bytes(content)
            with pytest.raises(SegkitError) as caught:
                segkit.load(hub)
            assert str(hub / name) in str(caught.value)
            assert not ran.exists()
        (hub / name).write_bytes(before)
    for extra in ("pytorch_model.bin", "model.pt"):
        (hub / extra).write_bytes(zipped.getvalue())
    segkit.load(hub)
    assert not ran.exists()


def test_no_code_in_it_is_run(hub: Path, tmp_path: Path) -> None:
    (hub / "thin.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    recipe = hub / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("plugins: []", "plugins: [thin.py]"))
    assert "plugins: [thin.py]" in recipe.read_text()
    config = json.loads((hub / "config.json").read_text())
    open_hub(hub)
    config["plugins"] = [
        {"name": "thin", "door": "recipe", "path": "thin.py", "digest": "0" * 64, "parts": ["decoder thin"],
         "package": ""},
    ]  # fmt: skip
    (hub / "config.json").write_text(json.dumps(config))
    with pytest.raises(SegkitError, match="thin, which is not loaded"):
        open_hub(hub)
    assert not (tmp_path / "ran").exists()
