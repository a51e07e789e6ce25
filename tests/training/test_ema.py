"""A moving average follows what learns, and shares what does not."""

import torch
from torch import nn

from segkit.training.ema import MovingAverage
from tests.models.test_segmenter import images, model_of, train


def test_a_frozen_encoder_is_shared_and_the_rest_is_not():
    model = model_of(frozen=True)
    average = MovingAverage(model, 0.9)
    assert average.model.encoder is model.encoder
    assert average.model.decoder is not model.decoder
    assert MovingAverage(model_of(), 0.9).model.encoder is not model.encoder
    assert model.decoder.conv.weight.requires_grad
    assert not average.model.decoder.conv.weight.requires_grad


def test_statistics_are_averaged_and_counters_are_taken():
    model = model_of()
    average = MovingAverage(model, 0.75)
    average.update()
    first = model.decoder.norm.running_mean.clone()
    train(model, steps=2)
    average.update()
    norm, followed = average.model.decoder.norm, model.decoder.norm
    torch.testing.assert_close(norm.running_mean, 0.75 * first + 0.25 * followed.running_mean)
    assert norm.num_batches_tracked == followed.num_batches_tracked == 2


def test_it_goes_on_from_its_state():
    model = model_of()
    one, other = MovingAverage(model, 0.5), MovingAverage(model_of(), 0.5)
    one.update()
    train(model)
    one.update()
    other.load_state_dict(one.state_dict())
    assert other.updates == 2
    assert torch.equal(one.model.eval()(images()), other.model.eval()(images()))


def test_a_part_without_weights_is_no_trouble():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2)).train()
    average = MovingAverage(model, 0.5)
    average.update()
    assert torch.equal(average.model[1].weight, model[1].weight)
