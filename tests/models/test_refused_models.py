"""Models of which a run would die: told before it, with their line."""

import pytest
import torch
from torch import nn

from segkit.core.errors import PartError, SegkitError, ShapeError
from segkit.core.registry import DECODERS, ENCODERS
from segkit.core.types import Pyramid
from segkit.models.dry_run import dry_run
from tests.models.cases import checked
from tests.parts.decoders.cases import settings


def decoder_of(forward, *layers):
    """A decoder: its layers by name, and what it does."""

    class Mine(nn.Module):
        def __init__(self, pyramid):
            super().__init__()
            for name, layer in layers:
                setattr(self, name, layer(pyramid.channels[-1]))

        def forward(self, features):
            return forward(self, features[-1])

    def mine(pyramid) -> nn.Module:
        return Mine(pyramid)

    return mine


CONV = ("conv", lambda channels: nn.Conv2d(channels, 8, 3, padding=1))


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (lambda channels: nn.Conv2d(channels + 1, 8, 1), "a Conv2d, takes 97 channels and gets 96"),
        (lambda channels: nn.ConvTranspose2d(9, 8, 2, 2), "a ConvTranspose2d, takes 9 channels and gets 96"),
        (lambda channels: nn.BatchNorm2d(8), "a BatchNorm2d, takes 8 channels and gets 96"),
    ],
)
def test_a_wrong_number_of_channels_names_the_layer_and_both_numbers(part, layer, told):
    part(DECODERS, decoder_of(lambda self, x: self.wrong(x), ("wrong", layer)))
    with pytest.raises(PartError) as caught:
        dry_run(*settings("test_resnet", "mine"))
    assert str(caught.value).partition(": ")[2] == (
        f"decoder 'mine': its layer wrong, {told}\n"
        "  try: the layer gets the channels of the layer before it, or those of pyramid.channels"
    )
    assert caught.value.problems[0].file.startswith(f"{__file__}:")


@pytest.mark.parametrize(
    ("forward", "told"),
    [
        (
            lambda self, x: self.conv(x).repeat(1, len(x), 1, 1),
            "gives a map of 8x4x4 for one image, but of 24x4x4",
        ),
        (lambda self, x: self.conv(x).view(1, 8, 4, 4), "works on one image, but not on three: shape"),
        (
            lambda self, x: nn.functional.interpolate(x, scale_factor=256.0),
            "model.decoder: mine gives maps of 1024x1024 for images of 128x128",
        ),
        (
            lambda self, x: self.conv(x).repeat(1, 1 + self.training, 1, 1),
            "16x4x4 in training on a batch of",
        ),
        (
            lambda self, x: self.conv(x) if not self.training else self.cnov(x),
            "fails in training mode: AttributeErr",
        ),
    ],
)
def test_decoder_that_a_run_would_die_of_is_refused(part, forward, told):
    part(DECODERS, decoder_of(forward, CONV))
    with pytest.raises(SegkitError) as caught:
        checked(*settings("test_resnet", "mine"))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("forward", "told"),
    [
        (
            lambda self, x: self.conv(x).view(2, -1).reshape(2, 8, 2, 2),
            "RuntimeError: view size is not compatible",
        ),
        (lambda self, x: self.conv(x).sigmoid().add_(1), "modified by an inplace operation"),
    ],
)
def test_decoder_that_only_numbers_show_to_fail_is_refused(part, forward, told):
    part(DECODERS, decoder_of(lambda self, x: self.conv(x) if x.is_meta else forward(self, x), CONV))
    model = settings("test_resnet", "mine")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with pytest.raises(PartError, match="mine on test_resnet fails in a training step: ") as caught:
        checked(*model, device="cpu")
    assert told in str(caught.value)
    assert caught.value.problems[0].file.startswith(f"{__file__}:")
    assert torch.equal(torch.get_rng_state(), before)


def test_decoders_without_parameters_and_with_values_in_training_are_fine(part):
    def forward(self, x):
        return x if not self.training or x.sum().item() < 1e9 else None

    part(DECODERS, decoder_of(forward))
    for encoder in ("test_resnet", {"name": "test_resnet", "frozen": True}):
        model = settings(encoder, "mine")
        checked(*model, device="cpu")


def test_decoder_of_lazy_layers_is_refused(part):
    part(DECODERS, decoder_of(lambda self, x: self.lazy(x), ("lazy", lambda _: nn.LazyConv2d(8, 1))))
    with pytest.raises(PartError, match="decoder 'mine' has lazy layers: their sizes are unknown before the"):
        dry_run(*settings("test_resnet", "mine"))


@pytest.mark.parametrize("value", [nn.Identity, None, lambda features: features[-1]])
def test_decoder_that_is_no_module_is_refused(part, value):
    def mine(pyramid):
        return value

    part(DECODERS, mine)
    told = f"decoder 'mine' is built as a {type(value).__name__}, not as a torch.nn.Module\n  try: return the"
    with pytest.raises(PartError, match=told):
        dry_run(*settings("test_resnet", "mine"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pyramid": None}, "encoder 'mine' has the pyramid None\n"),
        (
            {"mean": (0.5, 0.5)},
            r"encoder 'mine' has the mean \(0.5, 0.5\) and the std \(1.0,\) for 3 channels\n",
        ),
        ({"std": None}, "and the std None for 3 channels\n"),
        (
            {"pyramid": Pyramid((9,), (4,))},
            r"shape \(1, 8, 32, 32\) for a batch of 1, but its pyramid is Pyramid\(ch",
        ),
        ({"pyramid": Pyramid((8, 8), (4, 8))}, "but its pyramid is"),
        (
            {"bare": True},
            r"Mine.forward returns a tensor of shape \(1, 8, 32, 32\) for a batch of 1, but its pyr",
        ),
    ],
)
def test_encoder_that_breaks_its_contract_is_refused(part, changes, told):
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 4, 4)
            self.bare = False
            self.pyramid, self.mean, self.std = Pyramid((8,), (4,)), (0.0,), (1.0,)
            vars(self).update(changes)

        def forward(self, image):
            return self.conv(image) if self.bare else [self.conv(image)]

    def mine(in_channels):
        return Mine()

    part(ENCODERS, mine)
    with pytest.raises(PartError, match=told):
        dry_run(*settings("mine", "transposed_conv"))


def test_layer_made_for_another_image_size_names_a_size_that_works(part):
    def forward(self, x):
        return self.mix(x.flatten(2)).view_as(x)

    part(DECODERS, decoder_of(forward, ("mix", lambda _: nn.Linear(16, 16))))
    dry_run(*settings("test_resnet", "mine", (128, 128)))
    with pytest.raises(
        ShapeError, match=r"images of 150x150: a Linear, takes 16 channels and gets 25\n.*128]"
    ):
        dry_run(*settings("test_resnet", "mine", (150, 150)))
