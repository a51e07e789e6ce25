"""Any image in, a prediction at its own size out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import DataError, SegkitError
from segkit.data.images import read_image_at
from segkit.data.resize import resize_probabilities, row_chunks
from segkit.inference.image_source import open_image
from segkit.inference.predictor import Predictor
from tests.inference.networks import LABELS, LESION, PARTS, Blocks, Brightness, Leftness, noise


def saved(folder, name, pixels, **options):
    path = folder / name
    Image.fromarray(pixels).save(path, **options)
    return path


def read(path):
    with Image.open(path) as picture:
        return picture.mode, np.asarray(picture).tolist()


@pytest.mark.parametrize("facts", [LESION, PARTS, LABELS], ids=["binary", "multiclass", "multilabel"])
def test_a_prediction_has_the_image_s_own_size(facts):
    found = Predictor([Brightness(facts)]).predict(noise(150, 203))
    assert found.probabilities.shape == (facts.task.channels, 150, 203)
    assert found.probabilities.dtype == np.float32
    assert found.mask.shape == ((150, 203, 2) if facts is LABELS else (150, 203))
    assert found.mask.dtype == np.uint8
    assert found.classes == facts.task.classes
    assert found.overlay().size == (203, 150)


def test_the_mask_is_what_is_most_probable():
    image = noise(64, 64)
    assert (Predictor([Brightness()]).predict(image).mask == (image[..., 0] > 127.5)).all()
    assert (Predictor([Brightness(PARTS)]).predict(image).mask == image.argmax(-1)).all()
    assert (Predictor([Brightness(LABELS)]).predict(image).mask == (image[..., :2] > 127.5)).all()


def test_shares_are_of_all_pixels():
    image = np.zeros((10, 10, 3), np.uint8)
    image[:2] = (255, 0, 0)
    image[2:5] = (0, 255, 0)
    several, one, labels = (
        Predictor([Brightness(replace(facts, size=(10, 10)))]).predict(image)
        for facts in (PARTS, LESION, LABELS)
    )
    assert several.class_fractions() == {"skin": 0.7, "lesion": 0.3, "hair": 0.0}
    assert repr(several) == "<Prediction 10x10: skin 70.0%, lesion 30.0%, hair 0.0%>"
    assert one.class_fractions() == {"lesion": 0.2}
    assert labels.class_fractions() == {"lesion": 0.2, "dark hair": 0.3}


def test_files_arrays_and_pillow_s_images_are_the_same(tmp_path):
    image = noise(100, 80)
    path = saved(tmp_path, "a.png", image)
    network = Predictor([Blocks()])
    answers = [network.predict(one).probabilities for one in (path, str(path), image, Image.fromarray(image))]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])


def test_a_jpeg_is_seen_as_in_training_and_by_other_programs(tmp_path):
    path = saved(tmp_path, "a.jpg", noise(600, 800), quality=90)
    (trained_on, extent) = read_image_at(path, 3, (64, 64))
    picture = open_image(path, LESION)
    with Image.open(path) as other:
        np.testing.assert_array_equal(other.resize((64, 64), Image.Resampling.BILINEAR), trained_on)
    np.testing.assert_array_equal(picture.resized((64, 64)), trained_on)
    assert picture.size == extent == (600, 800)


def test_a_photograph_held_sideways_is_predicted_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, "a.jpg", noise(64, 200), exif=exif)
    found = Predictor([Brightness()]).predict(path)
    assert found.mask.shape == (200, 64)
    assert Predictor([Brightness()]).predict(path, tile=64).mask.shape == (200, 64)
    assert found.overlay().size == (64, 200)


@pytest.mark.parametrize(
    "image",
    [
        noise(70, 70)[..., 0],
        noise(70, 70)[..., :1],
        np.dstack([noise(70, 70), noise(70, 70)[..., 0]]),
    ],
    ids=["grey", "one channel", "with alpha"],
)
def test_images_of_other_channels_are_taken_as_files_of_theirs_are(image):
    assert Predictor([Blocks()]).predict(image).mask.shape == (70, 70)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.zeros((5, 5, 3), complex), "an array of shape (5, 5, 3) and type complex128 is not an image"),
        (np.zeros((5, 5, 2), np.uint8), "the image has 2 channels, not 3"),
        (np.zeros((5, 5, 4), np.uint16), "the image has 4 channels, not 3"),
        (
            np.full((5, 5, 3), np.nan),
            "the image holds NaN or infinity, or numbers beyond 32-bit floating-point ones: "
            "25 pixels of channel 0, 25 pixels of channel 1, 25 pixels of channel 2 (from 0)",
        ),
        (np.zeros(5, np.uint8), "an array of shape (5,) and type uint8 is not an image"),
        (np.zeros((0, 5, 3), np.uint8), "an array of shape (0, 5, 3) has no pixels"),
        (None, "an array of shape () and type object is not an image"),
    ],
)
def test_what_is_no_image_is_refused(image, problem):
    with pytest.raises(DataError) as caught:
        Predictor([Blocks()]).predict(image)
    assert caught.value.problems[0].problem == problem
    if "channels" in problem:
        assert caught.value.problems[0].hint == "the model takes grey or RGB images"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        Predictor([Blocks()]).predict(tmp_path / "none.png")


def test_many_come_in_order_whatever_the_batches_are():
    images = [noise(40 + 10 * i, 90, seed=i) for i in range(7)]
    network = Predictor([Blocks()])
    alone = [network.predict(image).probabilities for image in images]
    for batch_size in (1, 3, 8):
        together = [*network.predict_many(images, batch_size=batch_size)]
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one, other.probabilities, atol=1e-6)


def test_mirror_images_are_turned_back():
    image = noise(64, 64)
    plain, flipped = (
        Predictor([Brightness()]).predict(image, flips=flips).probabilities for flips in (False, True)
    )
    np.testing.assert_allclose(flipped, plain, atol=1e-6)
    sided = Predictor([Leftness()]).predict(image, flips=True).probabilities
    np.testing.assert_allclose(sided, 0.5, atol=1e-6)  # the mean of left and right


def test_scales_are_sizes_that_the_model_takes():
    network = Blocks()
    Predictor([network]).predict(noise(200, 200), scales=(0.7, 1, 1.3))
    assert [shape[1:3] for shape in network.asked] == [(32, 32), (64, 64), (96, 96)]


def test_several_models_give_their_mean():
    image = noise(64, 64)
    answers = [Predictor([one]).predict(image).probabilities for one in (Brightness(), Leftness())]
    together = Predictor([Brightness(), Leftness()])
    np.testing.assert_allclose(together.predict(image).probabilities, np.mean(answers, axis=0), atol=1e-6)
    tiled = together.predict(image, tile=64, overlap=0).probabilities
    np.testing.assert_allclose(tiled, np.mean(answers, axis=0), atol=1e-6)


def test_models_of_other_classes_have_no_mean():
    with pytest.raises(SegkitError) as caught:
        Predictor([Brightness(), Brightness(PARTS)])
    assert str(caught.value) == (
        "drawn and drawn predict different classes, so they cannot be averaged\n"
        "  try: use models of the same task and the same kind of image"
    )


def test_bands_are_the_whole_in_pieces(monkeypatch):
    small = np.random.default_rng(0).random((3, 17, 23), np.float32)
    whole = resize_probabilities(small, (301, 203))
    for band in (1, 7 * 203 * 3, 10**9):
        monkeypatch.setattr("segkit.data.resize._MAX_CHUNK", band)
        np.testing.assert_allclose(np.concatenate([*row_chunks(small, (301, 203))], axis=1), whole, atol=1e-6)


def test_probabilities_are_resized_as_torch_does():
    import torch

    small = np.random.default_rng(0).random((2, 16, 16), np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(small)[None], size=(100, 130), mode="bilinear", align_corners=False
    )[0]
    np.testing.assert_allclose(resize_probabilities(small, (100, 130)), expected, atol=1e-5)


def test_a_mask_is_saved_as_a_picture_of_its_classes(tmp_path):
    image = noise(64, 64)
    one = Predictor([Brightness()]).predict(image)
    one.save(tmp_path / "one.png")
    assert read(tmp_path / "one.png") == ("L", (255 * one.mask).tolist())
    several = Predictor([Brightness(PARTS)]).predict(image)
    several.save(tmp_path / "several.png")
    assert read(tmp_path / "several.png") == ("P", several.mask.tolist())
    Predictor([Brightness(LABELS)]).predict(image).save(tmp_path / "labels.png")
    assert sorted(path.name for path in tmp_path.glob("labels*")) == [
        "labels_dark_hair.png",
        "labels_lesion.png",
    ]


def test_a_mask_is_not_saved_with_loss(tmp_path):
    with pytest.raises(SegkitError) as caught:
        Predictor([Brightness()]).predict(noise(64, 64)).save(tmp_path / "mask.jpg")
    assert "masks are saved as PNG only" in str(caught.value)
    assert not [*tmp_path.iterdir()]


def test_notebooks_show_a_small_picture():
    content = Predictor([Brightness()]).predict(noise(300, 900))._repr_png_()
    assert content.startswith(b"\x89PNG")


def test_an_overlay_tints_the_mask_and_nothing_else():
    image = np.full((64, 64, 3), 100, np.uint8)
    image[20:40, 20:40] = 200
    drawn = np.asarray(Predictor([Brightness()]).predict(image).overlay())
    assert (drawn[:20] == 100).all()
    assert (drawn[30, 30] == (216, 193, 140)).all()  # 0.7 of 200, 0.3 of the class's colour
    assert (drawn[20, 20] == (255, 176, 0)).all()


def test_an_overlay_of_a_very_large_image_is_smaller(monkeypatch):
    monkeypatch.setattr("segkit.inference.overlays.MAX_SIDE", 100)
    assert Predictor([Brightness()]).predict(noise(150, 300)).overlay().size == (100, 50)


def test_one_path_is_not_several_images():
    with pytest.raises(SegkitError, match="predict_many takes several images, not one path"):
        [*Predictor([Brightness()]).predict_many("photos")]
