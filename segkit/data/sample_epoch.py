"""Which images the samples of an epoch show, and which class each is sure to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

# First words of random states, so that no two uses share one.
ORDER, AUGMENTATION, FOREGROUND, OTHERS = range(4)
NO_TARGET = -1
Indices = npt.NDArray[np.int64]


class EpochSamples(NamedTuple):
    """Samples of an epoch, in order.

    Args:
        image: (N,), index of the image.
        target: (N,), class that the sample is sure to show, as in `ClassBlocks`, or `NO_TARGET`.
        repeat: (N,), how often the image was shown in this epoch before.
    """

    image: Indices
    target: Indices
    repeat: Indices

    def __len__(self) -> int:
        return len(self.image)


class SampleEpochs:
    """The samples of every epoch: a function of seed and epoch.

    Without strata, images come in shuffled passes over all of them, which go on from epoch to epoch: as many
    samples as images are one pass, and otherwise each image is shown as often as the others, or once more.
    With strata, these take turns, and images of each come in passes.

    Args:
        images: number of images.
        seed: random seed.
        samples: samples of an epoch; default: as many as images.
        strata: indices of the images of each stratum; an image may be in several. Default: one of all images.
        foreground: share of the samples that get a target.
        targets: targets that those samples take in turn, or one for each stratum if `by_stratum`.
        by_stratum: whether a sample's target is that of its stratum.
        shows: (targets, images), which images show which target; as in `ClassBlocks`.
        others_from: images of which one takes the place of an image that does not show the sample's target:
            those of its stratum; or those, and all if none of them shows it. Where there is none, the sample
            keeps its image, and has no target.
    """

    def __init__(
        self,
        images: int,
        seed: int,
        *,
        samples: int | None = None,
        strata: Sequence[Indices] = (),
        foreground: float = 0.0,
        targets: Sequence[int] = (),
        by_stratum: bool = False,
        shows: npt.NDArray[np.bool_] | None = None,
        others_from: Literal["none", "stratum", "all"] = "none",
    ) -> None:
        self.images = images
        self.seed = seed
        self.samples = samples or images
        self._strata = [*strata] or [np.arange(images)]
        self._foreground = foreground
        self._targets = np.array(targets, np.int64)
        self._by_stratum = by_stratum
        self._shows = shows
        self._others_from = others_from
        self._last: tuple[int, EpochSamples] | None = None

    def __len__(self) -> int:
        return self.samples

    def of(self, epoch: int) -> EpochSamples:
        """The samples of an epoch, counted from 1."""
        if self._last is None or self._last[0] != epoch:
            self._last = epoch, self._draw(epoch)
        return self._last[1]

    def _draw(self, epoch: int) -> EpochSamples:
        start = (epoch - 1) * self.samples
        stratum = np.arange(start, start + self.samples) % len(self._strata)
        image = np.empty(self.samples, np.int64)
        for number, members in enumerate(self._strata):
            places = np.flatnonzero(stratum == number)
            before = -(-(start - number) // len(self._strata))  # samples of the stratum in earlier epochs
            key = [number] if len(self._strata) > 1 else []
            image[places] = self._in_passes(members, before, len(places), key)
        target = np.full(self.samples, NO_TARGET)
        if self._foreground:
            self._set_targets(epoch, image, target, stratum)
        return EpochSamples(image, target, _repeats(image))

    def _in_passes(self, members: Indices, start: int, count: int, key: list[int]) -> Indices:
        """`count` members from position `start` of an endless row of shuffled passes."""
        first, last = start // len(members), (start + count - 1) // len(members)
        passes = [
            np.random.default_rng([ORDER, self.seed, number + 1, *key]).permutation(len(members))
            for number in range(first, last + 1)
        ]
        order: Indices = np.concatenate([np.empty(0, np.int64), *passes])[start - first * len(members) :]
        return members[order[:count]]

    def _set_targets(self, epoch: int, image: Indices, target: Indices, stratum: Indices) -> None:
        rng = np.random.default_rng([FOREGROUND, self.seed, epoch])
        before, until = (math.floor(self._foreground * self.samples * done) for done in (epoch - 1, epoch))
        places = rng.permutation(self.samples)[: until - before]
        turn = stratum[places] if self._by_stratum else np.arange(before, until) % len(self._targets)
        target[places] = self._targets[turn]
        shows: Any = self._shows
        lacking = places[~shows[target[places], image[places]]]
        pairs = np.stack([target[lacking], stratum[lacking]], axis=1)
        for wanted, number in np.unique(pairs, axis=0).tolist():
            same = lacking[(pairs == (wanted, number)).all(axis=1)]
            pool = self._with_target(wanted, number)
            if len(pool):
                image[same] = rng.choice(pool, len(same))
            else:
                target[same] = NO_TARGET

    def _with_target(self, target: int, stratum: int) -> Indices:
        """Images that may take the place of one that does not show the target."""
        if self._others_from == "none":
            return np.empty(0, np.int64)
        shows: Any = self._shows
        members = self._strata[stratum]
        inside: Indices = members[shows[target, members]]
        return inside if len(inside) or self._others_from == "stratum" else np.flatnonzero(shows[target])


def _repeats(image: Indices) -> Indices:
    order = np.argsort(image, kind="stable")
    _, first, count = np.unique(image[order], return_index=True, return_counts=True)
    repeat = np.empty_like(image)
    repeat[order] = np.arange(len(image)) - np.repeat(first, count)
    return repeat
