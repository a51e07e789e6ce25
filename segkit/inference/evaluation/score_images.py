"""Score models with the prediction pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from segkit.core.class_scores import PixelCounts
from segkit.core.errors import DataError, Problem
from segkit.data.decoding import raise_problems, run_in_threads
from segkit.data.fit import Fit
from segkit.data.palette import flat
from segkit.data.postprocess import area_factor
from segkit.experiments.postprocess import postprocessed_scores
from segkit.experiments.samples import predict_shown
from segkit.inference.evaluation.sample_image import SampleImage
from segkit.inference.postprocess import mask_of
from segkit.inference.predict_images import Chunks, Member, aligned, predict_images
from segkit.inference.tta import ensemble
from segkit.training.count_pixels import confusion_shape
from segkit.training.evaluate import Scores, scores_of
from segkit.training.evaluate_images import ImageScore
from segkit.training.probabilities import probabilities_to_logits

if TYPE_CHECKING:
    from torch import Tensor

    from segkit.core.types import Metric, Pixels, Progress, Sample, Task
    from segkit.data.postprocess import MaskSteps
    from segkit.experiments.restore_run import FinishedRun
    from segkit.inference.network import Network, Probabilities
    from segkit.inference.options import PredictOptions
    from segkit.recipe.postprocess_settings import PostprocessSettings

_MAX_PART = 2**21  # probabilities whose logits are held at once: 16 MiB
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
class ResizedScorer:
    """Scorer of a single run at the recipe's size, exactly as in its final evaluation; see `Scorer`.

    Args:
        run: the run.
        postprocess: post-processing of its masks, if there is any.
    """

    run: FinishedRun
    postprocess: PostprocessSettings | None = None

    @property
    def as_reported(self) -> bool:
        """See `Scorer`."""
        directory, assembly = self.run.run, self.run.assembly
        digest = assembly.splits[assembly.test_split].digest()
        recorded = directory.read_environment().data_digests
        return digest == recorded.get(directory.read_summary().reported_on)

    def scores(self, on_progress: Progress) -> list[Scores]:
        """See `Scorer`."""
        if self.postprocess:
            return [postprocessed_scores(self.run.assembly, self.postprocess, on_progress)]
        return [self.run.scores(on_progress)]

    def image_and_masks(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """See `Scorer`."""
        assembly = self.run.assembly
        return predict_shown(assembly, assembly.test_split, index, self.postprocess)


@dataclass(frozen=True)
class PredictorScorer:
    """Scorer of a network or an ensemble; see `Scorer`.

    Args:
        networks: networks of the same task; unless `native`, all with the same fit, or with fit crop.
        samples: samples to score.
        metrics: metrics by name.
        options: prediction options.
        native: whether to score at each image's own size, as models with fit crop always are.
        label: label of the progress.
        postprocess: post-processing of the masks of the model or ensemble, followed, for an ensemble, by that
            of each member; empty without any.
    """

    networks: Sequence[Network]
    samples: Sequence[Sample]
    metrics: Mapping[str, Metric]
    options: PredictOptions
    native: bool
    label: str
    postprocess: Sequence[PostprocessSettings | None] = ()
    as_reported = False

    def scores(self, on_progress: Progress) -> list[Scores]:
        """See `Scorer`.

        Raises:
            DataError: listing all damaged files.
        """
        models = 1 if len(self.networks) == 1 else 1 + len(self.networks)
        task = self.networks[0].info.task
        tables = [_Table(self.metrics, task) for _ in range(models)]
        with warnings.catch_warnings():  # Pillow's; set here once, as the state is shared by all threads
            warnings.simplefilter("ignore")
            for index, (image, chunks) in enumerate(self._predicted(self.samples)):
                try:
                    mask, scores = image.mask(self._fit), [ImageScore(task, self.metrics) for _ in tables]
                    cleaned = [_Cleaned(steps) if steps else None for steps in self._steps(image)]
                    for parts, target in scored_parts(_with_mean(chunks), mask, task, self.metrics):
                        for score, steps, probabilities in zip(scores, cleaned, parts, strict=True):
                            if steps:
                                steps.add(probabilities)
                            else:
                                score.add(probabilities_to_logits(probabilities[None], task), target)
                    for score, steps in zip(scores, cleaned, strict=True):
                        if steps:
                            score.add_mask(steps.mask(), mask)
                    for table, score in zip(tables, scores, strict=True):
                        table.add(score)
                except DataError:
                    raise_problems(self._problems(index))
                    raise
                on_progress(self.label, index + 1, len(self.samples))
        return [table.scores() for table in tables]

    def image_and_masks(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """See `Scorer`."""
        ((image, chunks),) = self._predicted(self.samples[index : index + 1])
        task, info = self.networks[0].info.task, self.networks[0].info
        probabilities = np.concatenate([parts[0] for parts in _with_mean(chunks)], axis=1)
        pixels = image.resized(self._fit or Fit("crop", info.size))
        predicted = mask_of(probabilities, task, self._steps(image)[0])
        return info.display(pixels), flat(image.mask(self._fit), task), flat(predicted, task)

    @property
    def _fit(self) -> Fit | None:
        """At whose size images are scored; None is their own."""
        fit = self.options.fit(self.networks[0].info)
        return None if self.native or fit.is_native else fit

    def _steps(self, image: SampleImage) -> list[MaskSteps | None]:
        """Post-processing of each model, for masks of the scored size."""
        networks = [self.networks[0], *(self.networks if len(self.networks) > 1 else ())]
        postprocess = self.postprocess or [None] * len(networks)
        return [
            self._scaled(settings.steps(network.info.task), network, image) if settings else None
            for settings, network in zip(postprocess, networks, strict=True)
        ]

    def _scaled(self, steps: MaskSteps, network: Network, image: SampleImage) -> MaskSteps:
        if self._fit:  # at the size at which the model sees it
            return steps
        return steps.scaled(area_factor(self.options.fit(network.info), image.size))

    def _predicted(self, samples: Sequence[Sample]) -> Iterator[tuple[SampleImage, list[Chunks]]]:
        """Each sample with the chunks of each network, at the scored size."""
        members = [Member(self.options.fit(network.info), [network]) for network in self.networks]
        options = self.options
        if self.native:  # masks are held at full size
            options = replace(options, batch_size=_NATIVE_BATCH)
        keeps = any(member.fit.is_native for member in members)
        images = (SampleImage(sample, self.networks[0].info, keeps_pixels=keeps) for sample in samples)
        return predict_images(members, images, options, native=self._fit is None)

    def _problems(self, first: int) -> list[Problem]:
        """Problems of all damaged files from the first on."""

        def read(index: int) -> None:
            SampleImage(self.samples[index], self.networks[0].info).mask(self._fit)

        count = len(self.samples)
        found = run_in_threads(read, range(first, count), count, lambda done, total: None)
        return [problem for index in sorted(found) for problem in found[index]]


def scored_parts(
    parts: Iterable[Sequence[Probabilities]], mask: Pixels, task: Task, metrics: Mapping[str, Metric]
) -> Iterator[tuple[Sequence[Probabilities], Tensor]]:
    """Probabilities of several models for parts of an image, each with its target.

    Args:
        parts: probabilities (K, rows, W) of each model, for the same rows, from top to bottom.
        mask: mask of the image, (H, W), or (H, W, K) for multilabel.
        task: what is predicted.
        metrics: metrics by name. If one of them is no sum over pixels, the image is a single part.

    Yields:
        Probabilities of each model for few rows, and their target (1, rows, W), or (1, K, rows, W).
    """
    whole = not all(metric.sums for metric in metrics.values())
    top = 0
    for part in [[np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]] if whole else parts:
        classes, height, width = part[0].shape
        step = height if whole else max(1, _MAX_PART // (classes * width))
        for first in range(0, height, step):
            rows = [probabilities[:, first : first + step] for probabilities in part]
            target = mask[top : (top := top + rows[0].shape[1])]
            target = np.moveaxis(target, -1, 0) if task.kind == "multilabel" else target
            yield rows, torch.from_numpy(target[None].copy())


class _Cleaned:
    """Mask of one image, of which probabilities come in parts."""

    def __init__(self, steps: MaskSteps) -> None:
        self._steps, self._parts = steps, list["Pixels"]()

    def add(self, probabilities: Probabilities) -> None:
        self._parts.append(self._steps.decide(probabilities))

    def mask(self) -> Pixels:
        return self._steps.finish(np.concatenate(self._parts))


class _Table:
    """Scores of one model, image by image."""

    def __init__(self, metrics: Mapping[str, Metric], task: Task) -> None:
        self._metrics, self._task = metrics, task
        self._rows: dict[str, list[Tensor]] = {name: [] for name in metrics}
        self._pixels: list[Tensor] = []
        self._confusion = torch.zeros(confusion_shape(task), dtype=torch.long)

    def add(self, image: ImageScore) -> None:
        for name, rows in image.rows().items():
            self._rows[name].append(rows)
        self._pixels.append(image.pixels)
        self._confusion += image.confusion

    def scores(self) -> Scores:
        classes = PixelCounts(self._task, torch.cat(self._pixels).numpy(), self._confusion.numpy())
        tables = {name: torch.cat(rows) for name, rows in self._rows.items()}
        return scores_of(self._metrics, tables, classes)


def _with_mean(chunks: Sequence[Chunks]) -> Iterator[list[Probabilities]]:
    """Parts of the same rows: of the model or ensemble; for an ensemble, followed by those of each member."""
    for parts in aligned(chunks):
        yield parts if len(parts) == 1 else [ensemble(parts), *parts]
