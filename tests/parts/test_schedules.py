import itertools

import pytest
import torch

from segkit.core.registry import SCHEDULES
from segkit.parts.schedules.warmup import build_schedule

EPOCHS, STEPS = 4, 10
every_schedule = pytest.mark.parametrize("entry", SCHEDULES.own(), ids=lambda entry: entry.name)


def rates(name, *, warmup=0.0, **options):
    """The learning rates of two groups, of 1 and 0.1, in every step."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (1.0, 0.1)]
    optimizer = torch.optim.SGD(groups)
    factory = SCHEDULES.get(name).factory
    schedule = build_schedule(factory, optimizer, EPOCHS, STEPS, warmup_epochs=warmup, options=options)
    seen = []
    for _ in range(EPOCHS * STEPS):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return seen


@every_schedule
@pytest.mark.parametrize("warmup", [0.0, 1.0, 100.0])
def test_schedule_never_rises_above_the_rate(entry, warmup):
    assert all(decoder <= 1.0 for decoder, _ in rates(entry.name, warmup=warmup))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("constant", 1, 1),
        ("cosine", 1, 0),
        ("cosine_restarts", 1, 0),
        ("polynomial", 1, 0),
        ("one_cycle", 0.04, 1e-5),
    ],
)
def test_schedule_begins_and_ends_where_it_says(name, first, last):
    seen = [decoder for decoder, _ in rates(name)]
    assert seen[0] == pytest.approx(first)
    assert seen[-1] == pytest.approx(last, abs=1e-9)


def test_one_cycle_is_torchs_own_without_momentum():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    judge = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=EPOCHS * STEPS, cycle_momentum=False, pct_start=0.3
    )
    ours = [decoder for decoder, _ in rates("one_cycle", start_factor=0.04, final_factor=4e-6)]
    theirs = []
    for _ in range(EPOCHS * STEPS):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        judge.step()
    assert max(ours) == pytest.approx(max(theirs), abs=0.01)
    assert ours == pytest.approx(theirs, abs=0.06)  # torch's peak lies between two steps


def test_step_falls_every_so_many_epochs():
    seen = [decoder for decoder, _ in rates("step", every_epochs=2, factor=0.5)]
    assert seen == [1.0] * 20 + [0.5] * 20


def test_exponential_falls_by_its_factor_in_an_epoch():
    seen = [decoder for decoder, _ in rates("exponential", factor=0.5)]
    assert seen[STEPS] == pytest.approx(0.5)


def test_cosine_restarts_goes_up_again():
    seen = [decoder for decoder, _ in rates("cosine_restarts", cycles=4)]
    assert sum(after > before for before, after in itertools.pairwise(seen)) == 3


def test_warmup_rises_in_a_line_and_then_the_schedule_begins():
    seen = [decoder for decoder, _ in rates("cosine", warmup=1.0)]
    assert seen[:STEPS] == pytest.approx([(step + 1) / (STEPS + 1) for step in range(STEPS)])
    assert seen[STEPS] == pytest.approx(1.0)
    assert seen[-1] == pytest.approx(0.0, abs=1e-9)
