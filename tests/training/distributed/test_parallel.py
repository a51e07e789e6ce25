"""What each of several processes has for itself: its images and its random numbers."""

import numpy as np
import pytest
import torch

from segkit.data.batches import TrainBatches
from segkit.training.rng import seed_everything


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


def test_random_numbers_differ_by_process_and_by_the_step_of_a_resumed_epoch():
    with torch.random.fork_rng(devices=[]):
        drawn = set()
        for rank in range(3):
            for step in range(3):
                seed_everything(7, 2, rank, step)
                drawn.add((float(torch.rand(1)), np.random.random()))
        assert len({one for one, _ in drawn}) == len({other for _, other in drawn}) == 9
        mixed = int(np.random.SeedSequence([7, 2]).generate_state(1, np.uint64)[0])
        seed_everything(7, 2)  # a single process: of seed and epoch alone
        assert float(torch.rand(1)) == float(torch.rand(1, generator=torch.Generator().manual_seed(mixed)))
