"""An exported file is the run's model, or it is not there."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import segkit
from segkit.core.errors import ExportError, SegkitError
from segkit.inference.export import export as exporting
from segkit.inference.export import export_graph as graph
from segkit.inference.export import verify
from segkit.inference.export.export import ExportResult, export_run
from segkit.inference.export.hub import export_to_hub
from segkit.inference.export.pt2 import reopen_pt2
from segkit.inference.predictor import Predictor
from segkit.inference.torch_network import open_network
from segkit.runs.run_dir import RunDir
from tests.inference.export.conftest import ASKED, OF_ONE_SIZE, RUNS, SMALL
from tests.inference.networks import noise
from tests.small_runs import unreported

FORMATS = ["onnx", "pt2"]
Export = Callable[[str, str], ExportResult]
Run = Callable[[str], RunDir]
QUICK = {("binary", "onnx"), ("binary", "pt2")}
EXPORTS = [
    pytest.param(case, format, marks=[pytest.mark.slow] * ((case, format) not in QUICK))
    for case in RUNS
    for format in FORMATS
]


def predictor_of(file: Path) -> Predictor:
    """Of an exported file; what `segkit.load` does not read is opened as the export itself opens it."""
    return Predictor([reopen_pt2(file)]) if file.suffix == ".pt2" else segkit.load(file)


@pytest.mark.parametrize(("case", "format"), EXPORTS)
def test_it_says_what_the_run_s_model_says(case: str, format: str, export_of: Export, run_of: Run) -> None:
    outcome, network = export_of(case, format), open_network(run_of(case))
    opened = predictor_of(outcome.files[0])
    facts, one_size = opened.info, (case, format) == OF_ONE_SIZE
    assert facts == outcome.metadata.info
    assert facts == (replace(network.info, multiple=0) if one_size else network.info)
    assert (outcome.metadata.input, outcome.metadata.output) == (
        ASKED[case].get("input", "pixels"),
        ASKED[case].get("output", "probabilities"),
    )
    (ours,) = opened.networks
    for count, (height, width) in (
        (1, facts.size),
        (5, facts.size),
        (2, facts.size if one_size else (96, 128)),
    ):
        pixels = np.stack([noise(height, width, seed=seed) for seed in range(count)])
        assert ours(pixels) == pytest.approx(network(pixels), abs=1e-5)
    photo = noise(50, 70)
    one, other = opened.predict(photo), segkit.load(run_of(case)).predict(photo)
    assert (one.mask != other.mask).mean() < 1e-3


@pytest.mark.parametrize(("case", "format"), EXPORTS)
def test_it_is_compared_on_every_scored_image(case: str, format: str, export_of: Export, run_of: Run) -> None:
    found = export_of(case, format).verification
    reported = run_of(case).read_summary().scores.metrics
    height, width = export_of(case, format).metadata.info.size
    assert (found.split, found.images, found.pixels_that_differ) == ("test", 5, 0)
    assert found.pixels == 5 * height * width * (2 if case == "multilabel" else 1)
    assert found.largest_difference < 1e-5
    assert found.scores == pytest.approx(found.model_scores, abs=1e-6)
    assert found.model_scores == pytest.approx(reported, abs=1e-5)
    assert found.same_images
    one_size = (case, format) == OF_ONE_SIZE
    assert len({shape[1:] for shape in found.shapes} - {(height, width)}) == (0 if one_size else 1)
    assert bool(export_of(case, format).warnings) == one_size


@pytest.mark.slow
def test_frozen_or_not_what_was_kept_or_folded_is_in_it(export_of: Export, run_of: Run) -> None:
    """The frozen case is compared above; its graph has no BatchNorm left, and needs none of its features."""
    import onnx

    model = onnx.load(export_of("multiclass", "onnx").files[0])
    assert {node.op_type for node in model.graph.node} & {"BatchNormalization"} == set()
    assert {dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim} >= {
        "batch", "height", "width",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_it_names_no_folder_of_this_machine(format: str, export_of: Export, shelf: Path) -> None:
    outcome = export_of("multilabel", format)
    content = outcome.files[0].read_bytes()
    for told in (str(shelf), str(Path(segkit.__file__).parent), str(Path(torch.__file__).parent.parent)):
        assert told.encode() not in content
        assert told not in outcome.files[1].read_text()


class Plain(nn.Conv2d):
    """Of the last map."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return super().forward(features[-1])


class Opaque(nn.Conv2d):
    """Looks at the values themselves."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        map = super().forward(features[-1])
        return map if map.is_meta else torch.from_numpy(map.detach().numpy() * 2)


@pytest.fixture
def decoders() -> None:
    from segkit.core.registry import DECODERS
    from segkit.core.types import Pyramid

    @DECODERS.register("plain", features="last")
    def plain(pyramid: Pyramid) -> nn.Module:
        return Plain(pyramid.channels[-1], 8, 3, padding=1)

    @DECODERS.register("opaque", features="last")
    def opaque(pyramid: Pyramid) -> nn.Module:
        return Opaque(pyramid.channels[-1], 8, 3, padding=1)


@pytest.mark.slow
def test_where_it_cannot_be_had_for_any_size_it_is_for_one(export_of: Export) -> None:
    outcome = export_of(*OF_ONE_SIZE)
    (warning,) = outcome.warnings
    assert warning.startswith("The file takes images of 60x60 only: ")
    assert "The file takes images of 60x60 only: " in outcome.files[1].read_text()
    model = segkit.load(outcome.files[0])
    assert model.info.multiple == 0
    with pytest.raises(SegkitError, match="this model takes images of 60x60 only"):
        model.predict(noise(50, 70), scales=(1, 2))


@pytest.mark.slow
def test_a_decoder_that_mends_its_maps_is_exported_for_sizes_at_which_it_need_not(tmp_path: Path) -> None:
    decoder = "model.decoder={name: transposed_conv, channels: [8, 8, 8]}"
    run, _ = unreported(tmp_path, *SMALL, "model.encoder.features=all", decoder)
    outcome = export_run(run, tmp_path / "skips.pt2", "pt2")
    assert (outcome.metadata.info.multiple, outcome.warnings) == (8, ())
    assert open_network(run).info.multiple == 1
    assert "other sizes must be multiples of 8" in outcome.files[1].read_text()
    pixels = noise(72, 128)[None]
    assert reopen_pt2(outcome.files[0])(pixels) == pytest.approx(open_network(run)(pixels), abs=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("decoders")
def test_what_cannot_be_exported_at_all_is_told(tmp_path: Path) -> None:
    run, _ = unreported(tmp_path, *SMALL, "model.encoder.frozen=true", "model.decoder=plain")
    run.recipe.write_text(run.recipe.read_text().replace("plain", "opaque"))
    place = tmp_path / "out"
    place.mkdir()
    formats: list[tuple[Any, str]] = [("onnx", "pt2"), ("pt2", "onnx")]
    for format, other in formats:
        with pytest.raises(ExportError) as caught:
            export_run(run, place / f"model.{format}", format)
        first = caught.value.problems[0]
        assert first.problem.startswith(f"this model cannot be exported as {format}: ")
        assert first.hint == f"use --format {other}, or a decoder whose code does not depend on image sizes"
        assert [*place.iterdir()] == []


def _other_weights(made: Any) -> None:
    made.net.head.bias.data.add_(1)


def _no_normalisation(made: Any) -> None:
    made.mean.zero_()
    made.std.fill_(1)


def _blue_for_red(made: Any) -> None:
    first = next(layer for layer in made.net.modules() if isinstance(layer, nn.Conv2d))
    first.weight.data = first.weight.flip(1)


@pytest.fixture
def one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported for the size of training alone, which is quick."""
    monkeypatch.setattr(exporting, "_size_candidates", lambda facts, _: [replace(facts, multiple=0)])


@pytest.mark.usefixtures("one_size")
@pytest.mark.parametrize(
    ("fault", "format"),
    [
        pytest.param(_other_weights, "onnx", marks=pytest.mark.slow),
        (_no_normalisation, "pt2"),
        pytest.param(_blue_for_red, "pt2", marks=pytest.mark.slow),
    ],
)
def test_a_broken_export_is_refused_and_what_was_there_stays(
    fault: Callable[[Any], None], format: Any, run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, there = exporting.export_program, [tmp_path / f"model.{format}", tmp_path / "model.md"]

    def broken(made: Any, told: Any) -> Any:
        fault(made)
        return whole(made, told)

    monkeypatch.setattr(exporting, "export_program", broken)
    for before in ([], there):
        for file in before:
            file.write_text("mine")
        with pytest.raises(ExportError) as caught:
            export_run(run_of("binary"), there[0], format)
        assert re.fullmatch(
            r"the exported file differs from the run's model on 1 images of 64x64: "
            r"largest difference of a probability 0\.\d+",
            caught.value.problems[0].problem,
        )
        assert sorted(tmp_path.iterdir()) == sorted(before)
        assert all(file.read_text() == "mine" for file in before)


@pytest.mark.usefixtures("one_size")
def test_without_its_page_there_is_no_file(
    run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "model_card", lambda *given, **named: "\ud800")  # half a character
    with pytest.raises(UnicodeEncodeError):
        export_run(run_of("binary"), tmp_path / "model.pt2", "pt2")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.usefixtures("one_size")
def test_masks_and_scores_that_differ_are_refused_on_the_scored_images(
    run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right on what was tried first, and wrong on the images."""
    answer = graph.probabilities_of
    monkeypatch.setattr(graph, "probabilities_of", lambda logits, task: 1 - answer(logits, task))
    monkeypatch.setattr(exporting, "check_shapes", lambda *given: [])
    place = tmp_path / "model.pt2"
    with pytest.raises(ExportError) as caught:
        export_run(run_of("binary"), place, "pt2")
    first = caught.value.problems[0]
    assert first.problem.startswith("the exported file does not match the run: on 5 test images ")
    for told in ("of 20,480 pixels have another class", "a probability differs by ", "iou is "):
        assert told in first.problem
    assert first.hint == "nothing was written; try another --format"
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pixels_that_differ": 1}, "1 of 10,000 pixels have another class"),
        ({"largest_difference": 0.0011}, "a probability differs by 0.0011"),
        ({"largest_difference": float("nan")}, "a probability differs by nan"),
        ({"scores": {"dice": 0.9, "iou": 0.7002}}, "iou is 0.7002 instead of 0.7000"),
        ({"scores": {"dice": 0.8998, "iou": 0.7}}, "dice is 0.8998 instead of 0.9000"),
        ({"scores": {"dice": float("nan"), "iou": 0.7}}, "dice is nan instead of 0.9000"),
    ],
)
def test_what_is_too_much(change: dict[str, Any], told: str) -> None:
    same = {"dice": 0.9, "iou": 0.7}
    found = verify.Verification("test", 4, 10_000, 0, 1e-3, "dice", same, same, {}, True, ())
    verify._check_tolerances(found)
    with pytest.raises(ExportError) as caught:
        verify._check_tolerances(replace(found, **change))
    assert caught.value.problems[0].problem == (
        f"the exported file does not match the run: on 4 test images {told}"
    )


def test_without_its_images_nothing_is_written(run_of: Run, tmp_path: Path) -> None:
    gone = "data.source={name: folder, images: nowhere, masks: neither}"
    with pytest.raises(SegkitError) as caught:
        export_run(run_of("binary"), tmp_path / "model.pt2", "pt2", overrides=[gone])
    first = caught.value.problems[0]
    assert first.problem.startswith("an export is compared on the run's images, which cannot be read: ")
    assert first.hint == "use --set data.source... to name similar images on this machine"
    assert [*tmp_path.iterdir()] == []


def test_other_images_are_told_of(run_of: Run, tmp_path: Path) -> None:
    outcome = export_to_hub(run_of("binary"), tmp_path / "hub", overrides=["data.source.seed=5"])
    assert not outcome.verification.same_images
    assert "The test images are not those that the run reports its scores on." in outcome.warnings
    page = (tmp_path / "hub" / "README.md").read_text()
    assert "which are not those that the run reports its scores on" in page


def test_a_score_that_this_machine_does_not_repeat_is_told() -> None:
    found = verify.Verification(
        "test", 4, 1, 0, 0, "iou", {"iou": 0.7}, {"iou": 0.7}, {"iou": 0.71}, True, ()
    )
    assert verify.score_warnings(found) == [
        "The run reports iou 0.7100, but its model scores 0.7000 on this machine in float32: "
        "it was trained with another precision, device or library version."
    ]
    assert verify.score_warnings(replace(found, reported={"iou": 0.70001})) == []
    assert verify.score_warnings(replace(found, same_images=False)) == []


def test_what_writes_onnx_may_not_be_installed(
    run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SegkitError) as caught:
        export_run(run_of("binary"), tmp_path / "model.onnx", "onnx")
    assert str(caught.value) == (
        "exporting ONNX files needs onnx and onnxscript and onnxruntime, not installed here\n"
        "  try: python -m pip install onnx onnxscript onnxruntime"
    )
