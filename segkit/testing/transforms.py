"""The contract of transforms: image and mask change together, by the generator given and nothing else."""

from __future__ import annotations

import numpy as np

from segkit.core.errors import PartError, ShapeError
from segkit.core.types import Pixels
from segkit.data.batches import Batch, TrainBatches
from segkit.testing.check import Point, Subject, require
from segkit.testing.states import global_seed
from segkit.testing.transform_cases import (
    CASES,
    FEW,
    SEEDS,
    SQUARE,
    TransformCase,
    apply,
    fit,
    own_cases,
    trials,
    turned,
)

_MANY_SEEDS = range(12)  # enough for every way to flip and turn an image to come up
_OTHER_THAN_RNG = (
    "draw from the rng that every call is given, not from np.random.default_rng() or a torch.Generator() "
    "of your own; keep nothing between two calls"
)
_AS_PAINTED, _CLEARLY_LESS = 0.9, 0.3


def it_fits_some_images(subject: Subject) -> None:
    """A transform may refuse sizes, channels and kinds of masks, but not all of them."""
    refusals: list[str] = []
    transform = subject.build(p=1.0)
    for case in (*CASES, *own_cases(subject)):
        try:
            for seed in SEEDS:
                apply(transform, *case.pixels(), seed)
        except (PartError, ShapeError) as error:
            refusals.append(error.problems[0].problem)
        else:
            return
    require(False, f"it refuses all images: {'; '.join(dict.fromkeys(refusals))}", "accept RGB ones at least")


def images_keep_their_shape_and_stay_uint8(subject: Subject) -> None:
    """The images of a batch are stacked, at the size that data.size says."""
    hint = "return uint8 of the shape that came; OpenCV drops a last axis of 1, image[..., None] restores it"
    for trial in trials(subject):
        image, _ = trial.case.pixels()
        found, given = f"{trial.image.dtype} {trial.image.shape}", f"{image.dtype} {image.shape}"
        require(found == given, f"an image of {given} becomes {found}", hint)


def masks_keep_their_shape_and_stay_uint8(subject: Subject) -> None:
    """A mask lies on its image, pixel on pixel, and may be (H, W), or (H, W, K) for any number of classes."""
    hint = "return uint8 of the shape that came; OpenCV drops a last axis of 1 and takes up to 4 channels"
    for trial in trials(subject):
        _, mask = trial.case.pixels()
        found, given = f"{trial.mask.dtype} {trial.mask.shape}", f"{mask.dtype} {mask.shape}"
        require(found == given, f"a mask of {given} becomes {found}", hint)


def masks_are_moved_and_never_blended(subject: Subject) -> None:
    """A value between two classes is another class, or none."""
    for trial in trials(subject):
        known = {0, *np.unique(trial.case.pixels()[1]).tolist()}
        new = sorted({*np.unique(trial.mask).tolist()} - known)
        require(
            not new,
            f"a mask of {', '.join(map(str, sorted(known)))} holds {', '.join(map(str, new[:5]))} afterwards",
            "take the nearest pixel for masks, as INTER_NEAREST does, and leave colours of masks alone",
        )


def image_and_mask_move_together(subject: Subject) -> None:
    """A mask that lies elsewhere than its image teaches nothing but noise, and no error says so."""
    case = TransformCase(SQUARE)
    ways = turned(case.pixels()[1])
    for trial in trials(subject, (case,), _MANY_SEEDS):
        if not any(_same(trial.mask, way) for way in ways) or trial.image.shape[:2] != SQUARE:
            continue  # moved in another way, of which an image that has changed tells little
        best = max(fit(trial.image, way) for way in ways)
        require(
            best < _AS_PAINTED or fit(trial.image, trial.mask) > best - _CLEARLY_LESS,
            "the image is flipped or turned in another way than its mask",
            "draw once, and do the same to both",
        )


def the_same_random_state_gives_the_same_result(subject: Subject) -> None:
    """What an epoch shows of an image is a function of seed, epoch and image, or no run could be repeated."""
    hint = "draw everything from rng, nothing when it is built; keep nothing between two calls"
    other = subject.build(p=1.0)
    for trial in reversed([*trials(subject, FEW)]):
        same = trial.again() == trial.bytes
        require(same, f"the same rng gives another result the second time, {trial}", hint)
        same = trial.again(other) == trial.bytes
        require(same, f"the same rng gives another result when the transform is built anew, {trial}", hint)


def all_randomness_comes_from_rng(subject: Subject) -> None:
    """A global random state differs between workers, and after a run was interrupted."""
    hint = "rng.random(), rng.integers(...): numpy's generator, which every call is given"
    with global_seed(1) as drawn_from:
        once = [*trials(subject, FEW)]
        drawn = " and ".join(drawn_from())
    require(not drawn, f"it changes the global random state of {drawn}", hint)
    for trial in once:
        found = []
        for _ in range(2):
            with global_seed(2):
                found.append(trial.again())
        repeats = found[0] == found[1]
        require(repeats, f"two calls with the same rng differ, {trial}", _OTHER_THAN_RNG)
        require(found[0] == trial.bytes, "its result depends on a global random state", hint)


def what_it_is_given_stays_as_it_is(subject: Subject) -> None:
    """The arrays hold the training images: what changes them changes every later epoch."""
    transform = subject.build(p=1.0)
    for trial in trials(subject, FEW):
        given, before = trial.case.pixels(), trial.case.pixels()
        apply(transform, *given, trial.seed)
        for what, now, then in zip(("image", "mask"), given, before, strict=True):
            require(_same(now, then), f"it changes the {what} that it was given", f"work on {what}.copy()")


def it_takes_views_of_images(subject: Subject) -> None:
    """What another transform has flipped or cropped may lie backwards or with gaps in memory."""
    for trial in trials(subject, FEW):
        image, mask = (_backwards(pixels) for pixels in trial.case.pixels())
        try:
            found = [pixels.tobytes() for pixels in apply(trial.transform, image, mask, trial.seed)]
            reason = "gives another result"
        except Exception as error:
            found, reason = [], f"fails with {type(error).__name__}: {error}".partition("\n")[0]
        problem = f"it {reason} where an image is not contiguous in memory"
        require(found == [*trial.bytes], problem, "np.ascontiguousarray(image) for what needs it")


def it_does_the_same_in_a_worker(subject: Subject) -> None:
    """data.workers says how many processes augment, and may not change what they make."""
    image, mask = TransformCase(SQUARE).pixels()
    images, masks = np.stack([image] * 2), np.stack([mask] * 2)
    try:
        here, there = (_epochs(subject, images, masks, workers) for workers in (0, 1))
    except (PartError, ShapeError):
        return
    for ours, theirs in zip(here, there, strict=True):
        same = ours.image.equal(theirs.image) and ours.target.equal(theirs.target)
        hint = "keep nothing between two calls, and nothing that only one process has"
        require(same, "a worker process makes other images of the same rng", hint)


def _epochs(subject: Subject, images: Pixels, masks: Pixels, workers: int) -> list[Batch]:
    batches = TrainBatches(images, masks, [subject.build(p=1.0)], 2, 0, workers=workers)
    return [batch for epoch in (1, 2) for batch in batches.epoch(epoch)]


def _backwards(pixels: Pixels) -> Pixels:
    """The same values with negative strides."""
    return np.ascontiguousarray(pixels[::-1, ::-1])[::-1, ::-1]


def _same(one: Pixels, other: Pixels) -> bool:
    return one.shape == other.shape and bool((one == other).all())


CHECKS: tuple[Point, ...] = (
    it_fits_some_images,
    images_keep_their_shape_and_stay_uint8,
    masks_keep_their_shape_and_stay_uint8,
    masks_are_moved_and_never_blended,
    image_and_mask_move_together,
    the_same_random_state_gives_the_same_result,
    all_randomness_comes_from_rng,
    what_it_is_given_stays_as_it_is,
    it_takes_views_of_images,
    it_does_the_same_in_a_worker,
)
