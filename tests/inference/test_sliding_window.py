"""Images in tiles: no seam, whatever the size, and no more in memory than a row of tiles."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from segkit.core.errors import SegkitError
from segkit.inference.image_source import ImageArray
from segkit.inference.options import PredictOptions
from segkit.inference.predictor import Predictor
from segkit.inference.sliding_window import predict_windows
from tests.inference.networks import LABELS, LESION, PARTS, Blocks, Brightness, noise
from tests.points import check_points

SMALLER = "an overlap of at most 63 pixels"


@pytest.mark.parametrize(("tile", "size"), [(100, (250, 130)), (20, (45, 70))])
@pytest.mark.parametrize("overlap", [None, 0, 3, 19])
def test_weights_sum_to_one_for_a_model_of_one_size_too(tile, size, overlap):
    network = Brightness(replace(LESION, multiple=0, size=(tile, tile)))
    image = noise(*size)
    found = Predictor([network]).predict(image, tile=tile, overlap=overlap)
    np.testing.assert_allclose(found.probabilities, network(image[None])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("tile", "overlap", "step"),
    [(128, None, 96), (128, 1, 96), (128, 96, 32), (128, 97, 31), (128, 127, 1), (32, None, 24)],
)
def test_tiles_are_on_the_grid_where_the_overlap_allows_it(tile, overlap, step):
    assert PredictOptions(tile=tile, overlap=overlap).fit(LESION).step == (step, step)


@pytest.mark.parametrize("facts", [LESION, PARTS, LABELS], ids=["binary", "multiclass", "multilabel"])
def test_what_depends_on_a_pixel_alone_is_the_same_in_tiles(facts):
    def is_the_same(size, overlap):
        image = noise(*size)
        found = Predictor([Brightness(facts)]).predict(image, tile=128, overlap=overlap)
        np.testing.assert_allclose(found.probabilities, Brightness(facts)(image[None])[0], atol=1e-6)

    sizes = [(64, 64), (65, 200), (400, 97), (641, 517), (20, 30)]
    check_points([is_the_same], product(sizes, [0, 32, 64]))


def test_tiles_say_what_the_whole_image_says_where_their_borders_are_far():
    image = noise(1024, 1536)
    tiled = Predictor([Blocks()]).predict(image, tile=512, overlap=256).probabilities
    whole = Blocks()(image[None])[0]
    # The outermost quarter of the overlap, 64 pixels, counts nothing, and the network sees no farther.
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


def test_nearer_to_borders_than_the_network_sees_tiles_differ():
    image = noise(1024, 1536)
    tiled = Predictor([Blocks()]).predict(image, tile=512, overlap=32).probabilities
    differ = ~np.isclose(tiled, Blocks()(image[None])[0], atol=1e-6)
    assert 0 < differ.mean() < 0.5


@pytest.mark.parametrize("overlap", [64, 96])
def test_there_is_no_seam_even_where_tiles_disagree(overlap):
    """A network that says of each tile something else: from one to the other it goes smoothly."""

    class Counting(Brightness):
        told = 0

        def __call__(self, pixels):
            self.told += 1
            return np.full((len(pixels), 1, *pixels.shape[1:3]), self.told % 2, np.float32)

    found = Predictor([Counting()]).predict_many([noise(96, 1000)], tile=128, overlap=overlap, batch_size=1)
    (prediction,) = found
    steps = np.abs(np.diff(prediction.probabilities[0], axis=1))
    assert 0.9 < prediction.probabilities.max() <= 1
    assert steps.max() < 0.05  # 32 pixels from 0 to 1


def test_bands_come_as_soon_as_no_further_tile_reaches_them():
    picture, network = ImageArray(noise(1000, 300), LESION), Blocks()
    heights, asked = [], []
    options = PredictOptions(tile=128, overlap=32, batch_size=2)
    for band in predict_windows([network], options.fit(LESION), picture, options):
        heights.append(band.shape[1])
        asked.append(len(network.asked))
    assert sum(heights) == 1000
    assert set(heights[:-1]) == {96}
    assert asked[0] == 2  # three tiles in a row, two at once
    assert asked == [2 * (i + 1) for i in range(len(asked))]


def test_progress_tells_of_tiles():
    told = []
    picture, options = ImageArray(noise(200, 300), LESION), PredictOptions(tile=128, overlap=32)

    def tell(done, total):
        told.append((done, total))

    [*predict_windows([Blocks()], options.fit(LESION), picture, options, tell)]
    assert told == [(3, 6), (6, 6)]


def test_mirror_images_and_scales_of_tiles():
    image = noise(300, 300)
    plain = Predictor([Brightness()]).predict(image, tile=128).probabilities
    asked = Predictor([Brightness()]).predict(image, tile=128, flips=True).probabilities
    np.testing.assert_allclose(asked, plain, atol=1e-6)
    scaled = Predictor([Blocks()])
    scaled.predict(image, tile=128, scales=(0.5, 1, 1.5))
    assert {shape[1:3] for shape in scaled.networks[0].asked} == {(64, 64), (128, 128), (192, 192)}


@pytest.mark.parametrize(
    ("ways", "problem", "hint"),
    [
        ({"tile": 100}, "windows of 100 pixels do not fit this model", "use a multiple of 32, such as 96"),
        ({"tile": 64, "overlap": 64}, "windows of 64 pixels cannot overlap by 64", SMALLER),
        ({"tile": 64, "overlap": -1}, "windows of 64 pixels cannot overlap by -1", SMALLER),
        (
            {"overlap": 8},
            "an overlap needs a tile: this model takes whole images, resized",
            "for example tile=512",
        ),
        ({"tile": -64}, "windows of -64 pixels do not fit this model", "use a multiple of 32, such as 32"),
        ({"scales": (0,)}, "scales (0,) are not between 0.1 and 10", "for example 0.75, 1, 1.25"),
        ({"scales": ()}, "scales () are not between 0.1 and 10", "for example 0.75, 1, 1.25"),
    ],
)
def test_what_cannot_be_asked_is_refused(ways, problem, hint):
    with pytest.raises(SegkitError) as caught:
        Predictor([Blocks()]).predict(noise(64, 64), **ways)
    (found,) = caught.value.problems
    assert (found.problem, found.hint) == (problem, hint)


@pytest.mark.parametrize(
    ("ways", "problem", "hint"),
    [
        ({"tile": 128}, "not windows of 128x128", "tile=64"),
        ({"scales": (0.5, 1)}, "not at other scales", "omit the scales"),
    ],
)
def test_a_model_of_one_size_says_so(ways, problem, hint):
    network = Brightness(replace(LESION, multiple=0))
    with pytest.raises(SegkitError) as caught:
        Predictor([network]).predict(noise(64, 64), **ways)
    (found,) = caught.value.problems
    assert found.problem == f"this model takes images of 64x64 only, {problem}"
    assert found.hint == hint
    assert Predictor([network]).predict(noise(100, 100), tile=64, overlap=0).mask.shape == (100, 100)
