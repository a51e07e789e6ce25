"""Post-processing of predicted files, and the code of model cards that does the same without segkit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segkit.data.postprocess import area_factor
from segkit.inference.export.usage_examples import usage_examples
from segkit.inference.export_metadata import ExportMetadata, parse_metadata
from segkit.inference.inputs import find_inputs
from segkit.inference.model_info import parse_model_info
from segkit.inference.options import PredictOptions
from segkit.inference.outputs import Outputs
from segkit.inference.predict_files import predict_files
from segkit.inference.predictor import Predictor
from segkit.recipe.postprocess_settings import PostprocessSettings
from tests.inference.networks import LABELS, LESION, PARTS, Brightness

CLEANED = PostprocessSettings(fill_holes=30, min_size=4, keep_largest=True)
MIXED = PostprocessSettings(fill_holes="all", min_size={"skin": 5, "hair": 3}, keep_largest={"lesion": True})
BY_CLASS = PostprocessSettings(threshold={"dark hair": 0.6}, min_size=7, fill_holes=9)
INFOS = {
    "binary": replace(LESION, format=3, postprocess=CLEANED.model_copy(update={"threshold": 0.46})),
    "multiclass": replace(PARTS, format=3, postprocess=MIXED),
    "multilabel": replace(LABELS, format=3, postprocess=BY_CLASS),
}


def blotches(height: int, width: int) -> np.ndarray:
    """An image of smooth noise, whose masks have many objects and holes."""
    noise = np.random.default_rng(0).normal(size=(height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (2, 2, 0))
    return (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("kind", INFOS)
def test_files_have_the_mask_that_is_predicted(kind: str, tile: int, tmp_path: Path) -> None:
    """Files are written in bands of rows, but objects reach over many."""
    info, image = INFOS[kind], blotches(150, 170)
    Image.fromarray(image).save(tmp_path / "a.png")
    predictor, inputs = Predictor([Brightness(info)]), find_inputs([str(tmp_path / "a.png")]).images
    expected = predictor.predict(image, tile=tile)
    raw = predictor.predict(image, tile=tile, postprocess=False)
    assert not np.array_equal(raw.mask, expected.mask)
    seen = (150, 170) if tile else info.size
    steps = info.postprocess.steps(info.task).scaled(150 * 170 / (seen[0] * seen[1]))
    assert np.array_equal(steps.mask(expected.probabilities), expected.mask)
    for post, mask in ((True, expected.mask), (False, raw.mask)):
        outputs = Outputs(tmp_path / f"masks{post}", info.task)
        options = PredictOptions(tile=tile, postprocess=post)
        assert not predict_files(predictor, inputs, outputs, options).problems
        planes = [np.asarray(Image.open(file)) for file in outputs.files("a")]
        written = np.stack(planes, -1) if kind == "multilabel" else planes[0]
        assert np.array_equal(written if kind == "multiclass" else written > 0, mask)


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("kind", INFOS)
def test_the_code_of_a_card_makes_the_same_mask(kind: str, fit: str) -> None:
    info = replace(INFOS[kind], fit=fit, scale=0.5 if fit == "crop" else 1.0)
    code = usage_examples(ExportMetadata(info), "a.onnx")[-1].code
    assert "from scipy import ndimage\n" in code
    photo = Image.fromarray(blotches(150, 170))
    maps = Brightness(info)(np.asarray(photo)[None])[0]
    height, width = info.geometry.content((150, 170))
    names: dict[str, Any] = {
        "np": np, "ndimage": ndimage, "photo": photo, "maps": [*maps], "height": height, "width": width,
    }  # fmt: skip
    exec(code[code.index("def fill_holes") :], names)
    steps = info.postprocess.steps(info.task).scaled(area_factor(info.geometry, (150, 170)))
    found = np.moveaxis(names["masks"], 0, -1) if kind == "multilabel" else names["mask"]
    assert np.array_equal(found, steps.mask(maps))


def test_the_metadata_of_an_export_hold_it_and_are_checked() -> None:
    metadata = ExportMetadata(INFOS["multiclass"])
    assert parse_metadata(metadata.entries()).info == INFOS["multiclass"]
    facts = metadata.info.as_json()
    facts["postprocess"]["keep_largest"] = {"pore": True}
    with pytest.raises(ValueError, match=r"^facts: postprocess.keep_largest: no class is called 'pore'$"):
        parse_model_info(facts)
    facts["postprocess"] = {"min_size": -1}
    with pytest.raises(ValueError, match=r"^postprocess\.min_size\."):
        parse_model_info(facts)
