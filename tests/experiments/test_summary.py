import math

import pytest

from segkit.core.events import EpochEnded
from segkit.experiments.summary import diverged, undefined, young_average
from tests.small_runs import recipe


def epoch(number, val_loss):
    return EpochEnded(number, 0.5, val_loss, {"iou": 0.5}, 0.001, 1.0, 1.0, 1.0, False)


def test_a_loss_that_is_no_number_is_told():
    assert diverged([epoch(1, 0.4), epoch(2, 0.3)]) == []
    (sentence,) = diverged([epoch(1, 0.4), epoch(2, math.nan), epoch(3, math.inf)])
    assert sentence.startswith("The validation loss is not a number in 2 of 3 epochs, first in epoch 2")
    assert "clip_grad_norm: 1" in sentence


def scored(number, score):
    return EpochEnded(number, 0.5, 0.5, {"hd95": score, "iou": 0.5}, 0.001, 1.0, 1.0, 1.0, False)


def test_a_first_metric_that_is_undefined_is_told():
    assert undefined([scored(1, 3.0), scored(2, 2.0)], "hd95") == []
    (some,) = undefined([scored(1, 3.0), scored(2, math.nan)], "hd95")
    assert some == (
        "hd95, which chooses the best epoch, is undefined in 1 of 2 epochs, first in epoch 2: "
        "such an epoch is never the best one. List another metric first to choose by it."
    )
    (always,) = undefined([scored(1, math.nan), scored(2, math.nan)], "hd95")
    assert ": the best epoch is that with the lowest validation loss. " in always


@pytest.mark.parametrize(("epoch", "is_young"), [(1, True), (33, True), (34, False)])
def test_an_average_over_too_few_steps_is_told(tmp_path, epoch, is_young):
    averaged = recipe(tmp_path, "training.ema_decay=0.99")  # over 100 steps, of which an epoch has 3
    warnings = young_average(averaged, epoch, 10)
    assert len(warnings) == is_young
    if is_young:
        assert warnings[0].startswith(
            f"The scored weights are an average (EMA) over only {3 * epoch} training steps; "
            "training.ema_decay 0.99 averages over about 100. "
        )
    assert young_average(recipe(tmp_path), epoch, 10) == []
