"""Batches are a function of seed and epoch, whoever makes them."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from itertools import accumulate, cycle, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segkit.core.errors import PartError
from segkit.data import batches as batching
from segkit.data import prefetch_workers as feed
from segkit.data.batches import Batch, EvalBatches, TrainBatches
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.pixel_range import PixelRange

COUNT = 11
IMAGES = np.arange(COUNT, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
MASKS = np.random.default_rng(0).integers(0, 2, (COUNT, 4, 6), np.uint8)


def draw(image, mask, rng):
    """Writes what it drew into the image."""
    image = image.copy()
    image[0] = rng.integers(256, size=image[0].shape)
    return image, mask


def fail(image, mask, rng):
    if image[0, 0, 0] == 7:
        raise PartError("Rotate fails", hint="another transform")
    return image, mask


def batches(*, transforms=(draw, draw), batch_size: int = 4, seed: int = 5, masks=MASKS, **how):
    return TrainBatches(IMAGES, masks, transforms, batch_size, seed, **how)


def assert_same(left: list[Batch], right: list[Batch]) -> None:
    for one, other in zip(left, right, strict=True):
        assert one.indices == other.indices
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)


def test_epoch_has_every_image_once_in_batches_of_nearly_equal_size():
    for batch_size, sizes in ((4, [4, 4, 3]), (10, [6, 5]), (11, [11]), (99, [11]), (1, [1] * 11)):
        train = batches(batch_size=batch_size)
        epoch = list(train.epoch(1))
        assert train.steps == len(epoch)
        assert [len(batch.indices) for batch in epoch] == sizes
        assert sorted(index for batch in epoch for index in batch.indices) == list(range(COUNT))


def test_batch_holds_the_images_of_its_indices():
    for batch in batches(transforms=()).epoch(2):
        size = len(batch.indices)
        assert batch.image.shape == (size, 3, 4, 6)
        assert batch.image.dtype == batch.target.dtype == torch.uint8
        assert batch.image.is_contiguous(memory_format=torch.channels_last)
        assert batch.image[:, 0, 0, 0].tolist() == batch.indices
        np.testing.assert_array_equal(batch.target.numpy(), MASKS[batch.indices])


def test_epochs_and_seeds_differ_and_repeat():
    def orders(train, *epochs):
        return [[index for batch in train.epoch(epoch) for index in batch.indices] for epoch in epochs]

    first, second, third, again = orders(batches(), 1, 2, 3, 1)
    assert first == again
    assert len({tuple(order) for order in (first, second, third, *orders(batches(seed=6), 1))}) == 4


def test_what_a_sample_draws_depends_on_seed_epoch_and_index_alone():
    def drawn(seed: int, epoch: int, batch_size: int) -> dict[int, bytes]:
        found = batches(seed=seed, batch_size=batch_size).epoch(epoch)
        return {
            i: image[:, 0].numpy().tobytes()  # the row that `draw` writes
            for b in found
            for i, image in zip(b.indices, b.image, strict=True)
        }

    reference = drawn(5, 1, 4)
    assert drawn(5, 1, 3) == reference
    everything = [*reference.values(), *drawn(5, 2, 4).values(), *drawn(6, 1, 4).values()]
    assert len({*everything}) == 3 * COUNT


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers):
    alone, together = batches(), batches(workers=workers)
    for epoch in (1, 2, 1, 7):
        assert_same(list(together.epoch(epoch)), list(alone.epoch(epoch)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["spawn", pytest.param("forkserver", marks=pytest.mark.posix("Windows spawns"))]
)
def test_workers_that_share_no_memory_change_nothing(method, monkeypatch):
    """As on Windows and macOS, and as Python 3.14 starts processes on Linux."""
    monkeypatch.setattr(feed, "_START_METHOD", method)
    alone, together = batches(), batches(workers=2)
    for epoch in (1, 2):
        assert_same(list(together.epoch(epoch)), list(alone.epoch(epoch)))


def pretend_seconds(monkeypatch, *, waiting: float, using: float) -> None:
    """Every batch seems to be waited for, and to be used, for these seconds."""
    readings = accumulate(cycle([waiting, using, 0.0]), initial=0.0)  # requested, received, used
    monkeypatch.setattr(feed, "time", SimpleNamespace(perf_counter=lambda: next(readings)))


@pytest.mark.parametrize(("waiting", "hired"), [(0.02, False), (0.04, True)])
@pytest.mark.parametrize("on_cpu", [False, True])
def test_workers_are_hired_where_the_training_waits(waiting, hired, on_cpu, monkeypatch):
    monkeypatch.setattr(batching, "usable_cores", lambda: 3)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    train, alone = batches(workers=None, on_cpu=on_cpu), batches()
    for epoch in (1, 2):
        with monkeypatch.context() as patch:
            pretend_seconds(patch, waiting=waiting, using=1 - waiting)
            taken = list(train.epoch(epoch))
        assert_same(taken, list(alone.epoch(epoch)))
    assert (train._loader is not None) is hired
    assert train.workers == (2 if hired else 0)


@pytest.mark.parametrize(("on_cpu", "cores"), [(False, 1), (True, 4)])
def test_no_workers_without_a_core_for_them(on_cpu, cores, monkeypatch):
    monkeypatch.setattr(batching, "usable_cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    pretend_seconds(monkeypatch, waiting=1, using=0)
    train = batches(workers=None, on_cpu=on_cpu)
    list(train.epoch(1))
    assert train._loader is None


def test_training_on_the_cpu_takes_turns_with_its_batches():
    made = []

    def note(image, mask, rng):
        made.append(threading.current_thread())
        return image, mask

    train = batches(transforms=[note], batch_size=2, on_cpu=True)
    assert train.batches_at_once == train.steps
    next(train.epoch(1))
    assert made == [threading.main_thread()] * COUNT
    assert_same([*batches(on_cpu=True).epoch(3)], [*batches().epoch(3)])


def test_large_batches_are_not_made_several_at_a_time(monkeypatch):
    monkeypatch.setattr(batching, "_BYTES_TOGETHER", 3 * (IMAGES[0].nbytes + MASKS[0].nbytes))
    made = []

    def note(image, mask, rng):
        made.append(image)
        return image, mask

    train = batches(transforms=[note], batch_size=1, on_cpu=True)
    assert train.batches_at_once == 3
    assert [len(made) for _ in train.epoch(1)] == [*[3] * 3, *[6] * 3, *[9] * 3, *[11] * 2]
    assert batches(batch_size=COUNT, on_cpu=True).batches_at_once == 1


def test_batches_are_made_ahead_of_the_training():
    made = []

    def note(image, mask, rng):
        made.append(image[0, 0, 0])
        return image, mask

    epoch = batches(transforms=[note], batch_size=2).epoch(1)
    next(epoch)
    until = time.monotonic() + 120
    while len(made) < 6 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(made) == 6
    epoch.close()
    assert len(made) == 6


def test_workers_live_on_and_leave_the_random_state_alone():
    train = batches(workers=2)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(train.epoch(1))
    started = [process.pid for process in train._loader._iterator._workers]
    list(train.epoch(2))
    assert [process.pid for process in train._loader._iterator._workers] == started
    assert torch.equal(torch.get_rng_state(), before)


def test_epoch_that_is_left_early_does_not_leak_into_the_next():
    train = batches(workers=2)
    left = train.epoch(1)
    next(left)
    left.close()
    assert_same(list(train.epoch(2)), list(batches().epoch(2)))


@pytest.mark.parametrize("workers", [0, 2])
def test_transform_that_fails_is_told_as_it_is(workers):
    with pytest.raises(PartError) as error:
        list(batches(transforms=[fail], workers=workers).epoch(1))
    assert str(error.value) == "Rotate fails\n  try: another transform"


def test_multilabel_target_has_a_plane_for_each_class():
    masks = np.stack([MASKS, 1 - MASKS], axis=-1)
    for batch in (*batches(masks=masks, transforms=()).epoch(1), *EvalBatches(IMAGES, masks, 4)):
        assert batch.target.shape == (len(batch.indices), 2, 4, 6)
        assert batch.target.is_contiguous()
        np.testing.assert_array_equal(batch.target[:, 0].numpy(), MASKS[batch.indices])
        np.testing.assert_array_equal(batch.target[:, 1].numpy(), 1 - MASKS[batch.indices])


def test_eval_batches_are_in_order_and_repeat():
    found = EvalBatches(IMAGES, MASKS, 4)
    assert len(found) == COUNT
    first = list(found)
    assert [batch.indices for batch in first] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert all(one.indices[-1] < other.indices[0] for one, other in pairwise(first))
    np.testing.assert_array_equal(torch.cat([batch.target for batch in first]).numpy(), MASKS)
    assert first[2].image[:, 0, 0, 0].tolist() == [8, 9, 10]
    assert_same(first, list(found))


@pytest.mark.posix("kills a group of processes")
def test_interrupt_ends_parent_and_workers():
    code = """
        import signal, sys, time
        import numpy as np
        from segkit.data.batches import TrainBatches

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

        def slow(image, mask, rng):
            time.sleep(0.05)
            return image, mask

        images, masks = np.zeros((64, 4, 4, 3), np.uint8), np.zeros((64, 4, 4), np.uint8)
        train = TrainBatches(images, masks, [slow], 4, 0, workers=2)
        try:
            for epoch in range(1000):
                for batch in train.epoch(epoch):
                    print(*(process.pid for process in train._loader._iterator._workers), flush=True)
        except KeyboardInterrupt:
            sys.exit(130)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, as a terminal gives each command
    )
    pids = process.stdout.readline().split()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors == ""
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


DEEP = np.random.default_rng(2).integers(90, 4300, (COUNT, 4, 6, 3)).astype(np.uint16)
MIXED = IndexedArrays([IMAGES, DEEP], np.arange(COUNT) % 2, np.arange(COUNT))
TO_4000 = PixelRange((100, 0, 0), (4000, 4000, 4095))


@pytest.mark.parametrize("images", [DEEP, DEEP.astype(np.float32), IMAGES, MIXED])
def test_images_of_another_range_are_floats_in_batches_and_in_0_to_1_in_between(images):
    seen = []

    def see(image, mask, rng):
        seen.append((image.dtype, image.min() >= 0, image.max() <= 1))
        return image, mask

    expected = [255 * TO_4000.unit(row) for row in images]
    for kind in (TrainBatches, EvalBatches):
        made = kind(images, MASKS, *(([see], 4, 5) if kind is TrainBatches else (4,)), pixel_range=TO_4000)
        for batch in made.epoch(1) if kind is TrainBatches else made:
            assert batch.image.dtype == torch.float32
            for image, index in zip(batch.image, batch.indices, strict=True):
                np.testing.assert_array_equal(image.permute(1, 2, 0), expected[index])
    assert seen == [(np.float32, True, True)] * COUNT


def test_one_image_of_other_type_makes_floats_of_all_and_0_to_255_keeps_their_numbers():
    (batch,) = EvalBatches(MIXED, MASKS, COUNT, pixel_range=PixelRange.of((0, 255), 3))
    assert batch.image.dtype == torch.float32
    np.testing.assert_allclose(batch.image[0].permute(1, 2, 0), IMAGES[0], atol=1e-4)
    assert batch.image[1].max() == 255


def test_batches_of_floats_are_counted_by_their_bytes():
    images, masks = np.zeros((64, 256, 256, 8), np.uint8), np.zeros((64, 256, 256), np.uint8)
    for pixel_range, most in ((None, 7), (PixelRange.of((0, 9), 8), 1)):
        assert (
            TrainBatches(images, masks, [], 4, 0, on_cpu=True, pixel_range=pixel_range).batches_at_once
            == most
        )
