"""Encoders, decoders and settings for the tests of decoders and models."""

from functools import cache

import torch

from segkit.core.registry import DECODERS, ENCODERS
from segkit.core.types import Pyramid
from segkit.models.segmenter import Segmenter, make_head
from segkit.recipe.data_settings import DataSettings
from segkit.recipe.schema import ModelSettings

LADDER = (32, 16, 16, 8, 8)
SMALL = {  # widths that are quick to train
    "unet": {"channels": LADDER},
    "unetplusplus": {"channels": LADDER},
    "manet": {"channels": LADDER, "attention_channels": 8, "reduction": 2},
    "linknet": {"prefinal_channels": 8},
    "fpn": {"pyramid_channels": 16, "segmentation_channels": 32},
    "dpt": {"fusion_channels": 8, "widths": (8, 8, 16, 16)},
    "transposed_conv": {"channels": LADDER},
}


def options_for(decoder: str) -> dict:
    return SMALL.get(decoder, {"channels": 16})


@cache
def encoder_for(name: str):
    torch.manual_seed(0)
    return ENCODERS.get(name).factory(3, weights="none")


def segmenter(encoder, decoder: str, *, frozen: bool = False, stages=None, **options) -> Segmenter:
    """A model of one class, over all stages that the decoder asks for."""
    entry = DECODERS.get(decoder)
    count = len(encoder.pyramid)
    last = entry.traits["features"] == "last"
    stages = stages or ([count - 1] if last else list(range(count)))
    pyramid = Pyramid(
        tuple(encoder.pyramid.channels[stage] for stage in stages),
        tuple(encoder.pyramid.reductions[stage] for stage in stages),
    )
    built = entry.factory(pyramid, **options)
    with torch.no_grad():
        x = [
            torch.zeros(2, c, -(-128 // r), -(-128 // r))
            for c, r in zip(*vars(pyramid).values(), strict=True)
        ]
        width = built.eval()(x).shape[1]
    return Segmenter(
        encoder, built, make_head(width, 1), stages=stages, mean=encoder.mean, std=encoder.std, frozen=frozen
    )


def settings(
    encoder: str | dict, decoder: str | dict, size=(128, 128), **data
) -> tuple[ModelSettings, DataSettings]:
    named = [{"name": part} if isinstance(part, str) else part for part in (encoder, decoder)]
    model = ModelSettings(encoder=named[0], decoder=named[1])
    return model, DataSettings(source={"name": "synthetic_lesions"}, size=size, **data)
