"""albumentations' transforms: what is listed, how it is built, and that geometry moves masks with images."""

import subprocess
import sys
import warnings
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from segkit.core.errors import PartError
from segkit.core.registry import TRANSFORMS
from tests.data.cases import NEEDED
from tests.points import check_points

SIDE = 32
OURS = {entry.name for entry in TRANSFORMS.own()}
NAMES = [name for name in TRANSFORMS.names() if name not in OURS]
GEOMETRY = [
    *(
        "Affine",
        "CropAndPad",
        "D4",
        "ElasticTransform",
        "GridDistortion",
        "GridElasticDeform",
        "HorizontalFlip",
    ),
    *("OpticalDistortion", "Perspective", "PiecewiseAffine", "RandomGridShuffle", "RandomResizedCrop"),
    *("RandomRotate90", "RandomSizedCrop", "Rotate", "SafeRotate", "ShiftScaleRotate", "SquareSymmetry"),
    *("ThinPlateSpline", "Transpose", "VerticalFlip"),
]
COMMON = [name for name in GEOMETRY if name != "GridElasticDeform"]  # it takes 1 or 3 channels only


def build(name: str, **options):
    entry = TRANSFORMS.get(name)
    return entry.factory(**dict(entry.schema(**{**NEEDED.get(name, {}), **options})))


always = cache(lambda name: build(name, p=1.0))


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def blobs(labels: int = 0) -> np.ndarray:
    """A mask of the values 0, 1, 2 and 255; or (H, W, K) of 0 and 1."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[(rows - 12) ** 2 + (columns - 18) ** 2 < 80] = 1
    mask[4:9, 3:20] = 2
    mask[25:28] = 255
    return (
        np.stack([mask == label % 3 for label in range(labels)], axis=-1).astype(np.uint8) if labels else mask
    )


def noise(channels: int = 3) -> np.ndarray:
    return rng(0).integers(0, 256, (SIDE, SIDE, channels), np.uint8)


def test_transforms_say_what_they_do_in_a_few_words():
    check_points([says_what_it_does_in_a_few_words], [(name,) for name in NAMES])


def says_what_it_does_in_a_few_words(name):
    entry = TRANSFORMS.get(name)
    assert 10 < len(entry.summary) < 250
    assert "\n" not in entry.summary
    assert entry.options["p"].meaning
    assert all(len(option.meaning) < 250 for option in entry.options.values())
    assert entry.where.rpartition(":")[2].isdigit()


@pytest.mark.parametrize("name", GEOMETRY)
def test_every_label_moves_as_a_mask_of_its_own(name):
    check_points([label_moves_as_a_mask_of_its_own], [(name, labels) for labels in (1, 2, 6)])


def label_moves_as_a_mask_of_its_own(name, labels):
    _, several = always(name)(noise(), blobs(labels), rng())
    assert several.shape == (SIDE, SIDE, labels)
    for label in range(labels):
        _, alone = always(name)(noise(), blobs(labels)[..., label], rng())
        assert (several[..., label] != alone).sum() <= 4  # OpenCV rounds differently for two channels
        assert {*np.unique(several).tolist()} <= {0, 1}


@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_moves_image_and_mask_together(name):
    nearest = {"interpolation": "INTER_NEAREST"} if "interpolation" in TRANSFORMS.get(name).options else {}
    mask = blobs()
    image = np.stack([mask] * 3, axis=-1)
    moved = False
    for seed in range(8):
        changed, changed_mask = build(name, p=1.0, **nearest)(image, mask, rng(seed))
        np.testing.assert_array_equal(changed[..., 0], changed_mask)
        moved |= bool((changed_mask != mask).any())
    assert moved


def test_whole_set_of_geometry_is_tested():
    moving = {name for name in NAMES if (always(name)(noise(), blobs(), rng(1))[1] != blobs()).any()}
    assert moving <= {*GEOMETRY}


def test_flip_is_a_flip_and_chance_is_kept():
    image, mask = noise(), blobs()
    flipped, flipped_mask = build("HorizontalFlip", p=1)(image, mask, rng())
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    np.testing.assert_array_equal(flipped_mask, mask[:, ::-1])
    half = build("HorizontalFlip")
    flips = sum(bool((half(image, mask, rng(seed))[1] != mask).any()) for seed in range(200))
    assert 70 < flips < 130
    assert (build("HorizontalFlip", p=0)(image, mask, rng())[0] == image).all()


def test_what_enters_from_outside_is_background_in_the_mask():
    image, mask = build("Rotate", limit=[45, 45], p=1)(noise() | 1, np.ones((SIDE, SIDE), np.uint8), rng())
    assert image[0, 0].tolist() == [0, 0, 0]
    assert mask[0, 0] == 0
    reflected = build("Rotate", limit=[45, 45], border_mode="BORDER_REFLECT", p=1)
    assert reflected(noise(), np.ones((SIDE, SIDE), np.uint8), rng())[1].all()


def test_pixels_and_shares_are_told_apart():
    schema = TRANSFORMS.get("CoarseDropout").schema
    assert schema(hole_height_range=[1, 8]).hole_height_range == (1, 8)
    assert isinstance(schema(hole_height_range=[1, 8]).hole_height_range[0], int)
    assert isinstance(schema(hole_height_range=[1.0, 1.0]).hole_height_range[0], float)


def test_masks_cannot_be_blended_or_filled():
    options = {option for name in NAMES for option in TRANSFORMS.get(name).options}
    assert not [option for option in options if "mask" in option and option != "mask_indices"]
    assert "area_for_downscale" not in options
    for name in (
        "Morphological",
        "Normalize",
        "Resize",
        "RandomCrop",
        "Lambda",
        "MaskDropout",
        "BaseDropout",
    ):
        assert TRANSFORMS.get(name) is None
    assert TRANSFORMS.near("horizontal_flip")[0] == "HorizontalFlip"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limmit": 3}, "Extra inputs are not permitted"),
        ({"limit": "far"}, "valid number"),
        ({"interpolation": "INTER_NEARLY"}, "'INTER_NEAREST', 'INTER_LINEAR'"),
        ({"p": True}, "true and false are not numbers"),
        ({"p": 1.5}, "less than or equal to 1"),
        ({"p": -3}, "greater than or equal to 0"),
        ({"mask_interpolation": "INTER_LINEAR"}, "Extra inputs are not permitted"),
    ],
)
def test_options_are_checked_before_anything_is_built(options, message):
    with pytest.raises(ValidationError, match=message):
        TRANSFORMS.get("Rotate").schema(**options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("CropAndPad", {"percent": None}, "CropAndPad: Both px and percent parameters cannot be None simult"),
        (
            "GaussNoise",
            {"std_range": [0.5, 9]},
            r"GaussNoise: std_range: All values in \(0\.5, 9\.0\) must be >= 0.*\n  try: segkit sh",
        ),
        (
            "Blur",
            {"blur_limit": [4, 6]},
            r"Blur: blur_limit: Non-zero kernel sizes must be odd\. Range \(4, 6\)",
        ),
        (
            "ShiftScaleRotate",
            {"border_mode": "REFLECT"},
            "ShiftScaleRotate: border_mode: Input should be 0, 1",
        ),
    ],
)
def test_options_that_albumentations_refuses_are_told_in_a_line(name, options, message):
    with pytest.raises(PartError, match=message) as error:
        build(name, **options)
    assert len(str(error.value).splitlines()) == 2


def test_transform_that_fails_on_the_images_is_named():
    message = (
        "RandomFog fails on 32x32 images of 1 channels: This transformation expects 3-channel images\n  try: "
    )
    with pytest.raises(PartError, match=message):
        always("RandomFog")(noise(1), blobs(), rng())


@pytest.mark.parametrize("channels", [1, 4])
def test_common_transforms_work_on_other_channels(channels):
    names = [*COMMON, "RandomBrightnessContrast", "GaussNoise", "GaussianBlur"]
    check_points([works_on_other_channels], [(name, channels) for name in names])


def works_on_other_channels(name, channels):
    image, _ = always(name)(noise(channels), blobs(), rng())
    assert image.shape == (SIDE, SIDE, channels)


def test_transform_that_changes_the_size_is_refused():
    message = (
        r"Transpose changes the shape of images from \(32, 24, 3\) to \(24, 32, 3\)\n  try: a transform must"
    )
    with pytest.raises(PartError, match=message):
        always("Transpose")(noise()[:, :24], blobs()[:, :24], rng())


@pytest.mark.slow
def test_listing_imports_no_albumentations():
    code = (
        "import sys, segkit.parts.transforms.albumentations_transforms\n"
        "from segkit.core.registry import TRANSFORMS\n"
        "assert [TRANSFORMS.get(name).schema for name in TRANSFORMS.names()]\n"
        "assert not {'albumentations', 'cv2', 'torch', 'scipy'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_transforms_take_what_is_said_of_them():
    """Every transform on images of both types and several numbers of channels, against the table."""
    check_points([takes_what_is_said_of_it], [(name,) for name in NAMES])


def takes_what_is_said_of_it(name):
    traits = TRANSFORMS.get(name).traits
    for dtype in ("uint8", "float32"):
        for channels in (1, 3, 4, 12):
            said = dtype in traits["types"] and (not traits["channels"] or channels in traits["channels"])
            assert said == takes(always(name), noise(channels), dtype), f"{channels} channels of {dtype}"


def takes(transform, image, dtype) -> bool:
    image = image if dtype == "uint8" else image / np.float32(255)
    warnings.simplefilter("ignore")  # HueSaturationValue and ToGray do less to grey images
    for seed in range(20 if transform.name == "GridElasticDeform" else 2):  # it gives NaN now and then
        try:
            changed, _ = transform(image.copy(), blobs(), rng(seed))
        except PartError:
            return False
        if changed.dtype != dtype or not (np.isfinite(changed).all() and changed.min() >= 0):
            return False
        if dtype == "float32" and changed.max() > 1 + 1e-5:
            return False
    return True


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Rotate", {"limit": [45, 45], "fill": 51}),
        ("CoarseDropout", {"fill": [51, 102, 153]}),
        ("PixelDropout", {"drop_value": 51, "dropout_prob": 0.3}),
        ("RandomBrightnessContrast", {}),
    ],
)
def test_floats_are_transformed_as_eight_bits_are(name, options):
    transform = build(name, p=1.0, **options)
    for seed in range(3):
        expected, _ = transform(noise(), blobs(), rng(seed))
        changed, _ = transform(noise() / np.float32(255), blobs(), rng(seed))
        np.testing.assert_allclose(255 * changed, expected, atol=2)


def test_images_that_transforms_take_are_in_their_documentation():
    assert {name: TRANSFORMS.get(name).traits["channels"] for name in ("CLAHE", "ISONoise", "Rotate")} == {
        "CLAHE": (1, 3),
        "ISONoise": (3,),
        "Rotate": (),
    }
