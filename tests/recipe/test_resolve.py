"""Channels and range of a recipe, decided by its images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segkit.core.errors import DataError, RecipeError, SegkitError
from segkit.data.preprocess import Prepared
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.dataset import find_samples, prepare_splits, scan_recipe_source, scan_samples
from segkit.recipe.resolve import pixels_in_words, range_warnings, with_channels, with_measured_range

RECIPE = """
name: resolved
data:
  source: {name: folder, images: images, masks: masks}
  size: [16, 16]
  split: {by: fraction, val: 0.4}
model: {encoder: {name: test_resnet, weights: none}, decoder: transposed_conv}
loss: dice
optimizer: adamw
metrics: iou
"""
RNG = np.random.default_rng(0)


def data_set(folder: Path, *images: np.ndarray) -> Path:
    """Images as TIFFs, or PNGs for those of 8 bits, each with a mask."""
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    for number, image in enumerate(images):
        for kind in ("images", "masks"):
            (folder / kind).mkdir(exist_ok=True)
        file = folder / "images" / str(number)
        if image.dtype == np.uint8 and image.shape[-1] == 3:
            Image.fromarray(image).save(file.with_suffix(".png"))
        else:
            write_tiff(file.with_suffix(".tif"), image)
        mask = np.eye(len(image), dtype=np.uint8) * 255
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder / "recipe.yaml"


def write_tiff(file: Path, image: np.ndarray) -> None:
    grey = image.shape[-1] == 1
    options = {} if grey else {"planarconfig": "contig"}
    tifffile.imwrite(file, image[..., 0] if grey else image, photometric="minisblack", **options)


def bands(channels: int, dtype: str = "uint16", high: int = 4000) -> np.ndarray:
    return RNG.integers(50, high, (16, 16, channels)).astype(dtype)


def resolved(file: Path, *overrides: str) -> Recipe:
    return scan_recipe_source(load_recipe(file, overrides))[0]


def prepared(recipe: Recipe) -> dict[str, Prepared]:
    return prepare_splits(recipe, find_samples(recipe), lambda label, done, total: None)


def test_channels_are_those_of_the_files(tmp_path: Path) -> None:
    file = data_set(tmp_path, *(bands(12) for _ in range(5)))
    recipe = resolved(file)
    assert (recipe.data.channels, recipe.data.in_channels) == (12, 12)
    assert prepared(recipe)["train"].images[0].shape == (16, 16, 12)
    with_bands = resolved(file, "data.bands=[3, 2, 1]")
    assert (with_bands.data.channels, with_bands.data.in_channels) == (12, 3)
    image = find_samples(recipe)["train"][0].read()[0]
    np.testing.assert_array_equal(prepared(with_bands)["train"].images[0], image[..., [3, 2, 1]])


@pytest.mark.parametrize("images", [(bands(1), bands(1)), (bands(3, "uint8", 99), bands(1), bands(3))])
def test_grey_and_colours_are_read_as_colours(tmp_path: Path, images: tuple[np.ndarray, ...]) -> None:
    assert resolved(data_set(tmp_path, *images)).data.channels == 3


def test_mixture_names_two_files(tmp_path: Path) -> None:
    file = data_set(tmp_path, bands(4), bands(3, "uint8", 99), bands(3, "uint8", 98))
    recipe, scan = scan_recipe_source(load_recipe(file))
    assert recipe.data.channels == 3  # that of most images
    with pytest.raises(DataError) as error:
        scan_samples(recipe, scan).whole()
    (problem,) = error.value.problems
    assert problem.problem == f"this image has 4 channels, and {tmp_path / 'images' / '1.png'} has 3"
    assert problem.file == str(tmp_path / "images" / "0.tif")
    assert "data.channels: 3" in problem.hint


def test_given_number_is_not_looked_for_and_generated_images_have_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segkit.recipe.resolve.channels_to_read", None)
    file = data_set(tmp_path, bands(5))
    assert resolved(file, "data.channels=5").data.channels == 5
    assert resolved(file, "data.source=synthetic_lesions", "data.split=official").data.channels == 3


def test_what_does_not_fit_the_files_is_told_once_they_are_known(tmp_path: Path) -> None:
    file = data_set(tmp_path, bands(5))
    overrides = ["data.range=[[0, 1], [0, 1], [0, 1]]", "data.normalize={mean: [0.5], std: [0.5]}"]
    with pytest.raises(RecipeError) as error:
        resolved(file, *overrides, "data.augment=[Rotate, CLAHE]")
    assert [(problem.path, problem.problem) for problem in error.value.problems] == [
        ("data.range", "found 3 pairs for 5 channels: write one for each, or one for all"),
        ("data.normalize", "mean and std need one value for each of the 5 channels"),
        ("data.augment.1", "CLAHE takes images of uint8 or float32, 1 or 3 channels; found 5 channels"),
    ]
    with pytest.raises(RecipeError, match=r"data\.bands: there is no band 5: images have the bands 0 to 4"):
        resolved(file, "data.bands=[5]")


def test_range_is_measured_over_the_training_images(tmp_path: Path) -> None:
    file = data_set(tmp_path, *(bands(2) for _ in range(5)))
    recipe = resolved(file)
    train = prepared(recipe)["train"]
    measured = with_measured_range(recipe, train)
    numbers = np.asarray(train.images).reshape(-1, 2)
    assert measured.data.range == [[float(channel.min()), float(channel.max())] for channel in numbers.T]
    assert pixels_in_words(measured.data) == f"2 channels, {measured.data.pixel_range}"
    percentiles = with_measured_range(resolved(file, "data.range={percentile: [1, 99]}"), train).data
    np.testing.assert_allclose(np.transpose(percentiles.range), np.percentile(numbers, [1, 99], axis=0))
    assert pixels_in_words(resolved(file, "data.range={percentile: [1, 99]}").data).endswith("not measured")
    given = resolved(file, "data.range=[0, 4095]")
    assert with_measured_range(given, train) is given


def test_eight_bits_stay_auto(tmp_path: Path) -> None:
    recipe = resolved(data_set(tmp_path, *(bands(3, "uint8", 99) for _ in range(5))))
    assert with_measured_range(recipe, prepared(recipe)["train"]) is recipe
    assert pixels_in_words(recipe.data) == ""
    assert recipe.data.pixel_range.is_eight_bits


def test_images_of_another_scale_are_named(tmp_path: Path) -> None:
    file = data_set(tmp_path, *(bands(3) for _ in range(5)))
    recipe = resolved(file)
    splits = prepared(recipe)
    assert range_warnings(recipe, with_measured_range(recipe, splits["train"]), splits) == []
    (val,) = (sample.name for sample in find_samples(recipe)["val"][:1])
    for path in (tmp_path / "images").glob(f"{val}.*"):
        write_tiff(path, tifffile.imread(path) * np.uint16(16))
    splits = prepared(recipe)
    measured = with_measured_range(recipe, splits["train"])
    assert range_warnings(recipe, measured, splits) == [
        f"1 of the 2 val images lies outside of the range {measured.data.pixel_range} ({val}): half of their "
        "pixels in a channel, or more, become 0 or 1. Do their numbers have another scale?"
    ]
    given = resolved(file, "data.range=[0, 255]")
    train, _ = range_warnings(given, given, splits)
    assert train.startswith("3 of the 3 train images lie outside of the range 0 to 255 (")


def test_range_that_is_hardly_used_is_told(tmp_path: Path) -> None:
    recipe = resolved(data_set(tmp_path, *(bands(3, high=1000) for _ in range(5))), "data.range=[0, 65535]")
    (warning,) = range_warnings(recipe, recipe, prepared(recipe))
    assert warning == (
        "The numbers of all training images use at most 1.4% of the range 0 to 65535: the model sees nearly "
        "one colour. data.range: auto measures the range of the images."
    )


@pytest.mark.parametrize("bits", ["data.range=[0, 4000]", "data.range={percentile: [1, 99]}"])
def test_transform_of_eight_bits_only_is_refused_with_its_line(tmp_path: Path, bits: str) -> None:
    file = data_set(tmp_path, bands(3))
    augment = "  augment:\n    - {name: GridElasticDeform, num_grid_xy: [3, 3], magnitude: 3}\n"
    file.write_text(RECIPE.replace("  size:", f"{augment}  size:"), encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        load_recipe(file, [bits])
    (problem,) = error.value.problems
    assert (problem.file, problem.line, problem.path) == (str(file), 6, "data.augment.0")
    assert problem.problem == ("GridElasticDeform takes images of uint8, 1 or 3 channels; found float32")
    assert problem.hint.startswith("another transform; images are uint8 if they have 8 bits")


def test_numbers_of_a_recipe_are_the_same_after_resolving_twice(tmp_path: Path) -> None:
    recipe = resolved(data_set(tmp_path, bands(5)))
    assert with_channels(recipe, 5) == recipe


def test_pairs_of_another_number_of_channels_are_refused_and_not_used(tmp_path: Path) -> None:
    recipe = load_recipe(data_set(tmp_path, bands(12)), ["data.range=[[0, 1], [0, 2]]"])
    assert recipe.data.pixel_range.is_eight_bits  # whoever goes on to find more mistakes
    with pytest.raises(SegkitError, match=r"data\.range: found 2 pairs for 12 channels"):
        scan_recipe_source(recipe)
