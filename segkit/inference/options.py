"""How a model is asked about an image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import lcm
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.inference.model_info import ModelInfo

# Networks halve their maps five times: tiles that start on this grid see pixels as the whole image would.
GRID = 32
_PIXELS_AT_ONCE = 2**19
_MAX_AT_ONCE = 32


class ProbabilityFormat(StrEnum):
    """How probabilities are written: 16-bit pictures, or float32 arrays."""

    png = "png"
    npy = "npy"


@dataclass(frozen=True)
class PredictOptions:
    """How a model is asked about an image.

    Args:
        flips: ask about the image, its mirror images left to right and top to bottom, and both at once, and
            take the mean.
        scales: ask about the image at these multiples of its size, and take the mean.
        tile: side of the square tiles in which the model goes over the image's own pixels; 0 resizes the
            whole image to the size of training.
        overlap: pixels that neighbouring tiles share; None is a quarter of the tile.
        batch_size: images or tiles asked about at once; changes no result but for rounding. 0 takes as many
            as have half a million pixels together: more of them take memory, and on a CPU save no time.
    """

    flips: bool = False
    scales: tuple[float, ...] = (1.0,)
    tile: int = 0
    overlap: int | None = None
    batch_size: int = 0

    def shared(self) -> int:
        """Pixels that neighbouring tiles share, on the grid."""
        wanted = self.tile // 4 if self.overlap is None else self.overlap
        return -(-wanted // GRID) * GRID

    def at_once(self, size: tuple[int, int]) -> int:
        """How many images are asked about at once, where they are of a size."""
        height, width = (self.tile, self.tile) if self.tile else size
        return self.batch_size or max(1, min(_MAX_AT_ONCE, _PIXELS_AT_ONCE // (height * width)))

    def check(self, facts: ModelInfo) -> None:
        """See to it that a model can be asked so.

        Args:
            facts: what the model is.

        Raises:
            SegkitError: saying what would do.
        """
        if not self.scales or not all(0.1 <= scale <= 10 for scale in self.scales):
            raise SegkitError(
                f"scales {self.scales} are not between 0.1 and 10", hint="such as 0.75, 1, 1.25"
            )
        size = facts.size
        fixed = f"this model takes images of {size[0]}x{size[1]} only"
        if facts.multiple == 0 and self.scales != (1.0,):
            raise SegkitError(f"{fixed}, and so at one scale", hint="leave the scales out")
        if self.tile:
            self._check_tile(facts.multiple, size, fixed)

    def _check_tile(self, multiple: int, size: tuple[int, int], fixed: str) -> None:
        if multiple == 0:
            if (self.tile, self.tile) != size:
                works = f"a tile of {size[0]}" if size[0] == size[1] else "whole images"
                raise SegkitError(f"{fixed}, and the tiles are {self.tile}x{self.tile}", hint=works)
        else:
            step = lcm(GRID, multiple)
            if self.tile % step:
                near = max(step, round(self.tile / step) * step)
                raise SegkitError(
                    f"tiles of {self.tile} pixels do not fit this model",
                    hint=f"{near} does: multiples of {step}",
                )
        if not 0 <= self.shared() < self.tile:
            raise SegkitError(
                f"tiles of {self.tile} pixels cannot share {self.shared()}", hint="a smaller overlap"
            )
