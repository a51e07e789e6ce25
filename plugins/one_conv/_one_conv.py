"""The module behind `one_conv`."""

from torch import Tensor, nn


class OneConv(nn.Module):
    """A 3x3 convolution on the last map, and a ReLU.

    Shape:
        features: one map per stage, finest first; the last is (B, incoming, h, w).
        output: (B, width, h, w).
    """

    def __init__(self, incoming: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(incoming, width, kernel_size=3, padding=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps -> one map."""
        return self.conv(features[-1]).relu()
