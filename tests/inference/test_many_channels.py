"""A run of images with 16 bits and five channels, in everything that uses a trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import segkit
from segkit.core.errors import SegkitError
from segkit.core.types import Pixels
from segkit.data.display import display_rgb
from segkit.experiments.restore_run import open_trained
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions
from segkit.inference.evaluation.write import write_evaluation
from segkit.inference.export.export import export_run
from segkit.inference.export.hub import export_to_hub
from segkit.inference.postprocess import mask_of
from segkit.inference.torch_network import open_network
from segkit.runs.run_dir import RunDir
from segkit.runs.thumbnails import read_thumbnails
from tests.inference.evaluation.conftest import drawn, like
from tests.small_runs import unreported

BANDS = [4, 0, 2, 1]


def image(number: int, low: int = -1000) -> tuple[Pixels, Pixels]:
    """Five channels of int16 with a brighter square, and its mask."""
    rng = np.random.default_rng(number)
    pixels = low + rng.integers(0, 900, (40, 48, 5)) + np.arange(5) * 200
    top, left = rng.integers(4, 20, 2)
    mask = np.zeros((40, 48), np.uint8)
    mask[top : top + 10 + number % 7, left : left + 16] = 255
    return (pixels + 1500 * (mask[..., None] > 0)).astype(np.int16), mask


def write_images(folder: Path, numbers: range, low: int = -1000) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in numbers:
        pixels, mask = image(number, low)
        tifffile.imwrite(
            folder / f"images/{number:02}.tif", pixels, photometric="minisblack", planarconfig="contig"
        )
        Image.fromarray(mask).save(folder / f"masks/{number:02}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bands")
    write_images(folder, range(10))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> RunDir:
    source = f"{{name: folder, images: {folder / 'images'}, masks: {folder / 'masks'}}}"
    return unreported(
        folder, f"data.source={source}", "data.split={by: fraction, val: 0.2, test: 0.3}",
        f"data.bands={BANDS}", "data.size=[32, 32]", "data.cache=false", "training.epochs=1",
    )[0]  # fmt: skip


def test_the_model_knows_channels_bands_and_the_measured_range(run: RunDir) -> None:
    info = open_network(run).info
    assert (info.format, info.channels, info.in_channels, info.bands) == (2, 5, 4, (4, 0, 2, 1))
    assert info.range is not None
    for band, (low, high) in zip(BANDS, info.range, strict=True):
        assert -1000 <= low - 200 * band < -800  # smoothed by resizing to the size of training
        assert 1100 < high - 200 * band <= 1400


def test_a_run_predicts_the_masks_that_it_was_scored_by(run: RunDir) -> None:
    network, trained = open_network(run), open_trained(run)
    prepared = trained.assembly.splits["test"]
    assert prepared.images.dtype == np.int16
    probabilities = network(np.stack([*prepared.images]))
    thumbnails = read_thumbnails(run.thumbnails)
    assert len(thumbnails) == len(prepared) == 3
    for sample in run.read_samples():
        index = prepared.names.index(sample.record.image)
        assert (mask_of(probabilities[index], network.info.task) == sample.prediction).mean() > 0.999
        picture = display_rgb(prepared.images[index], network.info.pixel_range)
        np.testing.assert_array_equal(sample.pixels, picture)
        assert picture.std() > 20


def test_files_are_predicted_whole_and_in_tiles(run: RunDir, folder: Path) -> None:
    model, path = segkit.load(run), folder / "images/03.tif"
    whole = model.predict(path)
    np.testing.assert_array_equal(whole.probabilities, model.predict(tifffile.imread(path)).probabilities)
    assert whole.mask.shape == model.predict(path, tile=32, flips=True).mask.shape == (40, 48)
    assert whole.overlay().mode == "RGB"


@pytest.mark.parametrize("native", [False, True])
def test_evaluations_show_images_and_tell_of_others(run: RunDir, native: bool, tmp_path: Path) -> None:
    evaluation = evaluate_runs([run], EvaluateOptions(native=native))
    assert evaluation.warnings == []
    if not native:
        assert evaluation.scores.metrics == run.read_summary().scores.metrics
    write_evaluation(evaluation, tmp_path / "scores")
    pictures = sorted((tmp_path / "scores/worst").iterdir())
    assert len(pictures) == 3
    assert all(np.asarray(Image.open(picture)).std() > 20 for picture in pictures)
    write_images(tmp_path / "others", range(20, 24), low=20_000)
    other = f"data.source={{name: folder, images: {tmp_path}/others/images, masks: {tmp_path}/others/masks}}"
    told = "4 of 4 sampled images have numbers that are unlike those of the model's training images, -"
    warnings = evaluate_runs([run], EvaluateOptions(native=native), [other]).warnings
    assert len([warning for warning in warnings if warning.startswith(told)]) == 1


def test_each_run_of_an_evaluation_has_its_own_range(run: RunDir, tmp_path: Path) -> None:
    """Also without --set: images may have been replaced, and a recipe edited."""
    other = like(run, tmp_path / "other/001", range=[30_000, 40_000])
    unlike = "3 of 3 sampled images have numbers that are unlike those of the model's training images, "
    told = f"{unlike}30000 to 40000"
    alone = evaluate_runs([other], EvaluateOptions())
    assert [text.split(":")[0] for text in alone.warnings if "unlike" in text] == [told]
    both = evaluate_runs([run, other], EvaluateOptions(), ["metrics=[iou_soft]"])
    assert [text.split(":")[0] for text in both.warnings if "unlike" in text] == [told]
    usual, black = (member.metrics["iou_soft"] for member in both.members)  # below the range all is 0
    assert abs(usual - black) > 1e-4
    reordered = like(run, tmp_path / "bands/001", bands=[0, 1, 2, 4])
    with pytest.raises(SegkitError, match=r"take different bands of their images, \[4, 0, 2, 1\]"):
        evaluate_runs([run, reordered], EvaluateOptions())


@pytest.mark.parametrize("native", [False, True])
def test_images_of_other_channels_are_told_with_what_the_model_takes(
    run: RunDir, native: bool, tmp_path: Path
) -> None:
    source = drawn(tmp_path / "photographs", {"a": (40, 30)})
    with pytest.raises(SegkitError) as caught:
        evaluate_runs([run], EvaluateOptions(native=native), [source])
    assert str(caught.value) == (
        f"{tmp_path / 'photographs/images/a.png'}: the image has 3 channels, not 5\n"
        "  try: the model takes images with 5 channels"
    )


@pytest.mark.slow
def test_an_onnx_file_gives_the_masks_of_the_run(run: RunDir, folder: Path, tmp_path: Path) -> None:
    result = export_run(run, tmp_path / "bands.onnx", "onnx")
    assert result.verification.pixels_that_differ == 0
    assert result.verification.largest_difference < 1e-5
    card = result.files[1].read_text()
    assert "| Channels | 5; the model takes 4, 0, 2, 1, counted from 0 |" in card
    assert "| Numbers that become 0 and 1 | " in card
    models = segkit.load(run), segkit.load(result.files[0])
    for path in sorted((folder / "images").iterdir()):
        for tile in (0, 32):
            np.testing.assert_array_equal(*(model.predict(path, tile=tile).mask for model in models))


def test_a_hub_folder_predicts_the_same_and_refuses_other_channels(
    run: RunDir, folder: Path, tmp_path: Path
) -> None:
    export_to_hub(run, tmp_path / "hub")
    loaded, path = segkit.load(tmp_path / "hub"), folder / "images/03.tif"
    assert loaded.info == segkit.load(run).info
    np.testing.assert_array_equal(loaded.predict(path).mask, segkit.load(run).predict(path).mask)
    with pytest.raises(SegkitError, match="the image has 4 channels, not 5"):
        loaded.predict(tifffile.imread(path)[..., :4])
