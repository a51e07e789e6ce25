"""The loop on models of a few numbers: modes, averages, choice of the best epoch, failures."""

import math

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from segkit.core.errors import TrainingError
from segkit.core.events import EpochEnded, StepEnded
from segkit.data.batches import TrainBatches
from segkit.data.sample_epoch import SampleEpochs
from segkit.models.segmenter import Segmenter
from segkit.recipe.training_settings import TrainingSettings
from segkit.training.ema import moving_average
from segkit.training.evaluate import Scores
from segkit.training.loop import fit
from segkit.training.train_state import TrainState

IMAGES = 6
NAMES = [f"image_{number}" for number in range(IMAGES)]


class Probe(nn.Module):
    """Notes the mode it is run in; deals with statistics and randomness like a real part."""

    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5))
        self.modes = []

    def forward(self, maps):
        self.modes.append(self.training)
        assert self.layers[1].training == self.layers[2].training == self.training
        return self.layers(maps[0] if isinstance(maps, list) else maps)


class ProbeEncoder(Probe):
    def forward(self, image):
        return [super().forward(image)]


def segmenter(*, frozen=False):
    torch.manual_seed(0)
    parts = ProbeEncoder(3), Probe(2), nn.Conv2d(2, 1, 1)
    return Segmenter(*parts, stages=[0], mean=(0.5,) * 3, std=(0.5,) * 3, frozen=frozen)


def loss(logits, target):
    return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], target.float())


def batches(batch_size=2, samples=IMAGES):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 8, 8, 3), np.uint8)
    epochs = SampleEpochs(IMAGES, 0, samples=samples)
    return TrainBatches(
        images, (images[..., 0] > 128).astype(np.uint8), [], batch_size, seed=0, epochs=epochs
    )


def learner_for(model, lr=0.1, decay=None):
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    return TrainState(model, optimizer, schedule, moving_average(model, decay) if decay else None)


def scoring(values, seen=None, losses=None):
    """A scorer that gives one value after the other."""
    left = zip(values, losses or [0.5] * len(values), strict=True)

    def score(model):
        model.eval()
        with torch.inference_mode():
            model(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
        if seen is not None:
            seen.append(model)
        value, lost = next(left)
        return Scores(lost, {"iou": value}, {})

    return score


def trained(
    learner,
    scores,
    *,
    loss=loss,
    higher=True,
    seen=None,
    batch_size=2,
    losses=None,
    samples=IMAGES,
    **settings,
):
    settings = TrainingSettings(**{"epochs": len(scores), **settings})
    fabric = Fabric(accelerator="cpu", devices=1)
    return list(
        fit(
            learner, batches(batch_size, samples), loss, scoring(scores, seen, losses), fabric, settings,
            seed=0, names=NAMES, higher_is_better=higher,
        )
    )  # fmt: skip


def epochs_of(events):
    return [event for event in events if isinstance(event, EpochEnded)]


@pytest.mark.parametrize("frozen", [False, True])
def test_every_module_is_in_the_mode_of_the_phase(frozen):
    model = segmenter(frozen=frozen)
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    trained(learner_for(model), [0.1, 0.2])
    phases = [True, True, True, False] * 2  # three steps and one scoring
    assert model.decoder.modes == phases
    if frozen:  # a folded copy of it runs
        assert not any(module.training for module in model.encoder.modules())
        assert not any([*model.encoder.modes, *model._fused[0].modes])
    else:
        assert model.encoder.modes == phases
    after = model.encoder.state_dict()
    for name in ("layers.0.weight", "layers.1.running_mean", "layers.1.num_batches_tracked"):
        assert torch.equal(after[name], before[name]) is frozen


def test_events_tell_every_step_and_epoch():
    events = trained(learner_for(segmenter()), [0.1, 0.3])
    assert [type(event) for event in events] == [StepEnded, StepEnded, StepEnded, EpochEnded] * 2
    assert [(event.epoch, event.step, event.steps) for event in events[4:7]] == [
        (2, 1, 3),
        (2, 2, 3),
        (2, 3, 3),
    ]
    first = events[3]
    assert first.train_loss == pytest.approx(sum(event.loss for event in events[:3]) / 3)
    assert (first.epoch, first.val_loss, first.metrics, first.best) == (1, 0.5, {"iou": 0.1}, True)
    assert first.learning_rate == pytest.approx(0.1 * 0.5**2), "that of the third step"
    assert first.seconds >= first.train_seconds > 0


def test_steps_are_counted_over_all_epochs():
    learner = learner_for(segmenter())
    learner.epoch = 1  # as in a state of a version that did not count them
    trained(learner, [0.1, 0.2, 0.3])
    assert learner.steps == 9


def test_train_loss_weighs_every_image_alike():
    events = trained(learner_for(segmenter()), [0.1], batch_size=4)  # dealt as 3 and 3
    uneven = trained(learner_for(segmenter()), [0.1], batch_size=5)
    assert len(events) == len(uneven) == 3
    assert epochs_of(events)[0].train_loss == pytest.approx((events[0].loss + events[1].loss) / 2)


@pytest.mark.parametrize(
    ("scores", "higher", "best"),
    [
        ([0.1, 0.3, 0.2, 0.3], True, [True, True, False, False]),
        ([5.0, 3.0, 4.0, 1.0], False, [True, True, False, True]),
        ([math.nan, 0.0, math.nan, 0.1], True, [True, True, False, True]),
        ([math.nan, math.nan, math.nan, math.nan], True, [True, False, False, False]),
        ([-1.0, -2.0, -0.5, math.inf], True, [True, False, True, True]),
    ],
)
def test_best_epoch_is_the_first_with_the_best_score(scores, higher, best):
    learner = learner_for(segmenter())
    assert [event.best for event in epochs_of(trained(learner, scores, higher=higher))] == best
    assert learner.best_epoch == max(number for number, is_best in enumerate(best, start=1) if is_best)


@pytest.mark.parametrize(
    ("scores", "losses", "best"),
    [
        ([math.nan] * 4, [0.5, 0.6, 0.4, 0.4], [True, False, True, False]),
        ([math.nan] * 3, [math.nan, math.nan, 0.4], [True, False, True]),
        ([math.nan, 0.1, math.nan, 0.2], [0.5, 0.9, 0.1, 0.9], [True, True, False, True]),
    ],
)
def test_while_the_score_is_undefined_the_loss_chooses(scores, losses, best):
    events = epochs_of(trained(learner_for(segmenter()), scores, losses=losses))
    assert [event.best for event in events] == best


def test_select_last_keeps_every_epoch_and_calls_none_the_best():
    learner = learner_for(segmenter())
    events = epochs_of(trained(learner, [0.3, math.nan, 0.1], select="last"))
    assert [event.best for event in events] == [False] * 3
    assert learner.best_epoch == 3
    assert learner.best_score == 0.1


def test_early_stopping_ends_a_run_whose_score_is_never_defined():
    losses = [0.5, 0.4, 0.6, 0.5, 0.1]
    events = trained(learner_for(segmenter()), [math.nan] * 5, losses=losses, early_stopping_epochs=2)
    assert len(epochs_of(events)) == 4


def test_early_stopping_waits_as_long_as_asked_and_stays_stopped():
    learner = learner_for(segmenter())
    scores = [0.1, 0.2, 0.2, 0.1, 0.9]
    assert len(epochs_of(trained(learner, scores, early_stopping_epochs=2))) == 4
    assert trained(learner, scores, early_stopping_epochs=2) == []
    assert len(epochs_of(trained(learner_for(segmenter()), scores, early_stopping_epochs=3))) == 5


def test_fit_goes_on_after_the_last_finished_epoch():
    learner = learner_for(segmenter())
    learner.epoch = 2
    assert [event.epoch for event in epochs_of(trained(learner, [0.1] * 3))] == [3]


def test_an_epoch_draws_from_seed_and_number_alone():
    def losses(disturb):
        torch.manual_seed(disturb)
        return [event.train_loss for event in epochs_of(trained(learner_for(segmenter()), [0.1, 0.2]))]

    assert losses(1) == losses(2)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_loss_that_is_not_finite_names_epoch_step_and_images(value):
    learner = learner_for(segmenter())
    steps = iter([1.0, float(value)])

    def broken(logits, target):
        return loss(logits, target) * next(steps)

    order = [index for batch in batches().epoch(1) for index in batch.indices]
    pattern = (
        rf"^the loss is {value} in epoch 1, step 2, on the images {NAMES[order[2]]}, {NAMES[order[3]]}\n"
    )
    with pytest.raises(TrainingError, match=pattern) as caught:
        trained(learner, [0.1], loss=broken)
    assert caught.value.exit_code == 1
    assert "try: a smaller optimizer.lr, training.clip_grad_norm=1" in str(caught.value)
    assert all(parameter.isfinite().all() for parameter in learner.model.parameters())


def test_epochs_of_more_samples_than_images_count_samples_and_name_an_image_once():
    events = trained(learner_for(segmenter()), [0.1, 0.2], samples=14)
    assert [(event.step, event.steps) for event in events[:7]] == [(step, 7) for step in range(1, 8)]
    assert all(
        event.images_per_second == pytest.approx(14 / event.train_seconds) for event in epochs_of(events)
    )
    with pytest.raises(TrainingError) as caught:
        trained(
            learner_for(segmenter()),
            [0.1],
            loss=lambda logits, _: logits.sum() * math.nan,
            batch_size=14,
            samples=14,
        )
    listed = str(caught.value).partition("on the images ")[2].splitlines()[0].split(", ")
    assert sorted(listed) == NAMES


def test_loss_is_read_once_the_backward_pass_is_queued():
    """Reading it waits for the device, which then has gradients to compute."""
    happened = []

    class Noted(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            return value.view_as(value)

        @staticmethod
        def backward(context, gradient):
            happened.append("backward")
            return gradient

    class Reads(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, given=(), named=None):
            if operation is torch.ops.aten._local_scalar_dense.default:
                happened.append("read")
            return operation(*given, **(named or {}))

    with Reads():
        trained(learner_for(segmenter()), [0.1], loss=lambda *given: Noted.apply(loss(*given)))
    assert happened == ["backward", "read"] * 3


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (
            RuntimeError("max_pool_backward does not have a deterministic implementation, but you set"),
            "training.deterministic: max_pool_backward has no deterministic implementation on this device",
        ),
    ],
)
def test_what_torch_raises_is_said_in_the_words_of_the_recipe(raised, text):
    def broken(logits, target):
        raise raised

    with pytest.raises(TrainingError, match=text):
        trained(learner_for(segmenter()), [0.1], loss=broken)


def test_too_little_memory_names_the_batch():
    def large(logits, target):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    message = (
        "^the device has too little memory for a training step of 6 images\n"
        "  try: a smaller data.batch_size, a smaller data.size, or training.precision=bf16-mixed$"
    )
    with pytest.raises(TrainingError, match=message):
        trained(learner_for(segmenter()), [0.1], loss=large, batch_size=6)


def test_other_errors_stay_what_they_are():
    def broken(logits, target):
        raise RuntimeError("a fault in a part")

    with pytest.raises(RuntimeError, match="a fault in a part"):
        trained(learner_for(segmenter()), [0.1], loss=broken)


def test_clipped_gradients_make_no_longer_step_than_allowed():
    def step(**settings):
        model = segmenter()
        before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        trained(learner_for(model, lr=1.0), [0.1], batch_size=IMAGES, **settings)
        return float((nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm())

    assert step() > 0.01
    assert step(clip_grad_norm=0.01) == pytest.approx(0.01, rel=1e-3)


def test_infinite_gradients_are_no_error_of_their_own():
    def steep(logits, target):
        return loss(logits, target) + (logits - logits.detach()).abs().sqrt().mean()  # 0, of gradient NaN

    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 1, step 2"):
        trained(learner_for(segmenter()), [0.1], loss=steep, clip_grad_norm=1.0)


def test_average_is_scored_and_follows_weights_and_statistics():
    seen = []
    learner = learner_for(segmenter(), decay=0.5)
    trained(learner, [0.1], seen=seen)
    (scored,) = seen
    assert scored is learner.eval_model is learner.average.module
    assert scored is not learner.model
    average, current = scored.state_dict(), learner.model.state_dict()
    assert not torch.equal(average["decoder.layers.0.weight"], current["decoder.layers.0.weight"])
    assert not torch.equal(average["decoder.layers.1.running_mean"], current["decoder.layers.1.running_mean"])
    assert average["decoder.layers.1.num_batches_tracked"] == 3
    assert learner.average.n_averaged == 3


def test_average_leaves_a_frozen_encoder_as_it_is():
    model = segmenter(frozen=True)
    model.encoder.layers[1].num_batches_tracked += 12345
    learner = learner_for(model, decay=0.999)
    trained(learner, [0.1, 0.2, 0.3])
    before, after = model.encoder.state_dict(), learner.eval_model.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("channels_last", [True, False])
def test_images_come_in_the_memory_order_asked_for(channels_last):
    model = segmenter()
    orders = []

    def note(module, inputs):
        if module.training:
            orders.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

    model.encoder.register_forward_pre_hook(note)
    trained(learner_for(model), [0.1], channels_last=channels_last)
    assert orders == [channels_last] * 3
