from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from segkit.analysis.plan.ceiling import dice_ceiling
from segkit.analysis.plan.fit_rules import candidates
from segkit.analysis.plan.measure import MaskRegion, measure_ceilings
from segkit.core.types import Task
from segkit.data.fit import Fit

BINARY = Task("binary", ("spot",))


def square(side: int, extent: int = 64) -> np.ndarray:
    mask = np.zeros((extent, extent), np.uint8)
    mask[16 : 16 + side, 16 : 16 + side] = 1
    return mask


def test_nothing_is_lost_at_the_size_of_the_mask_and_thin_lines_are_at_half_of_it() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[::2] = 1  # half of each pixel at half the size, which is no majority
    assert dice_ceiling(stripes, (64, 64), BINARY).tolist() == [1.0]
    assert dice_ceiling(stripes, (32, 32), BINARY).tolist() == [0.0]
    found = [dice_ceiling(square(17), (side, side), BINARY)[0] for side in (8, 16, 24, 32)]
    assert found == sorted(found)
    assert 0.8 < found[0] < found[-1] < 1


def test_a_square_of_whole_pixels_loses_nothing() -> None:
    """Bilinear interpolation of a corner is 9/16 there."""
    assert dice_ceiling(square(32), (32, 32), BINARY)[0] == 1


def test_each_class_has_its_score_and_ignored_pixels_have_none() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:32, :32], mask[40:, :] = 1, 255
    task = Task("multiclass", ("ground", "spot", "absent"), 255)
    ground, spot, absent = dice_ceiling(mask, (32, 32), task)
    assert 0.99 < ground <= 1
    assert 0.99 < spot <= 1
    assert np.isnan(absent)
    both = np.stack([square(32), square(32), np.zeros((64, 64), np.uint8)], axis=-1)
    scores = dice_ceiling(both, (32, 32), Task("multilabel", ("a", "b", "c")))
    assert scores[0] == scores[1] == dice_ceiling(square(32), (32, 32), BINARY)[0]
    assert np.isnan(scores[2])
    ignored = np.full((64, 64), 255, np.uint8)
    ignored[16:48, 16:48] = 1
    assert (
        dice_ceiling(ignored, (30, 30), Task("binary", ("spot",), 255))[0] > 0.97
    )  # false positives around it


def test_the_ceiling_of_a_region_is_that_of_the_whole() -> None:
    """Of very large masks a region is measured, at the scale of the whole."""
    whole = np.tile(square(17), (4, 4))
    fits = [Fit("crop", (32, 32), 0.25), Fit("stretch", (128, 128))]
    found = measure_ceilings([MaskRegion(whole, (256, 256))], fits, BINARY, lambda *_: None)
    part = measure_ceilings([MaskRegion(whole[:128, :128], (256, 256))], fits, BINARY, lambda *_: None)
    assert [*found.values()] == pytest.approx([*part.values()], abs=0.01)


@pytest.mark.parametrize(
    ("extents", "fits"),
    [
        ([(60, 90)] * 3, "stretch: 64x96, crop: 1"),
        ([(300, 400)] * 3, "stretch: 96x128 128x192 192x256 256x320 288x384 320x416, crop: 1"),
        ([(300, 400)] * 8 + [(400, 300)] * 2,
         "letterbox: 128x128 192x192 256x256 320x320 384x384 416x416, crop: 1"),
        ([(300, 400)] * 19 + [(400, 300)],
         "stretch: 96x128 128x192 192x256 256x320 288x384 320x416, crop: 1"),
        ([(3000, 4000)],
         "stretch: 96x128 128x192 192x256 256x320 288x384 320x448 384x512, crop: 0.25 0.5 1"),
    ],
)  # fmt: skip
def test_candidates_suit_the_images(extents: list[tuple[int, int]], fits: str) -> None:
    found = candidates(extents)
    words = [f"{fit.scale:g}" if fit.kind == "crop" else f"{fit.size[0]}x{fit.size[1]}" for fit in found]
    kinds = groupby(zip(found, words, strict=True), key=lambda pair: pair[0].kind)
    assert ", ".join(f"{kind}: {' '.join(word for _, word in pairs)}" for kind, pairs in kinds) == fits
