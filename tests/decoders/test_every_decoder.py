"""What every registered decoder keeps, on encoders of three families."""

import re
import subprocess
import sys

import pytest
import torch

from segkit.dry_run import dry_run
from segkit.errors import ShapeError
from segkit.registry import DECODERS

from .cases import ENCODER_NAMES, encoder_for, options_for, segmenter, settings

NAMES = [entry.name for entry in DECODERS.own() if entry.where.startswith(sys.modules["segkit"].__path__[0])]
every_decoder = pytest.mark.parametrize("decoder", NAMES)
every_encoder = pytest.mark.parametrize("encoder", ENCODER_NAMES)


@every_decoder
def test_decoder_describes_its_options(decoder):
    entry = DECODERS.get(decoder)
    assert entry.summary
    assert all(option.meaning for option in entry.options.values())


@every_encoder
@every_decoder
def test_decoder_trains_two_steps(encoder, decoder):
    torch.manual_seed(0)
    model = segmenter(encoder_for(encoder), decoder, **options_for(decoder)).train()
    image = torch.randint(0, 256, (2, 3, 128, 128), dtype=torch.uint8)
    target = torch.zeros(2, 1, 128, 128)
    target[:, :, 32:96, 40:80] = 1
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    before = [parameter.clone() for parameter in model.decoder.parameters()]
    for _ in range(2):
        logits = model(image)
        assert logits.shape == target.shape
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert loss.isfinite()
    after = dict(model.decoder.named_parameters())
    assert [name for name, value in after.items() if value.grad is None] == []
    assert all(value.grad.any() for value in after.values() if value.ndim > 1)
    assert not all(torch.equal(value, old) for value, old in zip(after.values(), before, strict=True))
    first_layer = next(model.encoder.parameters())
    assert first_layer.grad.any()  # what comes in matters for what goes out


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


@pytest.mark.parametrize("decoder", ANY_SIZE)
def test_decoder_that_the_dry_run_lets_pass_works_at_an_odd_size(decoder):
    dry_run(*settings("mobilenetv2_100", {"name": decoder, **options_for(decoder)}, (100, 75)))
    model = segmenter(encoder_for("mobilenetv2_100"), decoder, **options_for(decoder)).eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, 100, 75)).shape == (1, 1, 100, 75)


@every_decoder
def test_decoder_trains_on_a_batch_of_one_image(decoder):
    """A pooled map of one image has one value per channel, which BatchNorm refuses."""
    model = segmenter(encoder_for("resnet18"), decoder, **options_for(decoder)).train()
    model(torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)).sum().backward()
    assert all(value.isfinite().all() for value in model.state_dict().values())
    dry_run(*settings("resnet18", decoder, (64, 64), batch_size=1))


def test_registering_decoders_imports_no_torch():
    code = (
        "import sys, segkit.decoders.smp_decoders, segkit.decoders.transposed_conv; "
        "sys.exit(bool({'torch', 'segmentation_models_pytorch'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
