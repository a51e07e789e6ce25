"""Parts of other images."""

import numpy as np
import pytest

from segkit.core.registry import TRANSFORMS

SHAPE = (24, 40)


def pair(value: int, labels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An image of one colour; its mask has that value, or one label for each value."""
    image = np.full((*SHAPE, 3), value, np.uint8)
    if not labels:
        return image, np.full(SHAPE, value, np.uint8)
    return image, np.stack([np.full(SHAPE, label == value, np.uint8) for label in range(labels)], axis=-1)


def apply(name: str, pairs: list, seed: int = 0, **options):
    transform = TRANSFORMS.get(name).factory(**{"p": 1.0, **options})
    return transform(*pairs[0], np.random.default_rng(seed), others=pairs[1:])


def test_mosaic_has_four_corners_of_four_images():
    for seed in range(20):
        image, mask = apply("Mosaic", [pair(value) for value in range(4)], seed)
        assert {mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1]} == {0, 1, 2, 3}
        np.testing.assert_array_equal(image[..., 0], mask)
        rows, columns = (
            np.flatnonzero(np.diff(line)) for line in (mask[:, 0].astype(int), mask[0].astype(int))
        )
        assert len(rows) == len(columns) == 1
        assert 5 <= rows[0] <= 17
        assert 9 <= columns[0] <= 29


def test_cutmix_replaces_a_rectangle_of_any_share():
    shares = []
    for seed in range(400):
        image, mask = apply("CutMix", [pair(0), pair(1)], seed)
        np.testing.assert_array_equal(image[..., 0], mask)
        rows, columns = np.nonzero(mask)
        inside = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert inside.all()
        shares.append(mask.mean())
    assert 0.3 < np.mean(shares) < 0.45  # half the area on average, less what is cut at the borders
    assert min(shares) < 0.05
    assert max(shares) > 0.8


def test_copy_paste_pastes_the_foreground_or_the_classes_that_are_named():
    image, mask = pair(7)
    other_image, other_mask = pair(9)
    other_mask[:] = 0
    other_mask[4:9, 5:8], other_mask[12, :], other_mask[20:] = 2, 3, 255
    for classes, values in ((None, (2, 3)), ([3], (3,)), ([0, 255 - 1], (0,))):
        pasted_image, pasted = apply("CopyPaste", [(image, mask), (other_image, other_mask)], classes=classes)
        new = np.isin(other_mask, values)
        np.testing.assert_array_equal(pasted, np.where(new, other_mask, 7))
        assert (pasted_image == np.where(new, 9, 7)[..., None]).all()
    pairs = [pair(0, labels=3), pair(1, labels=3)]
    assert apply("CopyPaste", pairs)[1].tolist() == pairs[1][1].tolist()
    assert apply("CopyPaste", pairs, classes=[2])[1].tolist() == pairs[0][1].tolist()


@pytest.mark.parametrize("name", ["Mosaic", "CutMix", "CopyPaste"])
def test_applied_with_its_probability_and_leaves_its_inputs(name):
    pairs = [pair(value) for value in (0, 1, 2, 3)]
    count = TRANSFORMS.get(name).traits["others"]
    results = [apply(name, pairs[: count + 1], seed, p=0.3)[1] for seed in range(200)]
    assert 0.2 < np.mean([result.any() for result in results]) < 0.4
    assert [image[0, 0, 0] for image, _ in pairs] == [0, 1, 2, 3]
