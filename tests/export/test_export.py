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
from segkit.errors import ExportError, SegkitError
from segkit.export import export as exporting
from segkit.export import graph, verify
from segkit.export.export import Outcome, export_run
from segkit.run_dir import RunDir
from segkit.run_network import open_network
from tests.prediction.networks import noise
from tests.small_runs import finished

from .conftest import ASKED, RUNS, SMALL

FORMATS = ["onnx", "pt2"]
Export = Callable[[str, str], Outcome]
Run = Callable[[str], RunDir]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("case", RUNS)
def test_it_says_what_the_run_s_model_says(case: str, format: str, export_of: Export, run_of: Run) -> None:
    outcome, network = export_of(case, format), open_network(run_of(case))
    opened = segkit.load(outcome.files[0])
    facts = opened.facts
    assert facts == outcome.exported.facts == network.facts
    assert (outcome.exported.input, outcome.exported.output) == (
        ASKED[case].get("input", "pixels"),
        ASKED[case].get("output", "probabilities"),
    )
    (ours,) = opened.networks
    for count, (height, width) in ((1, facts.size), (5, facts.size), (2, (96, 128))):
        pixels = np.stack([noise(height, width, seed=seed) for seed in range(count)])
        assert ours(pixels) == pytest.approx(network(pixels), abs=1e-5)
    photo = noise(50, 70)
    one, other = opened.predict(photo), segkit.load(run_of(case)).predict(photo)
    assert (one.mask != other.mask).mean() < 1e-3


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("case", RUNS)
def test_it_is_compared_on_every_scored_image(case: str, format: str, export_of: Export, run_of: Run) -> None:
    found = export_of(case, format).verified
    reported = run_of(case).read_summary()["scores"]["metrics"]
    height, width = export_of(case, format).exported.facts.size
    assert (found.split, found.images, found.pixels_that_differ) == ("test", 5, 0)
    assert found.pixels == 5 * height * width * (2 if case == "multilabel" else 1)
    assert found.largest_difference < 1e-5
    assert found.scores == pytest.approx(found.model_scores, abs=1e-6)
    assert found.model_scores == pytest.approx(reported, abs=1e-5)
    assert found.same_images
    assert {shape[1:] for shape in found.shapes} > {(height, width)}
    assert export_of(case, format).warnings == ()


def test_frozen_or_not_what_was_kept_or_folded_is_in_it(export_of: Export, run_of: Run) -> None:
    """The frozen case is compared above; its graph has no BatchNorm left, and needs none of its features."""
    import onnx

    model = onnx.load(export_of("multiclass", "onnx").files[0])
    assert {node.op_type for node in model.graph.node} & {"BatchNormalization"} == set()
    assert {dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim} >= {
        "batch", "height", "width",
    }  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_it_names_no_folder_of_this_machine(format: str, export_of: Export, shelf: Path) -> None:
    outcome = export_of("multilabel", format)
    content = outcome.files[0].read_bytes()
    for told in (str(shelf), str(Path(segkit.__file__).parent), str(Path(torch.__file__).parent.parent)):
        assert told.encode() not in content
        assert told not in outcome.files[1].read_text()


class Choosy(nn.Conv2d):
    """Does something else with large maps: no exporter can follow it for any size."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        last = features[-1]
        return super().forward(last if last.shape[-1] > 3 else 2 * last)


class Opaque(nn.Conv2d):
    """Looks at the values themselves."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        map = super().forward(features[-1])
        return map if map.is_meta else torch.from_numpy(map.detach().numpy() * 2)


@pytest.fixture
def decoders() -> None:
    from segkit.contracts import Pyramid
    from segkit.registry import DECODERS

    @DECODERS.register("choosy", features="last")
    def choosy(pyramid: Pyramid) -> nn.Module:
        return Choosy(pyramid.channels[-1], 8, 3, padding=1)

    @DECODERS.register("opaque", features="last")
    def opaque(pyramid: Pyramid) -> nn.Module:
        return Opaque(pyramid.channels[-1], 8, 3, padding=1)


@pytest.mark.usefixtures("decoders")
def test_where_it_cannot_be_had_for_any_size_it_is_for_one(tmp_path: Path) -> None:
    run, _ = finished(tmp_path, *SMALL, "model.decoder=choosy")
    outcome = export_run(run, tmp_path / "choosy.pt2", "pt2")
    (warning,) = outcome.warnings
    assert warning.startswith("The file takes images of 64x64 only: ")
    assert "The file takes images of 64x64 only: " in outcome.files[1].read_text()
    model = segkit.load(outcome.files[0])
    assert model.facts.multiple == 0
    photo = noise(50, 70)
    assert (model.predict(photo).mask == segkit.load(run).predict(photo).mask).all()
    with pytest.raises(SegkitError, match="this model takes images of 64x64 only"):
        model.predict(photo, scales=(1, 2))


def test_a_decoder_that_mends_its_maps_is_exported_for_sizes_at_which_it_need_not(tmp_path: Path) -> None:
    decoder = "model.decoder={name: transposed_conv, channels: [16, 8, 8, 8, 8]}"
    run, _ = finished(tmp_path, *SMALL, "model.encoder.features=all", decoder)
    outcome = export_run(run, tmp_path / "skips.pt2", "pt2")
    assert (outcome.exported.facts.multiple, outcome.warnings) == (32, ())
    assert open_network(run).facts.multiple == 1
    assert "others are taken too, of sides that are multiples of 32" in outcome.files[1].read_text()
    pixels = noise(96, 128)[None]
    (network,) = segkit.load(outcome.files[0]).networks
    assert network(pixels) == pytest.approx(open_network(run)(pixels), abs=1e-5)


@pytest.mark.usefixtures("decoders")
@pytest.mark.parametrize(("format", "other"), [("onnx", "pt2"), ("pt2", "onnx")])
def test_what_cannot_be_exported_at_all_is_told(tmp_path: Path, format: Any, other: str) -> None:
    run, _ = finished(tmp_path, *SMALL, "model.encoder.frozen=true", "model.decoder=choosy")
    run.recipe.write_text(run.recipe.read_text().replace("choosy", "opaque"))
    place = tmp_path / "out"
    place.mkdir()
    with pytest.raises(ExportError) as caught:
        export_run(run, place / f"model.{format}", format)
    first = caught.value.problems[0]
    assert first.problem.startswith(f"this model cannot be exported as {format}: ")
    assert first.hint == f"--format {other}, or a decoder that asks less of sizes while it runs"
    assert [*place.iterdir()] == []


BROKEN: dict[str, Callable[[graph.ExportGraph], None]] = {
    "other weights": lambda made: made.net.head.bias.data.add_(1),  # type: ignore[union-attr, operator]
    "other normalisation": lambda made: made.std.mul_(4),  # type: ignore[func-returns-value]
    "other pixels": lambda made: made.mean.add_(300),  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize(("fault", "format"), [*zip(BROKEN, ["onnx", "pt2", "onnx"], strict=True)])
def test_a_broken_export_is_refused_and_leaves_nothing(
    fault: str, format: Any, run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exporting.program_of

    def broken(made: Any, told: Any) -> Any:
        BROKEN[fault](made)
        return whole(made, told)

    monkeypatch.setattr(exporting, "program_of", broken)
    with pytest.raises(ExportError) as caught:
        export_run(run_of("binary"), tmp_path / f"model.{format}", format)
    assert re.fullmatch(
        r"on \d images of 64x64 the exported file differs from the run's model: a probability by [0-9.]+",
        caught.value.problems[0].problem,
    )
    assert [*tmp_path.iterdir()] == []


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
    assert first.problem.startswith("the exported file is not the run's model: on 5 test images ")
    for told in ("of 20,480 pixels have another class", "a probability differs by ", "iou is "):
        assert told in first.problem
    assert first.hint == "nothing was written; another --format may keep what the model computes"
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
    found = verify.Verified("test", 4, 10_000, 0, 1e-3, "dice", same, same, {}, True, ())
    verify._judge(found)
    with pytest.raises(ExportError) as caught:
        verify._judge(replace(found, **change))
    assert caught.value.problems[0].problem == (
        f"the exported file is not the run's model: on 4 test images {told}"
    )


def test_without_its_images_nothing_is_written(run_of: Run, tmp_path: Path) -> None:
    gone = "data.source={name: folder, images: nowhere, masks: neither}"
    with pytest.raises(SegkitError) as caught:
        export_run(run_of("binary"), tmp_path / "model.pt2", "pt2", overrides=[gone])
    first = caught.value.problems[0]
    assert first.problem.startswith("an export is compared on the run's images, and they cannot be read: ")
    assert first.hint == "--set data.source... names images of the same kind that are here"
    assert [*tmp_path.iterdir()] == []


def test_other_images_are_told_of(run_of: Run, tmp_path: Path) -> None:
    outcome = export_run(run_of("binary"), tmp_path / "model.pt2", "pt2", overrides=["data.source.seed=5"])
    assert not outcome.verified.same_images
    assert "The test images are not those that the run reports its scores on." in outcome.warnings
    assert "which are not those that the run reports its scores on" in outcome.files[1].read_text()


def test_a_score_that_this_machine_does_not_repeat_is_told() -> None:
    found = verify.Verified("test", 4, 1, 0, 0, "iou", {"iou": 0.7}, {"iou": 0.7}, {"iou": 0.71}, True, ())
    assert verify.reported_otherwise(found).startswith(
        "The run reports iou 0.7100, and its model scores 0.7000"
    )
    assert verify.reported_otherwise(replace(found, reported={"iou": 0.70001})) == ""
    assert verify.reported_otherwise(replace(found, same_images=False)) == ""


def test_what_writes_onnx_may_not_be_installed(
    run_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SegkitError) as caught:
        export_run(run_of("binary"), tmp_path / "model.onnx", "onnx")
    assert str(caught.value) == (
        "ONNX files are written with onnx and onnxscript and onnxruntime, not installed here\n"
        "  try: python -m pip install onnx onnxscript onnxruntime"
    )
