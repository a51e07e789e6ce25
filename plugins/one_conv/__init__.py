"""The smallest decoder: one convolution on the encoder's last map."""

from torch import Tensor, nn

from segkit import DECODERS, Pyramid


@DECODERS.register("one_conv", features="last")
def one_conv(pyramid: Pyramid, *, width: int = 32) -> nn.Module:
    """One convolution on the last map.

    Args:
        pyramid: the feature maps that come in.
        width: channels of the map that comes out.
    """
    return OneConv(pyramid.channels[-1], width)


class OneConv(nn.Module):
    """Features, finest first -> (B, width, h, w) of the last one."""

    def __init__(self, incoming: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(incoming, width, kernel_size=3, padding=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps -> one map."""
        return self.conv(features[-1]).relu()
