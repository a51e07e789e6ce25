"""Small decoders: a correct one, and ways to break it."""

from torch import nn
from torch.nn import functional as F


class Good(nn.Module):
    """All maps, convolved to 8 channels and resized to the finest one."""

    def __init__(self, pyramid):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, 8, 3, padding=1) for width in pyramid.channels)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, features):
        maps = [conv(feature) for conv, feature in zip(self.convs, features, strict=True)]
        size = maps[0].shape[-2:]
        return self.norm(sum(F.interpolate(feature, size=size, mode="bilinear") for feature in maps)).relu()


def good(pyramid):
    return Good(pyramid)


def changed_output(change):
    """A decoder whose output is changed."""

    class Changed(Good):
        def forward(self, features):
            return change(super().forward(features))

    return lambda pyramid: Changed(pyramid)


def changed_input(change):
    """A decoder whose inputs are changed."""

    class Changed(Good):
        def forward(self, features):
            return super().forward(change(features))

    return lambda pyramid: Changed(pyramid)
