"""The loop steps on over epochs, on the recipe's batches or on one; parts are timed from outside."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from segkit.data.batches import TrainBatches
from segkit.experiments.assembly import assemble
from segkit.experiments.benchmark import step_breakdown as parts
from segkit.experiments.benchmark import timed_loop as looping
from segkit.experiments.benchmark.step_breakdown import Stopwatch, seconds_by_part
from segkit.experiments.benchmark.timed_loop import Loop
from segkit.training.devices import move_to_device
from tests.small_runs import recipe

CPU = torch.device("cpu")


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return made(tmp_path, "training.early_stopping_epochs=1", "training.ema_decay=0.9")


def made(folder: Path, *overrides: str) -> Loop:
    small = recipe(folder, *overrides)
    assembly = assemble(small)
    move_to_device(assembly.model, assembly.fabric, small.training)
    return Loop(assembly)


@pytest.fixture
def seen(loop: Loop) -> list[int]:
    """How many images each step has had."""
    sizes: list[int] = []
    loop.state.model.register_forward_pre_hook(lambda model, given: sizes.append(len(given[0])))
    return sizes


def test_epochs_follow_each_other_without_end_or_scores(loop: Loop, seen: list[int]) -> None:
    loop.step(8)
    assert seen == [4, 3, 3, 4, 3, 3, 4, 3]
    assert loop.images_per_step == pytest.approx(10 / 3)
    assert loop.state.epoch == 2
    assert loop.state.learning_rate == 0


def test_one_batch_comes_again_and_again_and_then_the_others_go_on(loop: Loop, seen: list[int]) -> None:
    loop.step(2)
    loop.feed.repeat = True
    loop.step(5)
    one = loop.feed.repeated_images
    loop.feed.repeat = False
    loop.step(3)
    assert one == 3
    assert seen == [4, 3] + [one] * 5 + [3, 4, 3], "the one that was held back is not lost"


def test_one_batch_is_the_same_whenever_it_comes(loop: Loop) -> None:
    images: list[torch.Tensor] = []
    loop.state.model.register_forward_pre_hook(lambda model, given: images.append(given[0].clone()))
    for repeat in (True, False, True):
        loop.feed.repeat = repeat
        loop.step(2)
    first, second, third, fourth, *again = images
    assert all(torch.equal(first, image) for image in (second, *again))
    assert not torch.equal(third, fourth)


@pytest.mark.parametrize("workers", [0, 2])
def test_as_many_workers_as_a_run_would_hire_make_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    hired: list[int] = []

    def hire(batches: TrainBatches, clock: object) -> None:
        hired.append(len(batches.samples.epochs))
        batches.workers = workers

    monkeypatch.setattr(TrainBatches, "_start_workers_if_slow", hire)
    monkeypatch.setattr(looping, "TRIAL_STEPS", 2)
    loop = made(tmp_path, "data.augment=[]")
    assert loop.feed.trial_steps == 4
    loop.step(4)
    assert hired == [8], "the first of two short epochs has ended"
    loop.step(1)
    assert hired == [8, 8]
    assert loop.feed.trial_steps == 0
    assert loop.feed.batches.workers == loop.feed.new_batches().workers == workers
    assert len(loop.feed.batches.samples.epochs) == 10
    assert loop.feed.new_batches() is not loop.feed.batches


def test_a_number_of_workers_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = made(tmp_path, "data.workers=1")
    assert (loop.feed.trial_steps, loop.feed.batches.workers, loop.prefetched) == (0, 1, 3)
    loop.step(4)
    assert loop.state.epoch == 1


def test_rates_count_the_images_that_went_through(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.feed.repeat = True
    loop.step(1)
    monkeypatch.setattr(Loop, "seconds", lambda loop, steps, repeat: 0.5)
    assert loop.images_per_second(6) == pytest.approx(10 / 3 / 0.5)
    assert loop.images_per_second(6, repeat=True) == 4 / 0.5


def test_parts_leave_everything_as_it_was(loop: Loop, seen: list[int]) -> None:
    loop.step(1)
    before = [dict(vars(owner)) for owner in owners(loop)]
    seconds_by_part(loop, 3)
    kept = [(dict(vars(owner)), former) for owner, former in zip(owners(loop), before, strict=True)]
    for now, former in kept:
        assert set(now) == set(former)
        assert all(now[name] is former[name] for name in former if callable(former[name]))


def owners(loop: Loop) -> list[Any]:
    state = loop.state
    return [loop, loop.feed, loop.fabric, state.model, state.optimizer, state.schedule, state.average]


def test_parts_add_up_to_the_step(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.step(1)  # schedules look once who steps before them
    clock = Clock(monkeypatch)
    slow(monkeypatch, clock, loop.feed, "next_batch", 1.0)
    slow(monkeypatch, clock, loop.state.model, "features", 2.0)
    slow(monkeypatch, clock, loop.state.model.decoder, "forward", 4.0)
    slow(monkeypatch, clock, loop, "loss", 8.0)
    slow(monkeypatch, clock, loop.fabric, "backward", 16.0)
    slow(monkeypatch, clock, loop.state.optimizer, "step", 32.0)
    slow(monkeypatch, clock, loop.state.schedule, "step", 64.0)
    slow(monkeypatch, clock, loop.state.average, "update_parameters", 128.0)
    found = seconds_by_part(loop, 6)
    assert found == {
        "data": pytest.approx(8 / 6),  # six batches, and twice the end of an epoch
        "to_device": 0,
        "encoder": 2,
        "decoder": 4,
        "loss": 8,
        "backward": 16,
        "optimizer": 96,
        "average": 128,
        "other": pytest.approx(0, abs=1e-9),
    }


def test_what_no_part_has_is_the_rest(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    slow(monkeypatch, clock, loop, "_loss", 3.0)
    found = seconds_by_part(loop, 2)
    assert found["loss"] == 0
    assert found["other"] == sum(found.values())


def test_a_part_inside_of_another_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch = Stopwatch(CPU)
    inner = watch.timed("inner", lambda: clock.work(2.0))

    def work() -> str:
        clock.work(1.0)
        inner()
        inner()
        return "done"

    assert watch.timed("outer", work)() == "done"
    assert watch.seconds == {"inner": 4.0, "outer": 1.0}


def test_a_part_that_fails_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch = Stopwatch(CPU)

    def fail() -> None:
        clock.work(1.0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        watch.timed("part", fail)()
    assert watch.seconds == {"part": 1.0}


def test_other_threads_are_not_timed() -> None:
    watch = Stopwatch(CPU)
    answers: list[int] = []
    call = watch.timed("part", lambda: answers.append(1))
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert (answers, watch.seconds) == ([1], {})


class Clock:
    """One that stands still unless there is work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(parts, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def work(self, seconds: float) -> None:
        self.now += seconds


def slow(patch: pytest.MonkeyPatch, clock: Clock, owner: Any, name: str, seconds: float) -> None:
    call = getattr(owner, name)

    def slowly(*given: Any, **named: Any) -> Any:
        clock.work(seconds)
        return call(*given, **named)

    patch.setattr(owner, name, slowly)
