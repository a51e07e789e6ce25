"""A warning where images are scaled very differently from those that a model was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.core.types import Sample
from segkit.data.fit import Fit
from segkit.data.pairing import sample
from segkit.data.scales import boundary_density, sampled_scales
from segkit.inference.inputs import find_inputs
from segkit.inference.options import PredictOptions
from segkit.inference.outputs import Outputs
from segkit.inference.predict_files import predict_files
from segkit.inference.predictor import Predictor
from segkit.inference.scale_warnings import scale_warnings
from tests.data.cases import BINARY
from tests.inference.networks import LESION, Brightness, noise

FIT = Fit("stretch", (64, 64))
PATCHES = replace(LESION, image_scales=(1.0, 1.0), boundary_density=0.004)
REDUCED = replace(PATCHES, boundary_density=0.02)  # whole photographs made smaller
CROPPED = replace(LESION, fit="crop", scale=0.25, image_scales=(0.25, 0.25))
PHOTOGRAPHS = replace(LESION, image_scales=(0.05, 0.2), boundary_density=0.02)


@pytest.mark.parametrize(
    ("trained", "scales", "warned"),
    [
        (PATCHES, [0.5, 1.0, 2.0], ""),
        (PATCHES, [0.1, 1.0, 0.3], "2 of 3 images are scaled to 0.2 of their size"),
        (PHOTOGRAPHS, [0.03, 0.39], ""),
        (PHOTOGRAPHS, [0.1, 1.0], "training images to 0.05 to 0.2 of theirs"),
        (PHOTOGRAPHS, [1.0], "if it was trained on whole images, predict without tiles"),
        (PHOTOGRAPHS, [], ""),
        (LESION, [1e-6, 1e6], ""),
    ],
)
def test_scales_beyond_twice_those_of_training_are_told(trained, scales, warned):
    warnings = scale_warnings(trained, scales, None, "images")
    assert len(warnings) == bool(warned)
    assert warned in "".join(warnings)


@pytest.mark.parametrize(
    ("trained", "scale", "density", "warned"),
    [
        (PATCHES, 0.1, 0.002, ", and masks have 5 times as much boundary. Masks may be wrong: if it was tr"),
        (REDUCED, 0.1, 0.002, ""),
        (REDUCED, 0.1, 0.0, ""),  # nothing in the image
        (PHOTOGRAPHS, 1.0, 0.002, ", and masks have 0.1 times as much boundary. Masks may be wrong: predict"),
        (PHOTOGRAPHS, 1.0, 0.02, ""),  # a photograph made smaller
        (PHOTOGRAPHS, 1.0, 0.0, ""),
        (replace(PATCHES, boundary_density=None), 0.1, 0.002, ""),
    ],
)
def test_masks_tell_patches_from_whole_images_made_smaller(trained, scale, density, warned):
    warnings = scale_warnings(trained, [scale], lambda index: density, "images")
    assert len(warnings) == bool(warned)
    assert warned in "".join(warnings)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, side in enumerate((60, 400, 400)):
        Image.fromarray(noise(side, side)).save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("info", "ways", "warnings"),
    [
        (PATCHES, {}, ["2 of 3 images are scaled to 0.16 of their size"]),
        (PATCHES, {"tile": 64}, []),
        (replace(PATCHES, boundary_density=9.0), {}, []),
        (PATCHES, {"scales": (4.0,)}, []),
        (PHOTOGRAPHS, {}, []),
        (PHOTOGRAPHS, {"tile": 64}, ["3 of 3 images are scaled to 1 of their size"]),
        (PHOTOGRAPHS, {"tile": 64, "scales": (0.25,)}, []),
        (LESION, {}, []),
        (
            replace(PATCHES, fit="letterbox", size=(64, 32)),
            {},
            ["2 of 3 images are scaled to 0.08 of their size"],
        ),
        (
            replace(PHOTOGRAPHS, fit="letterbox"),
            {"tile": 64},
            ["3 of 3 images are scaled to 1 of their size"],
        ),
        (CROPPED, {}, []),
        (CROPPED, {"tile": 64}, []),  # at the scale of the model
    ],
)
def test_predicted_files_are_compared_with_the_training_images(photos, info, ways, warnings):
    options = PredictOptions(**ways)
    network = Brightness(info)
    found = find_inputs([str(photos)]).images
    result = predict_files(Predictor([network]), found, Outputs(photos / "m", info.task), options)
    assert result.problems == []
    assert len(result.warnings) == len(warnings)
    assert all(part in warning for part, warning in zip(warnings, result.warnings, strict=True))


def test_scales_of_samples_are_those_of_whole_files_and_of_parts_of_them(tmp_path):
    image = tmp_path / "a.png"
    Image.fromarray(noise(64, 256)).save(image)
    whole = sample("a", image, image, BINARY, 3)
    part = Sample("b", lambda: (noise(32, 32), np.zeros((32, 32), np.uint8)), (image,), variant="tile 1")
    broken = sample("c", tmp_path / "none.png", image, BINARY, 3)
    assert sampled_scales([whole, part, broken], FIT) == [(whole, 0.5), (part, 2.0)]
    assert sampled_scales([whole] * 1000, FIT) == [(whole, 0.5)] * 16
    assert sampled_scales([], FIT) == []


def test_boundary_density_is_the_share_of_neighbours_that_differ():
    mask = np.zeros((4, 4), np.uint8)
    mask[1:3, 1:3] = 1
    assert boundary_density(mask) == 8 / 24
    assert boundary_density(np.stack([mask, 0 * mask], axis=-1)) == 4 / 24
    assert boundary_density(np.zeros((1, 1), np.uint8)) == 0
    large = mask.repeat(1000, 0).repeat(1000, 1)
    assert boundary_density(large) == pytest.approx(boundary_density(mask) / 1000, rel=0.3)
