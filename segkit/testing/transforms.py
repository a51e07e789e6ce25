"""Contract checks of transforms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from segkit.core.types import Pixels
from segkit.testing.check import Subject, accepted_cases, error_context, global_seed, require

_SEEDS = range(8)  # enough for most flips and rotations to occur
_GREY = np.arange(256).astype(np.uint8) * 40 + 37  # grey value of each mask value


@dataclass
class TransformCase:
    """A transform and the shape of its test inputs; a mask is (H, W), or (H, W, labels)."""

    subject: Subject
    size: tuple[int, int]
    channels: int = 3
    labels: int = 0
    dtype: str = "uint8"

    def __post_init__(self) -> None:
        self.transform = self.subject.build(p=1.0)
        with error_context(str(self)):
            self.apply(0)

    def __str__(self) -> str:
        return (
            f"for {self.dtype} images of size {self.size} with {self.channels} channels and "
            f"{self.labels or 'no'} labels"
        )

    @property
    def greys(self) -> Pixels:
        """Grey value of each mask value."""
        return _GREY if self.dtype == "uint8" else _GREY / np.float32(255)

    def inputs(self) -> tuple[Pixels, Pixels]:
        """A new mask, and an image with a grey value for each of its values."""
        rows, columns = np.mgrid[: self.size[0], : self.size[1]]
        y, x = rows / self.size[0], columns / self.size[1]
        mask = np.where((y < 0.45) & (x < 0.6), 1, np.where(y > 0.7, 2, np.where(x > 0.75, 5, 0)))
        mask = np.where((y > 0.5) & (x < 0.3), 255, mask).astype(np.uint8)
        image = np.repeat(self.greys[mask][..., None], self.channels, axis=-1)
        return image, np.repeat(mask[..., None], self.labels, axis=-1) if self.labels else mask

    def others(self) -> list[tuple[Pixels, Pixels]]:
        """New samples, as many as the transform gets: turned by half, or flipped."""
        image, mask = self.inputs()
        turned = [(image[::-1, ::-1], mask[::-1, ::-1]), (image[::-1], mask[::-1])]
        pairs = (turned[number % 2] for number in range(self.subject.entry.traits["others"]))
        return [(image.copy(), mask.copy()) for image, mask in pairs]

    def call(self, image: Pixels, mask: Pixels, seed: int, others: list[tuple[Pixels, Pixels]]) -> Any:
        """What the transform returns."""
        more = {"others": others} if others else {}
        return self.transform(image, mask, np.random.default_rng([7, seed]), **more)

    def apply(self, seed: int) -> tuple[Pixels, Pixels]:
        """Image and mask after the transform."""
        output = self.call(*self.inputs(), seed, self.others())
        valid = isinstance(output, tuple) and [type(array) for array in output] == [np.ndarray] * 2
        require(valid, f"it returns a {type(output).__name__}, not two arrays", "return image, mask")
        return output[0], output[1]


def cases(subject: Subject) -> list[TransformCase]:
    """A case for each kind of image that the transform takes and accepts, and for the size in its options."""
    channels, types = subject.entry.traits["channels"], subject.entry.traits["types"]
    usual = 3 if not channels or 3 in channels else channels[0]
    shapes: list[tuple[Any, ...]] = [((32, 32), usual, 0), ((24, 40), 1, 0), ((32, 32), 12, 0)]
    shapes += [((32, 32), usual, labels) for labels in (1, 5)]
    size = subject.options.get("size")
    if isinstance(size, (list, tuple)) and [type(side) for side in size] == [int, int]:
        shapes.append((tuple(size), usual, 0))
    taken = [shape for shape in shapes if not channels or shape[1] in channels]
    kinds = [(*shape, dtype) for dtype in types for shape in taken]
    return accepted_cases("kind of image", partial(TransformCase, subject), kinds)


def use(case: TransformCase) -> None:
    """Transform an image several times."""
    for seed in _SEEDS:
        case.apply(seed)


def shape_dtype_and_mask_values_are_kept(case: TransformCase) -> None:
    """Images of a batch are stacked; an interpolated mask value would be a wrong class."""
    for seed in _SEEDS:
        outputs = case.apply(seed)
        for name, before, after in zip(("image", "mask"), case.inputs(), outputs, strict=True):
            shapes = [f"{array.dtype} {array.shape}" for array in (before, after)]
            hint = (
                f"return {before.dtype} of the same shape; OpenCV drops a last axis of 1 and takes up to 4 "
                "channels"
            )
            require(shapes[0] == shapes[1], f"the {name} of {shapes[0]} becomes {shapes[1]}", hint)
        low, high = outputs[0].min(), outputs[0].max()
        hint = "use np.clip(image, 0, 1) for float32"
        is_unit = case.dtype == "uint8" or 0 <= low <= high <= 1
        require(is_unit, f"a float32 image in 0..1 becomes one in {low:.3g}..{high:.3g}", hint)
        new = sorted({*np.unique(outputs[1]).tolist()} - {0, *np.unique(case.inputs()[1]).tolist()})
        hint = "use INTER_NEAREST for masks, and change colours of the image only"
        require(not new, f"the mask gets new values: {', '.join(map(str, new[:5]))}", hint)


def image_and_mask_move_together(case: TransformCase) -> None:
    """A flipped image with an unflipped mask is a wrong label."""
    for seed in _SEEDS:
        image, mask = case.apply(seed)
        colours_kept = bool(np.isin(image, case.inputs()[0]).all())
        if colours_kept and not case.labels and mask.shape == image.shape[:2]:
            same = float((image == case.greys[mask][..., None]).mean())
            hint = "draw one random number and do the same to both"
            require(same > 0.6, "the mask moves differently from its image", hint)


def same_rng_gives_the_same_result(case: TransformCase) -> None:
    """An augmented image depends on seed, epoch and image only, in every worker."""
    for seed in _SEEDS[:2]:
        results = []
        for state, repeated in enumerate((case, case, replace(case))):
            with global_seed(state):
                results.append([array.tobytes() for array in repeated.apply(seed)])
        hint = "draw all random numbers from rng in each call, and keep nothing between calls"
        require(results[0] == results[1] == results[2], "the same rng gives different results", hint)


def inputs_stay_unchanged(case: TransformCase) -> None:
    """Cached training images are reused in every epoch."""
    pairs = [case.inputs(), *case.others()]
    case.call(*pairs[0], 0, pairs[1:])
    for given, former in zip(pairs, [case.inputs(), *case.others()], strict=True):
        for name, before, after in zip(("image", "mask"), former, given, strict=True):
            require(np.array_equal(before, after), f"it changes its input {name}", f"work on {name}.copy()")


CHECKS = (
    shape_dtype_and_mask_values_are_kept, image_and_mask_move_together, same_rng_gives_the_same_result,
    inputs_stay_unchanged,
)  # fmt: skip
