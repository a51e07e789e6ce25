"""Any tile, overlap and image size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segkit.inference.predictor import Predictor
from tests.inference.networks import Brightness, noise


@given(st.data())
def test_weights_of_tiles_sum_to_one(data):
    tile = data.draw(st.sampled_from([32, 64, 96, 128]), "tile")
    overlap = data.draw(st.integers(0, tile - 1), "overlap")
    most = tile + 4 * (tile - overlap)  # six tiles in each direction
    height, width = (data.draw(st.integers(1, most), side) for side in ("height", "width"))
    image = noise(height, width)
    found = Predictor([Brightness()]).predict(image, tile=tile, overlap=overlap)
    np.testing.assert_allclose(found.probabilities, Brightness()(image[None])[0], atol=1e-6)
