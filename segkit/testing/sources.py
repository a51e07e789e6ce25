"""The contract of data sources: samples by split, which read as the same pixels every time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from segkit.core.types import Pixels, Sample
from segkit.data.resize import resize_image, resize_mask
from segkit.data.splits import NAMES
from segkit.testing.check import Point, Subject, require
from segkit.testing.source_cases import SourceCase, accepted_cases, one_of_each_task, read, tried_cases
from segkit.testing.states import global_seed

_THREADS = 4
_FAR = 12  # of 255: what other ways of making an image smaller may differ by


def it_fits_some_task(subject: Subject) -> None:
    """A source may refuse tasks, numbers of channels and files, but not all of them."""
    accepted, refusals = tried_cases(subject)
    reasons = "; ".join(dict.fromkeys(error.problems[0].problem for error in refusals))
    hint = refusals[0].problems[0].hint if refusals else ""
    require(bool(accepted), f"it refuses every task and number of channels: {reasons}", hint)


def splits_are_called_train_val_or_test(subject: Subject) -> None:
    """A split of another name would be left out of every run, and no run can do without training images."""
    for case in one_of_each_task(subject):
        foreign = [name for name in case.splits if name not in NAMES]
        require(not foreign, f"it has a split {', '.join(map(repr, foreign))}", "train, val or test")
        found = {name: len(samples) for name, samples in case.splits.items()}
        require(found.get("train", 0) > 0, f"it has no training images: {found}", "give images as train")


def names_are_unique_in_a_split(subject: Subject) -> None:
    """A split file, a report and an error name an image by it."""
    for case in one_of_each_task(subject):
        for split, samples in case.splits.items():
            seen: set[str] = set()
            for sample in samples:
                name = sample.name
                hint = "the file name without folder and ending, or a number of its own"
                require(isinstance(name, str) and name != "", f"a sample of {split} is called {name!r}", hint)
                require(name not in seen, f"two samples of {split} are called {name!r}", hint)
                seen.add(name)


def splits_are_the_same_every_time(subject: Subject) -> None:
    """A run that goes on, or is repeated, has to find the same images in the same order."""
    hint = "sort what a folder or a set gives; draw with a generator that is seeded by an option"
    for case in one_of_each_task(subject):
        with global_seed(1) as drawn_from:
            source = subject.build(case.task, case.channels)
            first = _names(source.splits())
            drawn = drawn_from()
            second = _names(source.splits())
        with global_seed(2):
            other = _names(subject.build(case.task, case.channels).splits())
        for found, asked in ((second, "when asked twice"), (other, "as a second source of the same options")):
            difference = _difference(first, found)
            require(not difference, f"splits() gives {difference} {asked}", hint)
        require(not drawn, f"splits() draws from the global random state of {' and '.join(drawn)}", hint)


def images_are_uint8_with_the_channels_asked_for(subject: Subject) -> None:
    """Images are resized as (H, W, C) of 0 to 255, and normalised on the device."""
    hint = "pixels of shape (H, W, C) as uint8, image[..., None] for grey ones; or refuse with PartError"
    for case in accepted_cases(subject):
        for sample in case.samples():
            image, _ = read(sample)
            require(
                image.dtype == np.uint8 and image.ndim == 3 and image.shape[-1] == case.channels,
                f"the image of {sample.name!r} is {image.dtype} {image.shape} for {case}",
                hint,
            )


def masks_are_integers_of_the_size_of_their_image(subject: Subject) -> None:
    """A mask is resized beside its image, and its values are classes."""
    for case in one_of_each_task(subject):
        labels = (len(case.task.classes),) if case.task.kind == "multilabel" else ()
        axes = "(H, W, K), 0 or 1 for each class" if labels else "(H, W)"
        for sample in case.samples():
            image, mask = read(sample)
            require(
                np.issubdtype(mask.dtype, np.integer) and mask.shape == (*image.shape[:2], *labels),
                f"the mask of {sample.name!r} is {mask.dtype} {mask.shape} beside {image.shape} for {case}",
                f"an array of uint8, {axes}; or refuse the task with PartError",
            )


def masks_hold_values_of_the_task(subject: Subject) -> None:
    """A value that is no class would be an index out of range in the loss, after minutes of preparation."""
    for case in one_of_each_task(subject):
        known = [*range(len(case.task.classes) if case.task.kind == "multiclass" else 2)]
        for sample in case.samples():
            found = np.unique(read(sample)[1]).tolist()
            foreign = [value for value in found if value not in (*known, case.task.ignore_index)]
            require(
                not foreign,
                f"the mask of {sample.name!r} holds {', '.join(map(str, foreign[:5]))} for {case}",
                f"its values are {', '.join(map(str, known))}, and task.ignore_index where that is not None; "
                "or refuse the task with PartError",
            )


def reading_at_a_size_gives_what_reading_does(subject: Subject) -> None:
    """Where a sample has a `read_at`, it is what runs read by; the mask is thinned out, never blended."""
    for case in accepted_cases(subject):
        for sample in case.samples():
            if sample.read_at is None:
                continue
            image, mask = read(sample)
            size = image.shape[0] * 2 // 3 + 1, image.shape[1] // 3 + 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                small, thin = sample.read_at(size)
            label = f"{sample.name!r} read at {size[0]}x{size[1]}"
            wanted = resize_image(image, size)
            require(
                small.dtype == np.uint8 and small.shape == wanted.shape,
                f"{label} is {small.dtype} {small.shape}",
                f"{wanted.shape} of uint8",
            )
            off = float(np.abs(small.astype(int) - wanted).mean())
            problem = f"{label} is another image: its pixels are {off:.0f} of 255 away in the mean"
            require(off <= _FAR, problem, "segkit.data.resize.resize_image makes an image smaller")
            same = np.array_equal(thin, resize_mask(mask, size))
            hint = "segkit.data.resize.resize_mask takes the nearest pixels"
            require(same, f"{label} has another mask than what read() gives, at its nearest pixels", hint)


def reading_gives_the_same_every_time(subject: Subject) -> None:
    """Every run reads anew, in its own order, and scores of two runs are compared image by image."""
    hint = "make what is drawn a function of the sample alone, as np.random.default_rng([seed, index])"
    for case in one_of_each_task(subject):
        samples = case.samples()
        once, first = [], []
        for sample in samples:
            once.append(read(sample))
            first.append(_bytes(once[-1]))
        again = [_bytes(read(sample)) for sample in reversed(samples)][::-1]
        splits = subject.build(case.task, case.channels).splits()
        other = [_bytes(read(sample)) for sample in SourceCase(case.task, case.channels, splits).samples()]
        for index, sample in enumerate(samples):
            same = again[index] == first[index]
            require(same, f"{sample.name!r} reads as other pixels when it is read again", hint)
            same = other[index] == first[index]
            require(same, f"{sample.name!r} of a second source of the same options has other pixels", hint)
            same = _bytes(once[index]) == first[index]
            problem = f"the pixels of {sample.name!r} change when other samples are read"
            require(same, problem, "give a new array each time")


def reading_leaves_random_states_alone(subject: Subject) -> None:
    """The images would depend on what was drawn before, and the training on how many images were read."""
    hint = "draw from np.random.default_rng([seed, index]), made for the sample"
    for case in one_of_each_task(subject):
        for sample in case.samples():
            with global_seed(1) as drawn_from:
                first = _bytes(read(sample))
                drawn = drawn_from()
            others = []
            for _ in range(2):
                with global_seed(2):
                    others.append(_bytes(read(sample)))
            states = " and ".join(drawn)
            require(not drawn, f"reading {sample.name!r} changes the global random state of {states}", hint)
            repeats = others[0] == others[1]
            require(repeats, f"{sample.name!r} reads as other pixels when it is read again", hint)
            same = others[0] == first
            require(same, f"what {sample.name!r} reads as depends on a global random state", hint)


def samples_can_be_read_in_threads(subject: Subject) -> None:
    """All images are read before training starts, several at once."""
    hint = "open files and connections in read(), not before; share nothing that reading changes"
    for case in one_of_each_task(subject):
        samples = case.samples()
        alone = [_bytes(read(sample)) for sample in samples]
        # Filters of warnings are one state for all threads, so they are set once, around them.
        with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
            warnings.simplefilter("ignore")
            jobs = [pool.submit(sample.read) for sample in samples]
        for sample, job, expected in zip(samples, jobs, alone, strict=True):
            error = job.exception()
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            require(error is None, f"{sample.name!r} cannot be read in a thread: {reason}", hint)
            same = _bytes(job.result()) == expected
            require(same, f"{sample.name!r} reads as other pixels where several are read at once", hint)


def files_of_a_sample_exist(subject: Subject) -> None:
    """An error about an image names them."""
    for case in one_of_each_task(subject):
        for sample in case.samples():
            for file in sample.files:
                require(
                    isinstance(file, Path) and file.exists(),
                    f"{sample.name!r} names {file!r} among its files, which is no path of a file",
                    "the paths that read() opens, image first; none where pixels are made",
                )


def _bytes(pixels: tuple[Pixels, Pixels]) -> tuple[bytes, bytes]:
    image, mask = pixels
    return image.tobytes(), mask.tobytes()


def _names(splits: Mapping[str, Sequence[Sample]]) -> dict[str, list[str]]:
    return {split: [sample.name for sample in samples] for split, samples in splits.items()}


def _difference(first: Mapping[str, list[str]], second: Mapping[str, list[str]]) -> str:
    """Empty where there is none."""
    if first.keys() != second.keys():
        return f"the splits {', '.join(second)} after {', '.join(first)}"
    for split, names in first.items():
        if names != second[split]:
            same = sorted(names) == sorted(second[split])
            return f"the samples of {split} in another order" if same else f"other samples of {split}"
    return ""


CHECKS: tuple[Point, ...] = (
    it_fits_some_task,
    splits_are_called_train_val_or_test,
    names_are_unique_in_a_split,
    splits_are_the_same_every_time,
    images_are_uint8_with_the_channels_asked_for,
    masks_are_integers_of_the_size_of_their_image,
    masks_hold_values_of_the_task,
    reading_at_a_size_gives_what_reading_does,
    reading_gives_the_same_every_time,
    reading_leaves_random_states_alone,
    samples_can_be_read_in_threads,
    files_of_a_sample_exist,
)
