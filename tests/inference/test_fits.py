"""Images are predicted as the model was trained: letterboxed, or in windows at their own resolution."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from segkit.core.errors import SegkitError
from segkit.data.resize import resize_image, resize_probabilities
from segkit.inference.export.usage_examples import usage_examples
from segkit.inference.export_metadata import ExportMetadata
from segkit.inference.model_info import parse_model_info
from segkit.inference.options import PredictOptions
from segkit.inference.predictor import Predictor
from tests.inference.networks import LABELS, LESION, Blocks, Brightness, noise

CROP = replace(LESION, format=2, fit="crop", size=(64, 96), overlap=0.25)
BOX = replace(LESION, format=2, fit="letterbox", size=(64, 96))
SIZES = [(64, 96), (65, 200), (200, 97), (20, 30), (7, 300)]


class Watched(Brightness):
    """Remembers what it is asked."""

    def __init__(self, facts=LESION):
        super().__init__(facts)
        self.asked = []

    def __call__(self, pixels):
        self.asked.append(pixels)
        return super().__call__(pixels)


def answer(info, image, **ways):
    network = Watched(info)
    return Predictor([network]).predict(image, **ways).probabilities, network


def truth(image, size, info=LESION):
    """What a model of single pixels says of the image at a size, at the image's own size."""
    small = resize_image(image, size)
    return resize_probabilities(Brightness(info)(small[None])[0], image.shape[:2])


@pytest.mark.parametrize("size", SIZES)
def test_windows_say_what_the_whole_image_says(size):
    image = noise(*size)
    for info, overlap in product(
        (CROP, replace(CROP, kind="multilabel", classes=LABELS.classes)), (0, 0.25, 0.7)
    ):
        found, network = answer(replace(info, overlap=overlap), image)
        np.testing.assert_allclose(found, Brightness(info)(image[None])[0], atol=1e-6)
        assert {window.shape[1:3] for window in network.asked} == {(64, 96)}
    for scale in (0.5, 2):
        at = tuple(max(1, round(side * scale)) for side in size)
        found, network = answer(replace(CROP, scale=scale), image)
        np.testing.assert_allclose(found, truth(image, at), atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_a_letterbox_keeps_the_aspect_ratio_and_its_padding_counts_nothing(size):
    image = noise(*size)
    factor = min(64 / size[0], 96 / size[1])
    content = tuple(max(1, round(side * factor)) for side in size)
    found, network = answer(BOX, image)
    np.testing.assert_allclose(found, truth(image, content), atol=1e-6)
    ((window,),) = network.asked
    inside = window[: content[0], : content[1]]
    np.testing.assert_array_equal(inside, resize_image(image, content))
    down, right = window[content[0] :][: content[0]], window[:, content[1] :][:, : content[1]]
    np.testing.assert_array_equal(down[:, : content[1]], inside[::-1][: len(down)])  # reflected
    np.testing.assert_array_equal(right[: content[0]], inside[:, ::-1][:, : right.shape[1]])
    flipped, network = answer(BOX, image, flips=True, scales=(1, 2))
    assert {window.shape[1:3] for window in network.asked} == {(64, 96), (128, 192)}
    assert len(network.asked) == 8
    np.testing.assert_allclose(flipped.mean(), found.mean(), atol=0.02)


def test_each_of_an_ensemble_sees_images_in_its_own_way():
    infos = [
        CROP,
        replace(CROP, scale=0.5, size=(64, 64)),
        BOX,
        LESION,
        replace(LESION, size=(96, 32)),
        LESION,
    ]
    for size in [(200, 97), (20, 30)]:
        image = noise(*size)
        alone = [answer(info, image)[0] for info in infos]
        found = [*Predictor([Brightness(info) for info in infos]).predict_many([image, image])]
        for prediction in found:
            np.testing.assert_allclose(prediction.probabilities, np.mean(alone, axis=0), atol=1e-6)


def test_files_come_as_arrays_do(tmp_path):
    image = noise(150, 203)
    Image.fromarray(image).save(tmp_path / "a.png")
    for info in (CROP, replace(CROP, scale=0.7), BOX):
        found = [Predictor([Blocks(info)]).predict(one).probabilities for one in (image, tmp_path / "a.png")]
        np.testing.assert_array_equal(*found)


def test_tiles_and_overlaps_remain_for_who_knows_better():
    image = noise(200, 300)
    for info in (CROP, BOX, replace(CROP, scale=0.5)):
        found, network = answer(info, image, tile=128)
        assert {window.shape[1:3] for window in network.asked} == {(128, 128)}
        if info.scale == 1:
            np.testing.assert_allclose(found, Brightness()(image[None])[0], atol=1e-6)
        else:  # at the scale of the model
            np.testing.assert_allclose(found, truth(image, (100, 150)), atol=1e-5)
    assert PredictOptions(overlap=40).fit(replace(CROP, size=(128, 128))).step == (64, 64)
    assert PredictOptions(overlap=0).fit(CROP).step == (64, 96)
    with pytest.raises(SegkitError, match="windows of 64 pixels cannot overlap by 64"):
        answer(CROP, image, overlap=64)
    with pytest.raises(SegkitError, match="an overlap needs a tile"):
        answer(BOX, image, overlap=32)


def test_facts_of_fits_are_kept_and_checked():
    info = replace(CROP, scale=0.5)
    assert parse_model_info(info.as_json()) == info
    assert info.geometry.step == (32, 64)
    for change, told in (
        ({"fit": "zoom"}, "fit: Input should be 'stretch', 'letterbox' or 'crop'"),
        ({"scale": 0}, "scale: Input should be greater than or equal to 0.01"),
        ({"overlap": 1}, "overlap: Input should be less than 1"),
    ):
        with pytest.raises(ValueError, match=told):
            parse_model_info(info.as_json() | change)
    older = {key: value for key, value in LESION.as_json().items() if key not in ("fit", "scale", "overlap")}
    assert parse_model_info(older) == LESION


class Scaled(Brightness):
    """Each pixel's own channels, after scaling as in training."""

    def __call__(self, pixels):
        return super().__call__(self.info.scaled(pixels))


class Session:
    """Takes what an exported model takes, and answers with its metadata's network."""

    def __init__(self, metadata: ExportMetadata) -> None:
        self.metadata, self.network = metadata, Brightness(metadata.info)

    def run(self, outputs, inputs):
        info, image = self.metadata.info, np.moveaxis(inputs["image"], 1, -1)
        if self.metadata.input == "normalized":
            image = 255 * (image * np.float32(info.std) + np.float32(info.mean))
        elif info.range:
            image = info.scaled(image)
        found = self.network(image)
        logits = np.log(found.clip(1e-9) / (1 - found).clip(1e-9))
        return (logits if self.metadata.output == "logits" else found,)


@pytest.mark.parametrize(
    "fit", [CROP, replace(CROP, scale=0.6, overlap=0.5), replace(CROP, overlap=0.0), BOX]
)
@pytest.mark.parametrize("ways", [{}, {"input": "normalized", "output": "logits"}])
@pytest.mark.parametrize("is_photo", [True, False])
def test_the_code_for_other_programs_gives_the_masks_of_predict(fit, ways, is_photo, tmp_path, monkeypatch):
    info = fit if is_photo else replace(fit, channels=3, range=((0.0, 250.0),) * 3)
    metadata = ExportMetadata(replace(info, kind="binary", classes=("lesion",)), **ways)
    file = tmp_path / ("photo.jpg" if is_photo else "image.tif")
    if is_photo:
        Image.fromarray(noise(150, 203)).save(file, quality=90)
    else:
        tifffile.imwrite(file, noise(150, 203).astype(np.float32), photometric="rgb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(
        sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=lambda path: Session(metadata))
    )
    names: dict = {}
    exec(usage_examples(metadata, "a.onnx")[-1].code, names)
    expected = Predictor([Scaled(metadata.info)]).predict(Path(file.name))
    differ = (names["mask"] != expected.mask).mean()
    assert differ < 1e-3
    assert 0.2 < expected.mask.mean() < 0.8
