"""segkit export, as typed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.small_runs import unreported


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unreported(tmp_path_factory.mktemp("exporting"), "training.epochs=1")[0].path


@pytest.mark.slow
def test_what_was_written_and_compared_is_told(segkit: Any, run: Path) -> None:
    said = segkit("export", str(run), "--format", "onnx")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[:4] == [
        "small-001.onnx",
        "input: pixels, any number of images of 64x64 or any other size",
        "output: probabilities",
        "compared on 5 test images: 0 of 20,480 pixels have another class",
    ]
    assert lines[4].startswith("largest probability difference: ")
    iou = json.loads((run / "summary.json").read_text())["scores"]["metrics"]["iou"]
    assert lines[5] == f"iou: {iou:.6f}, the run's model {iou:.6f}"
    assert lines[6:] == ["model card: small-001.md"]
    assert {path.name for path in Path().iterdir()} == {"small-001.onnx", "small-001.md"}


@pytest.mark.slow
def test_a_folder_for_the_hub_as_json(segkit: Any, run: Path) -> None:
    said = segkit("export", str(run), "--hub", "lesions", "--json")
    assert (said.code, said.err) == (0, "")
    told = json.loads(said.out)
    assert told["files"][0] == "lesions/model.safetensors"
    assert (told["verified"]["images"], told["verified"]["pixels_that_differ"]) == (5, 0)
    again = segkit("export", str(run), "--hub", "lesions")
    assert again.err.endswith(
        "lesions: this already exists\n  try: add --overwrite to replace it, or choose another name\n"
    )
    assert segkit("export", str(run), "--hub", "lesions", "--overwrite", "-q").out == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the output format is missing\n  try: --format onnx, --format pt2, or --hub DIR\n"),
        (
            ["--format", "onnx", "--out", "a.pt2"],
            "a.pt2: the file name must end in .onnx\n  try: --out a.onnx\n",
        ),
        (["--format", "pt2", "--out", "there.pt2"], "there.pt2: this already exists\n"),
        (["--format", "pt2", "--out", "beside.pt2"], "beside.md: this already exists\n"),
        (["--format", "pt2", "--out", "no/a.pt2"], "no: there is no such folder\n  try: mkdir no\n"),
        (
            ["--format", "pt2", "--out", "there.pt2/a.pt2"],
            "there.pt2: this is not a folder\n  try: choose another folder\n",
        ),
        (["--hub", "there.pt2"], "there.pt2: this is not a folder\n  try: choose another name for --hub\n"),
        (
            ["--hub", "lesions", "--format", "onnx"],
            "--format, --out, --input and --output cannot be combined with --hub\n"
            "  try: use either --hub DIR or --format onnx\n",
        ),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is(
    segkit: Any, run: Path, words: list[str], told: str
) -> None:
    for name in ("there.pt2", "beside.md"):
        Path(name).write_text("mine")
    said = segkit("export", str(run), *words)
    assert said.code == 2
    assert told in said.err
    assert {path.name for path in Path().iterdir()} == {"there.pt2", "beside.md"}
    assert Path("there.pt2").read_text() == Path("beside.md").read_text() == "mine"


def test_a_refused_export_ends_with_1_and_replaces_nothing(
    segkit: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segkit.inference.export import export
    from segkit.inference.export import export_graph as graph

    monkeypatch.setattr(export, "_size_candidates", lambda facts, _: [replace(facts, multiple=0)])
    right = graph.probabilities_of
    monkeypatch.setattr(graph, "probabilities_of", lambda logits, task: 1 - right(logits, task))
    there = [Path("small-001.md"), Path("small-001.pt2")]
    for file in there:
        file.write_text("mine")
    said = segkit("export", str(run), "--format", "pt2", "--overwrite")
    assert said.code == 1
    assert "the exported file differs from the run's model" in said.err
    assert sorted(Path().iterdir()) == there
    assert [file.read_text() for file in there] == ["mine", "mine"]
