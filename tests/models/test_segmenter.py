"""The model: frozen means frozen, every parameter is learnt once, logits are as large as the image."""

import copy

import pytest
import torch
from torch import nn

from segkit.core.errors import ShapeError
from segkit.core.types import Pyramid
from segkit.models.segmenter import Segmenter, digest, make_head, select_stages
from segkit.training.ema import moving_average
from tests.parts.decoders.cases import segmenter


class Encoder(nn.Module):
    """Two stages, and everything in them that could move or be random."""

    pyramid = Pyramid((4, 6), (2, 4))
    mean, std = (0.5, 0.25, 0.0), (0.5, 0.5, 2.0)

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, image):
        self.seen.append(image.detach())
        first = self.first(image)
        return [first, self.second(first) * self.scale]


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5)

    def forward(self, features):
        return self.norm(self.conv(features[-1]))


def model_of(encoder=None, *, frozen=False, stages=(0, 1)) -> Segmenter:
    torch.manual_seed(0)
    encoder = encoder or Encoder()
    return Segmenter(
        encoder, Decoder(), make_head(5, 2), stages=stages, mean=encoder.mean, std=encoder.std, frozen=frozen
    )


def images(count=2, height=20, width=28):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def train(model, steps=3):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model(images()).square().mean().backward()
        optimizer.step()


def test_frozen_encoder_keeps_its_digest_while_the_rest_learns():
    model = model_of(frozen=True)
    encoder, decoder = digest(model.encoder), digest(model.decoder)
    train(model)
    assert digest(model.encoder) == encoder
    assert digest(model.decoder) != decoder


def test_encoder_that_is_not_frozen_changes_its_digest():
    model = model_of()
    before = digest(model.encoder)
    train(model)
    assert digest(model.encoder) != before


def test_frozen_encoder_of_timm_keeps_its_digest():
    """With drop-path, which is random while training, and BatchNorm, whose statistics move."""
    from segkit.core.registry import ENCODERS

    encoder = ENCODERS.get("test_efficientnet").factory(3, weights="none", drop_path=0.5)
    model = segmenter(encoder, "unet", frozen=True, channels=(16, 16, 8, 8, 8))
    before = digest(encoder)
    train(model, steps=2)
    assert digest(encoder) == before
    assert not any(module.training for module in encoder.modules())
    one, two = model.features(images(2, 64, 64)), model.features(images(2, 64, 64))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_frozen_encoder_stays_in_evaluation_mode():
    model = model_of(frozen=True)
    assert model.training
    assert not any(module.training for module in model.encoder.modules())
    model.eval().train()
    assert model.decoder.norm.training
    assert not any(module.training for module in model.encoder.modules())
    assert all(module.training for module in model_of().train().modules())


def test_frozen_encoder_is_outside_of_the_graph():
    model = model_of(frozen=True)
    assert not any(feature.requires_grad for feature in model.features(images()))
    model(images()).sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in model.encoder.parameters())
    assert all(feature.requires_grad for feature in model_of().features(images()))


def test_encoder_that_freezes_a_part_of_itself_keeps_it_so():
    encoder = Encoder()
    encoder.first.requires_grad_(False)
    model = model_of(encoder)
    assert not any(p.requires_grad for p in model.encoder.first.parameters())
    assert not {id(p) for p in encoder.first.parameters()} & set(map(id, learnt(model)))


def learnt(model, factor=0.1):
    return [parameter for group in model.parameter_groups(factor) for parameter in group["params"]]


@pytest.mark.parametrize("factor", [1.0, 0.1])
@pytest.mark.parametrize("frozen", [False, True])
def test_parameter_groups_hold_every_trainable_parameter_once(frozen, factor):
    model = model_of(frozen=frozen)
    found = [id(parameter) for parameter in learnt(model, factor)]
    assert len(found) == len(set(found))
    assert set(found) == {id(p) for p in model.parameters() if p.requires_grad}
    if frozen:
        assert not set(found) & {id(p) for p in model.encoder.parameters()}


def test_parameter_groups_tell_rate_and_decay():
    model = model_of()
    encoder = {id(p) for p in model.encoder.parameters()}
    for group in model.parameter_groups(0.1):
        for parameter in group["params"]:
            assert group["lr_factor"] == (0.1 if id(parameter) in encoder else 1.0)
            assert group["decay"] is (parameter.ndim > 1)
    assert len(model.parameter_groups(0.1)) == 4
    assert len(model.parameter_groups(1.0)) == 2


def test_digest_sees_every_tensor_and_is_the_same_for_a_copy():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).to(torch.bfloat16)
    before = digest(module)
    assert digest(copy.deepcopy(module)) == before
    for change in (
        lambda m: m[0].weight.data.mul_(-1),
        lambda m: m[1].running_mean.add_(1),
        lambda m: m[1].num_batches_tracked.add_(1),
        lambda m: m.float(),
    ):
        other = copy.deepcopy(module)
        change(other)
        assert digest(other) != before


@pytest.mark.parametrize("size", [(20, 28), (21, 30), (9, 64)])
def test_logits_are_as_large_as_the_image(size):
    assert model_of()(images(2, *size)).shape == (2, 2, *size)


def test_pixels_are_normalised_as_the_weights_expect():
    model = model_of().eval()
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    model(pixels)
    expected = torch.tensor([(0 - 0.5) / 0.5, (0.2 - 0.25) / 0.5, (1.0 - 0.0) / 2.0])
    torch.testing.assert_close(model.encoder.seen[-1][0, :, 0, 0], expected)
    model(pixels.float())
    assert torch.equal(*model.encoder.seen)


def test_chosen_stages_reach_the_decoder():
    assert [feature.shape[1] for feature in model_of(stages=(1,)).features(images())] == [6]
    assert [feature.shape[1] for feature in model_of().features(images())] == [4, 6]


@pytest.mark.parametrize("frozen", [False, True])
def test_copy_is_frozen_alike_and_goes_its_own_way(frozen):
    """Moving averages of the weights are made from a copy."""
    model = model_of(frozen=frozen)
    average = moving_average(model, 0.5)
    before = digest(average.module)
    assert digest(model) == before
    train(model)
    assert digest(average.module) == before
    average.update_parameters(model)
    average.module.train()
    assert average.module.encoder.training is not frozen
    assert torch.equal(average.module.eval()(images()), average.module(images()))


def test_state_goes_into_a_new_model():
    model, other = model_of(), model_of()
    train(model)
    other.load_state_dict(model.state_dict())
    assert digest(other) == digest(model)
    assert torch.equal(other.eval()(images()), model.eval()(images()))


@pytest.mark.parametrize(
    ("features", "chosen"),
    [("last", [4]), ("all", [0, 1, 2, 3, 4]), ([-1], [4]), ([3, 1], [1, 3]), ([-1, 0], [0, 4])],
)
def test_select_stages(features, chosen):
    assert select_stages(features, 5) == chosen


@pytest.mark.parametrize("features", [[5], [-6], [4, -1], [0, 0]])
def test_select_stages_refuses_what_is_not_there_or_twice(features):
    with pytest.raises(ShapeError) as caught:
        select_stages(features, 5)
    assert str(caught.value) == (
        f"model.encoder.features: {features} are not different stages of this encoder\n"
        "  try: it has the stages 0 (finest) to 4"
    )
