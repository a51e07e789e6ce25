"""Contours, colours and sizes of the pictures of samples."""

import numpy as np
import pytest

from segkit.analysis.report.overlay import MAX_SIDE, MIN_SIDE, PREDICTION, TRUTH, overlay, sample_views
from segkit.analysis.report.run_data import read_run_data
from segkit.data.contours import contour
from segkit.data.palette import palette
from tests.analysis.report.cases import sample, write_run


def test_contour_is_the_inner_rim_of_every_class():
    mask = np.zeros((6, 6), np.uint8)
    mask[1:5, 1:5] = 1
    expected = mask.astype(bool)
    expected[2:4, 2:4] = False
    assert (contour(mask) == expected).all()


def test_contour_separates_touching_classes_and_skips_the_image_border():
    mask = np.array([[1, 1, 2, 2]] * 3, np.uint8)
    assert (contour(mask) == [[False, True, True, False]] * 3).all()


def test_contour_of_background_and_ignored_is_empty():
    assert not contour(np.array([[0, 255], [255, 0]], np.uint8)).any()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_overlay_shows_both_contours_where_masks_agree(channels):
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 1
    picture = overlay(np.full((64, 64, channels), 128, np.uint8), mask, mask)
    assert picture.shape == (MIN_SIDE, MIN_SIDE, 3)
    for color in (TRUTH, PREDICTION):
        assert (picture == color).all(axis=-1).sum() > 100


def test_overlay_greys_ignored_pixels():
    truth = np.full((MIN_SIDE, MIN_SIDE), 255, np.uint8)
    picture = overlay(np.zeros((MIN_SIDE, MIN_SIDE, 3), np.uint8), truth, np.zeros_like(truth))
    assert (picture > 60).all()


def test_large_samples_are_reduced(tmp_path):
    run = write_run(tmp_path)
    run.write_samples([sample("best", 0, side=1000)], palette(2))
    (shown,) = sample_views(read_run_data(run))
    assert [pane.file for pane in shown.panes] == [
        "1_image.png",
        "1_truth.png",
        "1_prediction.png",
        "1_overlay.png",
    ]
    sizes = {(int.from_bytes(pane.png[16:20]), int.from_bytes(pane.png[20:24])) for pane in shown.panes}
    assert sizes == {(MAX_SIDE, MAX_SIDE)}
