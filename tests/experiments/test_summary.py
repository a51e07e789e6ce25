import math

from segkit.core.events import EpochEnded
from segkit.experiments.summary import diverged


def epoch(number, val_loss):
    return EpochEnded(number, 0.5, val_loss, {"iou": 0.5}, 0.001, 1.0, 1.0, 1.0, False)


def test_a_loss_that_is_no_number_is_told():
    assert diverged([epoch(1, 0.4), epoch(2, 0.3)]) == []
    (sentence,) = diverged([epoch(1, 0.4), epoch(2, math.nan), epoch(3, math.inf)])
    assert sentence.startswith("The validation loss is not a number in 2 of 3 epochs, first in epoch 2")
    assert "clip_grad_norm: 1" in sentence
