DECODER = '''\
from torch import nn

from segkit import DECODERS, Pyramid


@DECODERS.register("thin", features="last")
def thin(pyramid: Pyramid, *, width: int = 8) -> nn.Module:
    """One convolution and its statistics."""

    class Thin(nn.Sequential):
        def forward(self, features):
            print("no answer", end="")
            return super().forward(features[-1])

    return Thin(nn.Conv2d(pyramid.channels[-1], width, 3, padding=1), nn.BatchNorm2d(width))
'''
