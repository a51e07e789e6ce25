"""Score models with the prediction pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from segkit.core.class_scores import PixelCounts
from segkit.core.errors import DataError, Problem
from segkit.data.batches import EvalBatches
from segkit.data.decoding import raise_problems
from segkit.data.palette import flat
from segkit.data.preprocess import decode, layout_of, select_bands
from segkit.data.resize import resize_probabilities, row_chunks
from segkit.experiments.samples import display_of, predicted_masks
from segkit.inference.postprocess import mask_of
from segkit.inference.tta import ensemble
from segkit.inference.whole_image import input_sizes, predict_resized
from segkit.training.count_pixels import confusion_shape, count_pixels
from segkit.training.evaluate import Scores, predict_logits, scores_of
from segkit.training.probabilities import probabilities_to_logits
from segkit.utils.prefetch import prefetch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from torch import Tensor

    from segkit.core.types import Metric, Pixels, Progress, Sample, Task
    from segkit.experiments.restore_run import FinishedRun
    from segkit.inference.image_source import Size
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions

_NATIVE_BATCH = 4  # images: their masks are held at full size


class Scorer(Protocol):
    """A model or ensemble, with the images that it is scored on."""

    @property
    def as_reported(self) -> bool:
        """Whether images, size and way of prediction are those of the scores that the run reports."""
        ...

    def scores(self, on_progress: Progress) -> list[Scores]:
        """Scores of the model or ensemble; for an ensemble, followed by those of each member."""
        ...

    def image_and_masks(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """8-bit picture, ground truth (H, W) and predicted mask (H, W), at the scored size."""
        ...


@dataclass(frozen=True)
class LoadedSample:
    """A decoded sample: its image at every input size of the networks, its mask at the scored size."""

    images: Mapping[Size, Pixels]
    mask: Pixels


@dataclass(frozen=True)
class ResizedScorer:
    """Scorer of a single run at the recipe's size, exactly as in its final evaluation; see `Scorer`."""

    run: FinishedRun

    @property
    def as_reported(self) -> bool:
        """See `Scorer`."""
        directory, assembly = self.run.run, self.run.assembly
        digest = assembly.splits[assembly.test_split].digest()
        recorded = directory.read_environment().data_digests
        return digest == recorded.get(directory.read_summary().reported_on)

    def scores(self, on_progress: Progress) -> list[Scores]:
        """See `Scorer`."""
        return [self.run.scores(on_progress)]

    def image_and_masks(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """See `Scorer`."""
        assembly = self.run.assembly
        prepared = assembly.splits[assembly.test_split]
        rows, task = slice(index, index + 1), assembly.task
        pixel_range = assembly.recipe.data.pixel_range
        (batch,) = EvalBatches(prepared.images[rows], prepared.masks[rows], 1, pixel_range=pixel_range)
        (predicted,) = predicted_masks(predict_logits(assembly.model, batch.image, assembly.fabric), task)
        image = display_of(assembly.recipe)(prepared.images[index])
        return image, flat(prepared.masks[index], task), flat(predicted, task)


@dataclass(frozen=True)
class PredictorScorer:
    """Scorer of a network or an ensemble; see `Scorer`.

    Args:
        networks: networks of the same task; unless `native`, of the same size.
        samples: samples to score.
        metrics: metrics by name.
        options: prediction options.
        native: whether to score at each image's own size instead of the networks'.
        label: label of the progress.
    """

    networks: Sequence[Network]
    samples: Sequence[Sample]
    metrics: Mapping[str, Metric]
    options: PredictOptions
    native: bool
    label: str
    as_reported = False

    def scores(self, on_progress: Progress) -> list[Scores]:
        """See `Scorer`.

        Raises:
            DataError: listing all damaged files.
        """
        models = 1 if len(self.networks) == 1 else 1 + len(self.networks)
        tables = [_Table(self.metrics, self.networks[0].info.task) for _ in range(models)]
        done = 0
        for batch in self._batches():
            for predictions, sample in zip(zip(*self._predict(batch), strict=True), batch, strict=True):
                for probabilities, table in zip(predictions, tables, strict=True):
                    table.add(_upsample(probabilities, sample.mask), sample.mask)
                done += 1
                on_progress(self.label, done, len(self.samples))
        return [table.scores() for table in tables]

    def image_and_masks(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """See `Scorer`."""
        sample, task = self.samples[index], self.networks[0].info.task
        loaded = self._load(sample)
        probabilities = self._predict([loaded])[0][0]
        info = self.networks[0].info
        pixels = (
            select_bands(sample.read()[0], info.bands) if self.native else self._decode(sample, info.size)[0]
        )
        predicted = mask_of(_upsample(probabilities, loaded.mask), task)
        return info.display(pixels), flat(loaded.mask, task), flat(predicted, task)

    def _batches(self) -> Iterator[list[LoadedSample]]:
        # After the first damaged file the rest is only read, to report all damaged files at once.
        size = _NATIVE_BATCH if self.native else self.options.images_per_batch(self.networks[0].info.size)
        problems: list[Problem] = []
        with warnings.catch_warnings():  # Pillow's; set here once, as the state is shared by all threads
            warnings.simplefilter("ignore")
            loaded = prefetch(self._load, self.samples, size)
            while batch := [future for _, future in islice(loaded, size)]:
                problems += (problem for future in batch for problem in _problems(future))
                if not problems:
                    yield [future.result() for future in batch]
        raise_problems(problems)

    def _load(self, sample: Sample) -> LoadedSample:
        scored_size = self.networks[0].info.size
        sizes = {size for network in self.networks for size in input_sizes(network, self.options)}
        decoded_sizes = sizes if self.native else {*sizes, scored_size}
        decoded = {size: self._decode(sample, size) for size in decoded_sizes}
        # `decode` has checked that the mask has the size of its image.
        mask = sample.read()[1].astype(np.uint8, copy=False) if self.native else decoded[scored_size][1]
        return LoadedSample({size: decoded[size][0] for size in sizes}, mask)

    def _decode(self, sample: Sample, size: Size) -> tuple[Pixels, Pixels]:
        info = self.networks[0].info
        layout = layout_of(size, info.task, info.in_channels)
        return decode(sample, layout, info.bands, task=info.task)

    def _predict(self, batch: Sequence[LoadedSample]) -> list[Probabilities]:
        """(B, K, h, w) of the network or ensemble; for an ensemble, followed by those of each member."""
        images = [sample.images for sample in batch]
        members = [predict_resized([network], images, self.options) for network in self.networks]
        if len(members) == 1:
            return members
        size = self.networks[0].info.size
        resized = [np.stack([resize_probabilities(image, size) for image in maps]) for maps in members]
        return [ensemble(resized), *members]


class _Table:
    """Scores of one model, image by image."""

    def __init__(self, metrics: Mapping[str, Metric], task: Task) -> None:
        self._metrics, self._task = metrics, task
        self._rows: dict[str, list[Tensor]] = {name: [] for name in metrics}
        self._pixels: list[Tensor] = []
        self._confusion = torch.zeros(confusion_shape(task), dtype=torch.long)

    def add(self, probabilities: Probabilities, mask: Pixels) -> None:
        logits = probabilities_to_logits(probabilities[None], self._task)
        target = np.moveaxis(mask, -1, 0) if self._task.kind == "multilabel" else mask
        targets = torch.from_numpy(np.ascontiguousarray(target)[None])
        for name, metric in self._metrics.items():
            self._rows[name].append(metric.per_image(logits, targets).double())
        pixels, confusion = count_pixels(logits, targets, self._task)
        self._pixels.append(pixels)
        self._confusion += confusion

    def scores(self) -> Scores:
        classes = PixelCounts(self._task, torch.cat(self._pixels).numpy(), self._confusion.numpy())
        tables = {name: torch.cat(rows) for name, rows in self._rows.items()}
        return scores_of(self._metrics, tables, classes)


def _upsample(probabilities: Probabilities, mask: Pixels) -> Probabilities:
    """(K, h, w) -> (K, H, W), the size of the mask."""
    return np.concatenate([*row_chunks(probabilities, mask.shape[:2])], axis=1)


def _problems(loaded: Future[LoadedSample]) -> Sequence[Problem]:
    try:
        loaded.result()
    except DataError as error:
        return error.problems
    return ()
