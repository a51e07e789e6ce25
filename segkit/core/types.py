"""What flows between the parts: task, feature pyramid, samples, metrics.

Every part is written against the types here and nothing else of segkit but `registry` and `errors`.
This file imports no torch, so that recipes can be read and checked without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from segkit.core.errors import ShapeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor, nn

    Pixels = npt.NDArray[np.uint8]
    Loss = Callable[[Tensor, Tensor], Tensor]
    ParameterGroups = list[dict[str, list[nn.Parameter] | float]]
else:  # names for annotations only: numpy and torch are slow to import
    Pixels = Loss = ParameterGroups = Any

# Told a label, how much is done, and how much there is.
Progress = Callable[[str, int, int], None]
TaskKind = Literal["binary", "multiclass", "multilabel"]


@dataclass(frozen=True)
class Task:
    """What is predicted for a pixel; decided once, by the recipe.

    Logits are (B, K, H, W) with K = `channels`. Targets are integers:

    - binary: (B, H, W), 0 background, 1 foreground; K is 1;
    - multiclass: (B, H, W), an index into `classes`; K is the number of classes;
    - multilabel: (B, K, H, W), 0 or 1 for each class independently.

    A pixel whose target is `ignore_index` counts in no loss and in no metric. Where the recipe ignores
    nothing, `ignore_index` is None.
    """

    kind: TaskKind
    classes: tuple[str, ...]
    ignore_index: int | None = None

    @property
    def channels(self) -> int:
        """How many logits the model gives for a pixel."""
        return 1 if self.kind == "binary" else len(self.classes)

    def check_shapes(self, logits: Tensor, target: Tensor) -> None:
        """Refuse shapes that would broadcast into nonsense.

        Raises:
            ShapeError: if logits or target are not what is said above, of one size.
        """
        batch, _, *size = logits.shape
        wanted = (batch, self.channels, *size) if self.kind == "multilabel" else (batch, *size)
        if logits.ndim != 4 or logits.shape[1] != self.channels or tuple(target.shape) != wanted:
            axes = "(B, K, H, W)" if self.kind == "multilabel" else "(B, H, W)"
            raise ShapeError(
                f"logits {tuple(logits.shape)} and target {tuple(target.shape)} "
                f"do not fit a {self.kind} task",
                hint=f"logits are (B, {self.channels}, H, W), the target is {axes} of the same size",
            )


@dataclass(frozen=True)
class Pyramid:
    """What an encoder delivers: one feature map per stage, finest first.

    Map i is (B, channels[i], H / reductions[i], W / reductions[i]), rounded up or down.
    """

    channels: tuple[int, ...]
    reductions: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.channels)


class Encoder(Protocol):
    """An `nn.Module` that turns an image (B, C, H, W) into a list of feature maps, finest first.

    It describes *all* of its stages; the recipe's `features` chooses which of them reach the decoder.
    `mean` and `std` are what the encoder's weights expect, per channel, for pixels in 0..1.
    """

    pyramid: Pyramid
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> one map per stage."""
        ...


class Decoder(Protocol):
    """An `nn.Module` that turns feature maps into one map (B, C', h, w).

    C' and h, w are found by a dry run; one convolution (the head) then makes the logits, which are
    upsampled bilinearly to the image's size where h, w are smaller.
    """

    def __call__(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        ...


@dataclass(frozen=True, slots=True)  # there may be very many of them
class Sample:
    """One image and its mask, not yet read.

    Args:
        name: unique inside its split; the image's file name without folder and ending, where it has one.
        read: gives the image (H, W, C) as uint8 and the mask as the task's integers, (H, W), or (H, W, K)
            for multilabel; raises `DataError` that names the file at fault.
        files: the files that `read` reads, image first; empty where pixels are generated.
        read_at: a faster way to what `read` gives, where there is one: given (height, width), it gives image
            and mask at that size, the mask by its nearest pixels; it has compared their true sizes itself.
        variant: what decides the pixels beside the bytes of `files`, the source's options and its code, such
            as the number of a tile; "" if nothing does. What is decoded is then kept for later runs. None if
            that is not known.
    """

    name: str
    read: Callable[[], tuple[Pixels, Pixels]]
    files: tuple[Path, ...] = ()
    read_at: Callable[[tuple[int, int]], tuple[Pixels, Pixels]] | None = None
    variant: str | None = None


class Source(Protocol):
    """A data set: where images and masks come from."""

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """The samples by the source's own official splits: any of "train", "val", "test".

        A source without official splits gives everything as "train".

        Raises:
            DataError: naming every file that is missing or has no partner.
        """
        ...


class Transform(Protocol):
    """One step of augmentation, applied to image and mask together."""

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """(H, W, C) and (H, W) or (H, W, K) -> the same, changed; all randomness comes from `rng`.

        Masks keep their values: they are moved, never blended.
        """
        ...


class Schedule(Protocol):
    """A learning-rate schedule over one optimiser, moved on after every step."""

    def step(self) -> None:
        """Move on by one training step."""
        ...

    def state_dict(self) -> dict[str, object]:
        """What is needed to go on from here."""
        ...

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Go on from there."""
        ...


@dataclass(frozen=True)
class Metric:
    """A score with one written definition, computed per image and independent of batch size.

    `rows` gives, for a batch, one row of numbers per image; `score` turns the rows of any number of images
    into one number. A metric that is the mean over images has one number per row; a metric over the whole
    data set (such as `iou_dataset`) has its counts in the row. The score of one image is `score` of its row.

    Args:
        rows: (logits (B, K, H, W), target) -> (B, S), any floating type; NaN where undefined.
        score: (N, S) in float64 -> the score; by default the mean over images, undefined ones left out.
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor], float] | None = None

    def of(self, rows: torch.Tensor) -> float:
        """The score of the images whose rows (N, S) these are; NaN where it is defined for none of them."""
        rows = rows.double()
        return float(rows.nanmean()) if self.score is None else self.score(rows)
