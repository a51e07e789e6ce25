"""What several processes compute on their shares is what one computes on the whole."""

import numpy as np
import pytest
import torch

from segkit.data.batches import TrainBatches
from segkit.training.distributed.sharding import BatchShard
from tests import several


def rows(parts, *keys):
    """The rows of all processes, one after the other."""
    for key in keys:
        parts = [part[key] for part in parts]
    return np.concatenate([np.asarray(part) for part in parts])


def test_shares_are_those_that_numpy_deals():
    for images in range(2, 9):
        dealt = np.array_split(np.arange(images), 3)
        for rank in range(3):
            assert np.arange(images)[BatchShard(images, rank, 3).slice].tolist() == dealt[rank].tolist()


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_have_every_image_of_every_batch_once_as_one_process_has_it(workers):
    images = np.arange(11 * 2 * 2 * 3, dtype=np.uint8).reshape(11, 2, 2, 3)

    def dealt(rank, processes, workers=0):
        batches = TrainBatches(
            images, images[..., 0], [], 4, seed=5, workers=workers, rank=rank, processes=processes
        )
        return batches, list(batches.epoch(2))

    whole, expected = dealt(0, 1)
    parts = [dealt(rank, 3, workers)[1] for rank in range(3)]
    for step, (batch, *shares) in enumerate(zip(expected, *parts, strict=True), start=1):
        assert [i for share in shares for i in share.indices] == batch.indices == whole.indices(2, step)
        assert torch.equal(torch.cat([share.image for share in shares]), batch.image)
        assert torch.equal(torch.cat([share.target for share in shares]), batch.target)
        assert whole.size(step) == len(batch.indices)


def test_batch_norm_is_over_the_images_of_all(tmp_path):
    expected = several.normalised(BatchShard(several.IMAGES))
    parts = several.in_processes("normalised", tmp_path)
    for name, values in expected.items():
        for key, value in values.items():
            found = [part[name][key] for part in parts]
            if key in ("out", "towards"):
                np.testing.assert_allclose(rows(found), value, rtol=0, atol=1e-12)
            elif key.startswith("towards"):  # each process has the gradient of its own images
                np.testing.assert_allclose(sum(map(np.asarray, found)), value, rtol=0, atol=1e-12)
            else:
                np.testing.assert_allclose(found, [value] * 2, rtol=1e-13)
    assert "towards weight" in expected["usual"]
    assert set(expected["bare"]) == {"out", "towards"}


def test_batch_norm_keeps_the_precision_of_each(tmp_path):
    expected = several.normalised_in_half_precision(BatchShard(several.IMAGES))
    parts = several.in_processes("normalised_in_half_precision", tmp_path)
    assert [part["dtypes"] for part in parts] == [expected["dtypes"]] * 2
    np.testing.assert_allclose(rows(parts, "out"), expected["out"], atol=0.02)
    np.testing.assert_allclose(parts[0]["running_var"], expected["running_var"], rtol=1e-5)


def test_dropout_and_drop_path_are_drawn_for_the_whole_batch(tmp_path):
    expected = several.drawn(BatchShard(several.IMAGES))
    parts = several.in_processes("drawn", tmp_path)
    assert [part.pop("afterwards") for part in parts] == [expected.pop("afterwards")] * 2
    for name, values in expected.items():
        assert rows(parts, name).tolist() == values, name
    assert 0 < np.mean(np.asarray(expected["dropout"]) == 0) < 1


def test_gathered_rows_carry_the_gradient_of_ones_own(tmp_path):
    parts = several.in_processes("gathered", tmp_path, 3)
    assert [part["whole"] for part in parts] == [[0, 1, 2, 3, 4]] * 3
    assert rows(parts, "towards").tolist() == several.gathered(BatchShard(several.IMAGES))["towards"]
