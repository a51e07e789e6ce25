"""Post-processing in a run: its choice on the validation images, and scores of the masks."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from segkit.core.class_scores import PixelCounts
from segkit.data.postprocess import scoring_factor
from segkit.experiments.choose_postprocess import PredictedImage, Trials
from segkit.training.distributed.sharding import gather_batches
from segkit.training.evaluate import scores_of
from segkit.training.evaluate_images import ImageScore
from segkit.training.probabilities import probabilities_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from segkit.core.types import Pixels, Progress
    from segkit.data.postprocess import MaskSteps
    from segkit.data.windows import Maps
    from segkit.experiments.assembly import Assembly
    from segkit.recipe.postprocess_record import PostprocessRecord
    from segkit.recipe.postprocess_settings import PostprocessSettings
    from segkit.training.evaluate import Scores

    Array = npt.NDArray[Any]


def choose_on_validation(assembly: Assembly, on_progress: Progress) -> PostprocessRecord | None:
    """Choose the post-processing of a model on its validation images; None unless the recipe asks for it."""
    if assembly.recipe.postprocess != "auto":
        return None
    trials, groups = Trials(assembly.recipe), assembly.groups.get("val", {})
    rows = trial_rows(assembly, "val", trials, on_progress)
    return trials.decide(rows, [groups.get(name) for name in assembly.splits["val"].names], "val")


def trial_rows(
    assembly: Assembly, split: str, trials: Trials, on_progress: Progress = lambda label, done, total: None
) -> list[list[Tensor]]:
    """Rows of each image of a split with every candidate, as `Trials.rows`, in the order of the images."""
    masks, rows = assembly.splits[split].masks, dict[int, list["Tensor"]]()

    def add(index: int, probabilities: Maps) -> None:
        rows[index] = trials.rows(PredictedImage(probabilities, masks[index]))

    assembly.scorer(split, on_progress, _WholeImages(assembly, split, add).add)(assembly.model)
    found = sorted(gather_batches([*rows.items()], assembly.fabric), key=itemgetter(0))
    return [each for _, each in found]


class MaskScorer:
    """Scores of post-processed masks, from the logits of a scorer of the assembly.

    Args:
        assembly: model and images.
        split: images that are scored.
        settings: post-processing.
    """

    def __init__(self, assembly: Assembly, split: str, settings: PostprocessSettings) -> None:
        self._assembly, self._masks = assembly, assembly.splits[split].masks
        self._steps = settings.steps(assembly.task)
        self._found: list[tuple[int, ImageScore]] = []
        self._images = _WholeImages(assembly, split, self._add, self._steps.decide)

    def add(self, image: int, rows: slice, logits: Tensor) -> None:
        """Add the logits (1, K, rows, W) of some rows of an image, from top to bottom."""
        self._images.add(image, rows, logits)

    def scores(self, loss: float) -> Scores:
        """Scores of all images, when their logits have been added.

        Args:
            loss: loss of the model, which masks have none of.
        """
        assembly = self._assembly
        own = [(index, score.rows(), score.pixels, score.confusion) for index, score in self._found]
        found = sorted(gather_batches(own, assembly.fabric), key=itemgetter(0))
        tables = {name: torch.cat([rows[name] for _, rows, _, _ in found]) for name in assembly.metrics}
        pixels = torch.cat([pixels for _, _, pixels, _ in found]).numpy()
        confusion = torch.stack([counts for *_, counts in found]).sum(0).numpy()
        return scores_of(assembly.metrics, tables, PixelCounts(assembly.task, pixels, confusion), loss)

    def _add(self, index: int, decided: Pixels) -> None:
        score = ImageScore(self._assembly.task, self._assembly.metrics)
        score.add_mask(_finish(self._steps, decided, self._assembly), self._masks[index])
        self._found.append((index, score))


def postprocessed_scores(assembly: Assembly, settings: PostprocessSettings, on_progress: Progress) -> Scores:
    """Scores of the post-processed masks of the test split."""
    split = assembly.test_split
    masks = MaskScorer(assembly, split, settings)
    raw = assembly.scorer(split, on_progress, masks.add)(assembly.model)
    return masks.scores(raw.loss)


def postprocessed_mask(assembly: Assembly, split: str, index: int, settings: PostprocessSettings) -> Pixels:
    """Post-processed mask of one image, at the size at which it is scored."""
    steps, found = settings.steps(assembly.task), list["Pixels"]()
    images = _WholeImages(assembly, split, lambda _, decided: found.append(decided), steps.decide)
    for rows, logits in assembly.predict(split, index):
        images.add(index, rows, logits)
    return _finish(steps, found[0], assembly)


class _WholeImages:
    """Calls `on_image` with what `of_rows` makes of the probabilities (K, rows, W) of each whole image."""

    def __init__(
        self,
        assembly: Assembly,
        split: str,
        on_image: Callable[[int, Array], None],
        of_rows: Callable[[Maps], Array] | None = None,
    ) -> None:
        self._task, self._masks = assembly.task, assembly.splits[split].masks
        self._on_image, self._of_rows = on_image, of_rows
        self._parts: list[Array] = []

    def add(self, image: int, rows: slice, logits: Tensor) -> None:
        maps = probabilities_of(logits, self._task).float().cpu().numpy()[0]
        self._parts.append(self._of_rows(maps) if self._of_rows else maps)
        if rows.stop == self._masks[image].shape[0]:
            self._on_image(image, np.concatenate(self._parts, axis=0 if self._of_rows else 1))
            self._parts = []


def _finish(steps: MaskSteps, decided: Pixels, assembly: Assembly) -> Pixels:
    height, width = decided.shape[:2]
    return steps.scaled(scoring_factor(assembly.recipe.data.geometry, (height, width))).finish(decided)
