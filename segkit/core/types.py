"""Types and protocols of parts: task, feature pyramid, sample, source, metric. No torch.

A part needs these types, `registry` and `errors`, and nothing else of segkit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from segkit.core.errors import ShapeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor, nn

    # Images: uint8, uint16, int16 or float32. Masks: uint8.
    Pixels = npt.NDArray[Any]
    Loss = Callable[[Tensor, Tensor], Tensor]
    ParameterGroups = list[dict[str, list[nn.Parameter] | float]]
else:  # names for annotations only: numpy and torch are slow to import
    Pixels = Loss = ParameterGroups = Any

# Callback of (label, done, total).
Progress = Callable[[str, int, int], None]
TaskKind = Literal["binary", "multiclass", "multilabel"]
# Values in masks by class, as a recipe names them: numbers, colours "#rrggbb", names of polygons.
Labels = tuple[tuple[str, tuple[int | str, ...]], ...]


@dataclass(frozen=True)
class Task:
    """What is predicted for a pixel.

    Logits are (B, K, H, W) with K = `channels`. Targets are integers:

    - binary: (B, H, W), 0 background, 1 foreground; K is 1;
    - multiclass: (B, H, W), an index into `classes`; K is the number of classes;
    - multilabel: (B, K, H, W), 0 or 1 for each class independently.

    Pixels whose target is `ignore_index` are excluded from losses and metrics; None excludes nothing.
    `labels` are the values in files by class, "ignore" and "background"; None if they are these integers.
    `colors` are colours "#rrggbb" by class, for pictures of masks; other classes have default ones.
    """

    kind: TaskKind
    classes: tuple[str, ...]
    ignore_index: int | None = None
    labels: Labels | None = None
    colors: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def channels(self) -> int:
        """Number of logits per pixel."""
        return 1 if self.kind == "binary" else len(self.classes)

    def check_shapes(self, logits: Tensor, target: Tensor) -> None:
        """Check the shapes of logits and target.

        Raises:
            ShapeError: if they are not the shapes above, with the same height and width.
        """
        batch, _, *size = logits.shape
        expected = (batch, self.channels, *size) if self.kind == "multilabel" else (batch, *size)
        if logits.ndim != 4 or logits.shape[1] != self.channels or tuple(target.shape) != expected:
            axes = "(B, K, H, W)" if self.kind == "multilabel" else "(B, H, W)"
            raise ShapeError(
                f"logits {tuple(logits.shape)} and target {tuple(target.shape)} "
                f"do not fit a {self.kind} task",
                hint=f"logits are (B, {self.channels}, H, W), the target is {axes} of the same size",
            )


def class_problem(kind: TaskKind | None, classes: Sequence[str]) -> str:
    """Why these classes cannot be those of a task; empty if they can."""
    count = len(classes)
    if kind == "binary" and count != 1:
        return (
            f"a binary task needs one class, the foreground; found {count}: "
            "list one, or use task: multiclass or multilabel"
        )
    if kind == "multiclass" and count < 2:
        return "a multiclass task needs at least two classes, including the background"
    if kind == "multilabel" and not count:
        return "a multilabel task needs at least one class"
    if duplicates := sorted({name for name in classes if classes.count(name) > 1}):
        return f"duplicate class names: {', '.join(duplicates)}"
    if kind == "multilabel" and (pair := classes_of_one_file(classes)):
        return f"the classes {pair[0]!r} and {pair[1]!r} would have files of the same name: rename one"
    return ""


def classes_of_one_file(classes: Sequence[str]) -> tuple[str, str] | None:
    """Two classes with the same file name, if any."""
    files: dict[str, str] = {}
    for name in classes:
        # Not every file system tells upper from lower case, or composed from decomposed letters.
        file = unicodedata.normalize("NFC", class_file_name(name)).casefold()
        if (first := files.setdefault(file, name)) != name:
            return first, name
    return None


def class_file_name(name: str) -> str:
    """A class name as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-+" else "_" for letter in name)


@dataclass(frozen=True)
class Pyramid:
    """Channels and reductions of an encoder's feature maps, finest first.

    Map i is (B, channels[i], H / reductions[i], W / reductions[i]), rounded up or down.
    """

    channels: tuple[int, ...]
    reductions: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.channels)


class Encoder(Protocol):
    """An `nn.Module`: image (B, C, H, W) -> list of feature maps, finest first.

    `pyramid` describes all stages; the recipe's `features` selects those that the decoder gets. `mean` and
    `std` are the normalisation that the weights expect, per channel, for pixels in 0..1.
    """

    pyramid: Pyramid
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> one map per stage."""
        ...


class Decoder(Protocol):
    """An `nn.Module`: feature maps -> one map (B, C', h, w).

    C', h and w are determined by a dry run. One convolution (the head) makes the logits, which are upsampled
    bilinearly to the image size if h, w are smaller.
    """

    def __call__(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first -> one map."""
        ...


@dataclass(frozen=True, slots=True)  # there may be millions
class Sample:
    """One image and its mask, not yet read.

    Args:
        name: name, unique in its split; usually the image file's stem.
        read: function that returns the image (H, W, C) as uint8, uint16, int16 or float32 and the mask as the
            task's integers, (H, W), or (H, W, K) for multilabel; raises `DataError` with the file at fault.
        files: files that `read` reads, image first; empty if pixels are generated.
        read_at: optional faster function of (height, width) that returns image and mask at that size, the
            mask by nearest neighbour; it compares the original sizes itself.
        variant: whatever else determines the pixels, beside the bytes of `files`, the source's options and
            its code, such as a tile number; "" if nothing does. None if unknown: then pixels are not cached.
        outlines: digest of what the mask is painted from, if `files` do not hold it, such as the outlines of
            this image in a file of all images; the mask has changed if it has.
        columns: what else is known of it, by column, such as its patient; `data.split.group` can name one.
    """

    name: str
    read: Callable[[], tuple[Pixels, Pixels]]
    files: tuple[Path, ...] = ()
    read_at: Callable[[tuple[int, int]], tuple[Pixels, Pixels]] | None = None
    variant: str | None = None
    outlines: str = ""
    columns: Mapping[str, str] | None = None


class Source(Protocol):
    """A data set."""

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Samples by official split: any of "train", "val", "test"; everything is "train" if there are none.

        Raises:
            DataError: listing every file that is missing or unpaired.
        """
        ...


class Transform(Protocol):
    """One augmentation, applied to image and mask together.

    Images are uint8, or float32 in 0..1 if their files have another type or the recipe another range.

    A transform that is registered with the trait ``others=3`` is called with three more samples, as
    ``others``, a sequence of (image, mask), each read when it is indexed. One that reads pixels from further
    away, such as a rotation, has a method ``room((height, width))``: the size of the image that it needs so
    that the centre of its result, of that height and width, has no pixels from beyond the image; None if its
    result always has the recipe's size.
    """

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Transform image (H, W, C) and mask (H, W) or (H, W, K); all randomness comes from `rng`.

        Masks are never interpolated into new values.
        """
        ...


class Schedule(Protocol):
    """A learning-rate schedule, stepped after every training step."""

    def step(self) -> None:
        """Advance by one training step."""
        ...

    def state_dict(self) -> dict[str, object]:
        """State to resume from."""
        ...

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Restore a state."""
        ...


@dataclass(frozen=True)
class Sums:
    """Numbers that may be added over disjoint parts of an image.

    Args:
        parts: (logits (B, K, H, W), target) of a part of each image -> (B, P), float64 or int64.
        rows: (B, P), sums over whole images -> (B, S), any floating type; NaN where undefined.
    """

    parts: Callable[[Tensor, Tensor], Tensor]
    rows: Callable[[Tensor], Tensor]

    def per_image(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, S) of whole images."""
        return self.rows(self.parts(logits, target))


@dataclass(frozen=True)
class Metric:
    """A score, computed per image and independent of batch size.

    `per_image` returns S numbers per image of a batch; `reduce` turns those of N images into one score. A
    mean over images has S = 1; a metric of the whole data set (such as `iou_dataset`) returns counts.

    Args:
        per_image: (logits (B, K, H, W), target) -> (B, S), any floating type; NaN where undefined.
        score: (N, S) in float64 -> score; by default the mean over images where it is defined.
        sums: how `per_image` is computed from parts of an image, see `summed`; None if it needs all of it.
    """

    per_image: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor], float] | None = None
    sums: Sums | None = None

    @classmethod
    def summed(
        cls,
        parts: Callable[[Tensor, Tensor], Tensor],
        rows: Callable[[Tensor], Tensor],
        score: Callable[[Tensor], float] | None = None,
    ) -> Metric:
        """A metric made of sums over pixels: scoring a large image never holds all its probabilities.

        Args:
            parts: (logits (B, K, H, W), target) -> (B, P), float64 or int64 numbers that may be added over
                disjoint parts of an image, such as counts of pixels.
            rows: (B, P), sums over whole images -> (B, S), as `per_image`.
            score: as in `Metric`.
        """
        sums = Sums(parts, rows)
        return cls(sums.per_image, score, sums)

    def reduce(self, per_image: torch.Tensor) -> float:
        """The score of N images from their numbers (N, S); NaN if it is undefined for all of them."""
        per_image = per_image.double()
        return float(per_image.nanmean()) if self.score is None else self.score(per_image)
