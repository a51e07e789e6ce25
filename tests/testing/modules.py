"""Small decoders: a good one, and how to break it in one place."""

from torch import nn
from torch.nn import functional as F

from segkit.core.registry import DECODERS, entry_of
from segkit.testing import Check, Subject


class Good(nn.Module):
    """Every map, brought to 8 channels and to the finest one's size."""

    def __init__(self, pyramid):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, 8, 3, padding=1) for width in pyramid.channels)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, features):
        maps = [conv(feature) for conv, feature in zip(self.convs, features, strict=True)]
        size = maps[0].shape[-2:]
        return self.norm(sum(F.interpolate(found, size=size, mode="bilinear") for found in maps)).relu()


def good(pyramid):
    return Good(pyramid)


def then(change):
    """A good decoder, and something done to its map."""

    class Changed(Good):
        def forward(self, features):
            return change(super().forward(features))

    return lambda pyramid: Changed(pyramid)


def before(change):
    """Something done to the maps that come in, and a good decoder."""

    class Changed(Good):
        def forward(self, features):
            return super().forward(change(features))

    return lambda pyramid: Changed(pyramid)


def decoder_subject(factory, **traits):
    def decoder(pyramid):
        return factory(pyramid)

    return Subject(entry_of(DECODERS, "decoder", decoder, traits=traits), {})


def decoder_tried(point, factory, **traits):
    Check(decoder_subject(factory, **traits), point)()
