"""boundary_iou and hd95: by hand, and scipy, scikit-image and brute force as judges."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_cdt, distance_transform_edt
from skimage.metrics import hausdorff_distance
from skimage.segmentation import find_boundaries

from segkit.parts.metrics._boundary import contour, directed_distances, hausdorff_95, inner_band
from tests.parts.metrics.cases import TASKS, VOID, batch, build, certain, score


def square(top: int, left: int, side: int, size: int = 32) -> torch.Tensor:
    mask = torch.zeros(1, size, size, dtype=torch.long)
    mask[0, top : top + side, left : left + side] = 1
    return mask


def masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    logits, target = batch("binary", seed=seed, side=40)
    return (logits[1, 0] > 0).numpy(), target[1].numpy() == 1


def known(mask: np.ndarray) -> np.ndarray:
    return np.ones_like(mask)


def test_boundary_iou_by_hand():
    # A square of side 10 and the same moved by one pixel, with bands one pixel wide.
    a, b = square(4, 4, 10), square(4, 5, 10)
    ring = {(y, x) for y in range(10) for x in range(10) if {y, x} & {0, 9}}
    moved = {(y, x + 1) for y, x in ring}
    metric = build("boundary_iou", dilation=0.01)
    assert metric.per_image(certain("binary", a), b).item() == len(ring & moved) / len(ring | moved)


def test_boundary_iou_is_stricter_than_iou_for_large_objects():
    a, b = square(2, 2, 26), square(2, 3, 26)
    logits = certain("binary", a)
    assert build("boundary_iou").per_image(logits, b) < 0.6 < 0.9 < build("iou").per_image(logits, b)


def test_boundary_iou_of_a_wide_band_is_iou():
    logits, target = batch("binary")
    assert torch.equal(
        build("boundary_iou", dilation=1.0).per_image(logits, target), build("iou").per_image(logits, target)
    )


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_inner_band_agrees_with_a_distance_map(width, seed):
    for mask in masks(seed):
        depth = distance_transform_cdt(np.pad(mask, 1), metric="chessboard")[1:-1, 1:-1]
        band = inner_band(mask[None, None], known(mask)[None, None], width)[0, 0]
        assert np.array_equal(band, mask & (depth <= width))


@pytest.mark.parametrize("seed", range(3))
def test_contour_agrees_with_scikit_image(seed):
    for mask in masks(seed):
        judge = find_boundaries(np.pad(mask, 1), connectivity=1, mode="inner")[1:-1, 1:-1]
        assert np.array_equal(contour(mask[None, None], known(mask)[None, None])[0, 0], judge)


def test_ignored_pixels_make_no_contour():
    mask = np.ones((1, 1, 6, 6), dtype=bool)
    seen = known(mask)
    mask[..., 2:4, 2:4] = seen[..., 2:4, 2:4] = False
    assert contour(mask, seen).sum() == 20  # the rim of the image only
    assert inner_band(mask, seen, 1).sum() == 20


def test_hd95_by_hand():
    distance = build("hd95").per_image(certain("binary", square(4, 4, 10)), square(4, 7, 10))
    assert distance.item() == 3
    empty = [[0] * 4] * 3
    dot = [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert score("hd95", empty, empty) == 0
    assert score("hd95", dot, empty) == score("hd95", empty, dot) == 5
    assert score("hd95", dot, [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]) == math.sqrt(5)


@pytest.mark.parametrize("seed", range(3))
def test_directed_distances_agree_with_scikit_image_and_scipy(seed):
    a, b = (contour(mask[None, None], known(mask)[None, None])[0, 0] for mask in masks(seed))
    there, back = directed_distances(np.argwhere(a), np.argwhere(b))
    assert max(there.max(), back.max()) == pytest.approx(hausdorff_distance(a, b), rel=1e-12)
    judge = max(
        np.percentile(distance_transform_edt(~b)[a], 95), np.percentile(distance_transform_edt(~a)[b], 95)
    )
    assert hausdorff_95(a, b, empty=0) == pytest.approx(judge, rel=1e-12)


def test_hd95_of_several_classes_is_their_mean():
    target = torch.cat([square(4, 4, 10), square(20, 20, 5), torch.zeros(1, 32, 32, dtype=torch.long)])[None]
    predicted = target.clone()
    predicted[0, 0] = square(4, 7, 10)
    per_image = build("hd95", "multilabel").per_image(certain("multilabel", predicted), target)
    assert per_image.item() == (3 + 0 + 0) / 3


@pytest.mark.parametrize("name", ["boundary_iou", "hd95"])
@pytest.mark.parametrize("kind", TASKS)
def test_contour_metric_survives_masks_hidden_by_ignored_pixels(name, kind):
    logits, target = batch(kind)
    target[..., ::2, :] = VOID
    assert build(name, kind).per_image(logits, target).isfinite().all()
