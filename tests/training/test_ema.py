"""A moving average follows what learns."""

import pytest
import torch
from torch import nn

from segkit.training.ema import moving_average
from tests.models.test_segmenter import images, model_of, train


def test_nothing_of_it_is_trained_or_shared():
    model = model_of(frozen=True)
    average = moving_average(model, 0.9)
    assert model.decoder.conv.weight.requires_grad
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert not {*map(id, average.parameters())} & {*map(id, model.parameters())}


@pytest.mark.parametrize("decay", [0.15, 0.99])
def test_the_decay_warms_up_to_its_value(decay):
    """The average of 1, 2, 3, ... with decays 2/11, 3/12, 4/13 up to `decay`; the first is copied."""
    model = nn.Linear(1, 1, bias=False)
    average, expected = moving_average(model, decay), 1.0
    for step, warm in enumerate([0, 2 / 11, 3 / 12, 4 / 13]):
        with torch.no_grad():
            model.weight.fill_(step + 1)
        average.update_parameters(model)
        expected += (1 - min(decay, warm)) * (step + 1 - expected)
        assert average.module.weight.item() == pytest.approx(expected)


def test_statistics_are_averaged_and_counters_are_copied():
    model = model_of()
    average = moving_average(model, 0.99)
    average.update_parameters(model)
    first = average.module.decoder.norm.running_mean.clone()
    train(model, steps=2)
    average.update_parameters(model)
    norm, followed = average.module.decoder.norm, model.decoder.norm
    torch.testing.assert_close(norm.running_mean, 2 / 11 * first + 9 / 11 * followed.running_mean)
    assert norm.num_batches_tracked == followed.num_batches_tracked == 2


def test_it_goes_on_from_its_state():
    model = model_of()
    one, other = moving_average(model, 0.5), moving_average(model_of(), 0.5)
    one.update_parameters(model)
    train(model)
    one.update_parameters(model)
    other.load_state_dict(one.state_dict())
    train(model)
    for average in (one, other):
        average.update_parameters(model)
    assert other.n_averaged == 3
    assert torch.equal(one.module.eval()(images()), other.module.eval()(images()))


def test_a_part_without_weights_is_no_trouble():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2)).train()
    average = moving_average(model, 0.5)
    average.update_parameters(model)
    torch.testing.assert_close(average.module[1].weight, model[1].weight)
