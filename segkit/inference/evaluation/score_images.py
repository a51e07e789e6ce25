"""Networks asked about images as `segkit predict` asks them, and scored for what they answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from segkit.core.errors import DataError, Problem
from segkit.data.decoding import raise_problems
from segkit.data.palette import flat
from segkit.data.preprocess import decode, layout_of
from segkit.inference.evaluation.logits import logits_of
from segkit.inference.postprocess import mask_of
from segkit.inference.tta import ensemble, resized
from segkit.inference.whole_image import bands_at, predict_small, sizes_of
from segkit.training.evaluate import Scores, scores_of
from segkit.utils.prefetch import prefetch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from torch import Tensor

    from segkit.core.types import Metric, Pixels, Progress, Sample
    from segkit.data.cache.pack_file import Layout
    from segkit.inference.image_source import Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions

_OF_NATIVE = 4  # images at once, as the masks of all of them are held at full size


class Scorer(Protocol):
    """A model, or several, with the images that they are scored on."""

    def scores(self, on_progress: Progress) -> list[Scores]:
        """Of all members together; of several, those of each after them."""
        ...

    def seen(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """One image (H, W, C) with its true and its predicted mask, (H, W), as they were scored."""
        ...


@dataclass(frozen=True)
class Look:
    """What is read of a sample.

    Args:
        at: its image at every size that a network asks for.
        truth: its mask, at the size that is scored.
    """

    at: Mapping[Size, Pixels]
    truth: Pixels


@dataclass(frozen=True)
class PredictorScorer:
    """One or several networks, whose mean is taken.

    Args:
        networks: of one task; unless `native`, of one size.
        samples: the images.
        metrics: by name.
        ways: how they are asked.
        native: score at each image's own size, not at the networks'.
        label: of the progress.
    """

    networks: Sequence[Network]
    samples: Sequence[Sample]
    metrics: Mapping[str, Metric]
    ways: PredictOptions
    native: bool
    label: str

    def scores(self, on_progress: Progress) -> list[Scores]:
        """See `Scorer`; images are read in threads while the networks work.

        Raises:
            DataError: with the files at fault in all of them.
        """
        members = 1 if len(self.networks) == 1 else 1 + len(self.networks)
        rows: list[dict[str, list[Tensor]]] = [{name: [] for name in self.metrics} for _ in range(members)]
        done = 0
        for batch in self._batches():
            for answers, look in zip(zip(*self._ask(batch), strict=True), batch, strict=True):
                for small, table in zip(answers, rows, strict=True):
                    self._score(small, look.truth, table)
                done += 1
                on_progress(self.label, done, len(self.samples))
        return [
            scores_of(self.metrics, {name: torch.cat(found) for name, found in table.items()})
            for table in rows
        ]

    def seen(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """See `Scorer`."""
        sample, task = self.samples[index], self.networks[0].facts.task
        look = self._look(sample)
        answer = self._ask([look])[0][0]
        pixels = sample.read()[0] if self.native else decode(sample, self._layout())[0]
        predicted = mask_of(self._at(answer, look.truth), task)
        return pixels, flat(look.truth, task), flat(predicted, task)

    def _batches(self) -> Iterator[list[Look]]:
        """What was read, some images at a time; where something cannot be, all that cannot is found first."""
        at_once = _OF_NATIVE if self.native else self.ways.at_once(self.networks[0].facts.size)
        problems: list[Problem] = []
        with warnings.catch_warnings():  # Pillow's, of oddities that harm nothing; one state for all threads
            warnings.simplefilter("ignore")
            looks = prefetch(self._look, self.samples, at_once)
            while batch := [*islice(looks, at_once)]:
                problems += (problem for _, seen in batch for problem in _problems(seen))
                if not problems:
                    yield [seen.result() for _, seen in batch]
        raise_problems(problems)

    def _look(self, sample: Sample) -> Look:
        own = self.networks[0].facts.size
        sizes = {size for network in self.networks for size in sizes_of(network, self.ways)}
        read = {
            size: decode(sample, self._layout(size)) for size in sizes | (set() if self.native else {own})
        }
        truth = _whole_mask(sample) if self.native else read[own][1]
        return Look({size: read[size][0] for size in sizes}, truth)

    def _layout(self, size: Size | None = None) -> Layout:
        facts = self.networks[0].facts
        return layout_of(size or facts.size, facts.task, facts.channels)

    def _ask(self, looks: Sequence[Look]) -> list[Probabilities]:
        """(B, K, h, w) of all networks together; of several, those of each after them."""
        alone = [
            predict_small([network], [look.at for look in looks], self.ways) for network in self.networks
        ]
        if len(alone) == 1:
            return alone
        size = self.networks[0].facts.size
        return [ensemble([np.stack([resized(one, size) for one in answer]) for answer in alone]), *alone]

    def _at(self, small: Probabilities, truth: Pixels) -> Probabilities:
        """(K, h, w) -> (K, H, W), at the size of the mask."""
        return np.concatenate([*bands_at(small, truth.shape[:2])], axis=1)

    def _score(self, small: Probabilities, truth: Pixels, table: dict[str, list[Tensor]]) -> None:
        task = self.networks[0].facts.task
        logits = logits_of(self._at(small, truth)[None], task)
        mask = np.moveaxis(truth, -1, 0) if task.kind == "multilabel" else truth
        target = torch.from_numpy(np.ascontiguousarray(mask)[None])
        for name, metric in self.metrics.items():
            table[name].append(metric.per_image(logits, target).double())


def _whole_mask(sample: Sample) -> Pixels:
    """A mask as it is in its file; that it has its image's size, `decode` has seen."""
    return sample.read()[1].astype(np.uint8, copy=False)


def _problems(seen: Future[Look]) -> Sequence[Problem]:
    """What was wrong with the files of a sample."""
    try:
        seen.result()
    except DataError as error:
        return error.problems
    return ()
