import torch

from segkit.core.types import Task
from segkit.parts.metrics._confusion import decision
from tests.parts.metrics.cases import BINARY, TASKS, VOID, batch


def test_counts_by_hand():
    logits = torch.tensor([[[[1.0, -1.0, 2.0, -2.0, 0.0, 5.0]]]])
    target = torch.tensor([[[1, 1, 0, 0, 1, VOID]]])
    counts = decision(BINARY)(logits, target).count()
    assert [counts.tp.item(), counts.fp.item(), counts.fn.item(), counts.tn.item()] == [1, 1, 2, 1]
    assert counts.union.item() == 4
    assert counts.pixels.item() == 5


def test_counts_are_whole_numbers_of_each_image_and_class():
    for kind, task in TASKS.items():
        logits, target = batch(kind)
        counts = decision(task)(logits, target).count()
        for count in (counts.tp, counts.fp, counts.fn, counts.tn):
            assert count.dtype == torch.int64
            assert count.shape == (5, task.channels)
        assert (counts.pixels == 16 * 16).all()


def test_ignore_index_may_be_a_class():
    task = Task("multiclass", ("unlabelled", "lesion"), ignore_index=0)
    logits = torch.tensor([[[[5.0, 5.0, -5.0]], [[0.0, 0.0, 0.0]]]])
    counts = decision(task)(logits, torch.tensor([[[0, 1, 1]]])).count()
    assert counts.tp.tolist() == [[0, 1]]
    assert counts.fn.tolist() == [[0, 1]]
    assert counts.pixels.tolist() == [[2, 2]]


def test_without_ignore_index_every_pixel_counts():
    task = Task("binary", ("lesion",))
    counts = decision(task)(torch.ones(1, 1, 2, 2), torch.tensor([[[1, 0], [1, 0]]])).count()
    assert counts.pixels.item() == 4
