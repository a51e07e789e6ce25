"""Larger images that transforms get, so that nothing from beyond their borders is left."""

import numpy as np
import pytest

from segkit.core.registry import TRANSFORMS
from segkit.data.augment import centre, input_extents

ROOM = [
    ("Affine", {"scale": [0.7, 1.4], "rotate": [-180, 180]}),
    (
        "Affine",
        {"scale": {"x": [0.8, 1], "y": [1, 1.2]}, "shear": [-15, 15], "translate_percent": [-0.1, 0.1]},
    ),
    ("Affine", {"translate_px": {"x": [-20, 20], "y": [0, 5]}, "rotate": 30}),
    ("CropAndPad", {"px": [-10, 20]}),
    ("CropAndPad", {"percent": 0.2}),
    ("ElasticTransform", {"alpha": 120, "sigma": 6}),
    ("ElasticTransform", {"alpha": 300, "sigma": 50}),
    ("ElasticTransform", {"alpha": 100, "sigma": 20, "approximate": True, "noise_distribution": "uniform"}),
    ("GridDistortion", {}),
    ("GridDistortion", {"normalized": False}),
    ("OpticalDistortion", {"distort_limit": 0.5}),
    ("OpticalDistortion", {"distort_limit": 0.5, "mode": "fisheye"}),
    ("Perspective", {}),
    ("Perspective", {"fit_output": True}),
    ("PiecewiseAffine", {}),
    ("Rotate", {"limit": 20}),
    ("Rotate", {"limit": [170, 190]}),
    ("SafeRotate", {"limit": 90}),
    ("ShiftScaleRotate", {"shift_limit": 0.05}),
]


def built(name: str, **options):
    entry = TRANSFORMS.get(name)
    return entry.factory(**dict(entry.schema(**{"p": 1.0, **options})))


@pytest.mark.parametrize(("name", "options"), ROOM, ids=[f"{name}-{n}" for n, (name, _) in enumerate(ROOM)])
def test_centre_of_the_result_has_pixels_of_the_image_only(name, options):
    size = (24, 40) if name != "PiecewiseAffine" else (12, 16)  # slow
    transform = built(name, **options)
    (extent,) = input_extents([transform], size)
    image, mask = np.ones((*extent, 1), np.uint8), np.ones(extent, np.uint8)
    for seed in range(25 if name != "PiecewiseAffine" else 2):
        moved = transform(image, mask, np.random.default_rng(seed))[1]
        assert centre(moved, size).all()
    is_larger = extent > size
    assert is_larger == (name != "PiecewiseAffine")


def test_extents_grow_backwards_and_end_where_a_transform_fixes_the_size():
    turn, flip = built("Rotate", limit=90), built("HorizontalFlip")
    (last,) = input_extents([turn], (64, 64))
    assert last == (93, 93)
    first, *rest = input_extents([turn, flip, turn], (64, 64))
    assert rest == [last, last]
    assert first > last
    fixed = built("RandomResizedCrop", size=[64, 64])
    assert input_extents([turn, fixed, turn], (64, 64)) == [last, (64, 64), (64, 64)]
    moved = built("Affine", translate_px={"x": [0, 10], "y": 0})
    assert input_extents([moved], (64, 64)) == [(86, 86)], "a quarter turn may follow"
    assert input_extents([moved], (60, 64)) == [(60, 86)]
    assert input_extents([built("Affine", scale=[0.001, 1])], (64, 64)) == [(512, 512)], "eight times at most"
