"""A moving average follows what learns, and shares what does not."""

import pytest
import torch
from torch import nn

from segkit.training.ema import EMA
from tests.models.test_segmenter import images, model_of, train


def test_a_frozen_encoder_is_shared_and_the_rest_is_not():
    model = model_of(frozen=True)
    average = EMA(model, 0.9)
    assert average.model.encoder is model.encoder
    assert average.model.decoder is not model.decoder
    assert EMA(model_of(), 0.9).model.encoder is not model.encoder
    assert model.decoder.conv.weight.requires_grad
    assert not average.model.decoder.conv.weight.requires_grad


@pytest.mark.parametrize("decay", [0.15, 0.99])
def test_the_decay_warms_up_to_its_value(decay):
    """The average of 1, 2, 3, ... over an initial 0, with decays 1/10, 2/11, 3/12, 4/13 up to `decay`."""
    model = nn.Linear(1, 1, bias=False).requires_grad_(True)
    with torch.no_grad():
        model.weight.zero_()
    average, expected = EMA(model, decay), 0.0
    for step, warm in enumerate([1 / 10, 2 / 11, 3 / 12, 4 / 13]):
        with torch.no_grad():
            model.weight.fill_(step + 1)
        average.update()
        expected += (1 - min(decay, warm)) * (step + 1 - expected)
        assert average.model.weight.item() == pytest.approx(expected)


def test_statistics_are_averaged_and_counters_are_copied():
    model = model_of()
    average = EMA(model, 0.99)
    first = average.model.decoder.norm.running_mean.clone()
    train(model, steps=2)
    average.update()
    norm, followed = average.model.decoder.norm, model.decoder.norm
    torch.testing.assert_close(norm.running_mean, 0.1 * first + 0.9 * followed.running_mean)
    assert norm.num_batches_tracked == followed.num_batches_tracked == 2


def test_it_goes_on_from_its_state():
    model = model_of()
    one, other = EMA(model, 0.5), EMA(model_of(), 0.5)
    one.update()
    train(model)
    one.update()
    other.load_state_dict(one.state_dict())
    assert other.updates == 2
    assert torch.equal(one.model.eval()(images()), other.model.eval()(images()))


def test_a_part_without_weights_is_no_trouble():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2)).train()
    average = EMA(model, 0.5)
    average.update()
    torch.testing.assert_close(average.model[1].weight, model[1].weight)
