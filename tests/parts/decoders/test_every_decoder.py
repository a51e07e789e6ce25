"""Image sizes of every decoder that comes with segkit; `tests/testing` tries them on their contract."""

import re
import sys

import pytest
import torch

from segkit.core.errors import ShapeError
from segkit.core.registry import DECODERS
from segkit.models.dry_run import dry_run
from tests.parts.decoders.cases import encoder_for, options_for, segmenter, settings

NAMES = [entry.name for entry in DECODERS.own() if entry.where.startswith(sys.modules["segkit"].__path__[0])]
every_decoder = pytest.mark.parametrize("decoder", NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "size"),
    [("mobilenetv2_100", (100, 100)), ("convnext_atto", (100, 72)), ("resnet18", (50, 70))],
)
@every_decoder
def test_decoder_takes_a_size_or_names_one_that_it_takes(encoder, decoder, size):
    try:
        dry_run(*settings(encoder, decoder, size))
    except ShapeError as error:
        problem = error.problems[0]
        assert problem.problem == f"{decoder} on {encoder} does not work on images of {size[0]}x{size[1]}"
        found = re.fullmatch(r"data\.size: \[(\d+), (\d+)\] works", problem.hint)
        better = (int(found[1]), int(found[2]))
        assert all(abs(side - wanted) <= 32 for side, wanted in zip(better, size, strict=True))
        dry_run(*settings(encoder, decoder, better))


ANY_SIZE = ("deeplabv3", "deeplabv3plus", "pspnet", "segformer", "transposed_conv", "unet", "upernet")


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ANY_SIZE)
def test_decoder_that_the_dry_run_lets_pass_works_at_an_odd_size(decoder):
    dry_run(*settings("mobilenetv2_100", {"name": decoder, **options_for(decoder)}, (100, 75)))
    model = segmenter(encoder_for("mobilenetv2_100"), decoder, **options_for(decoder)).eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, 100, 75)).shape == (1, 1, 100, 75)
