"""A run's model scored as the run has scored it: at the recipe's size, its own batches, its own figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from segkit.data.palette import flat
from segkit.experiments.samples import predicted_masks
from segkit.training.evaluate import Scores, predict_logits

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Progress
    from segkit.experiments.finished_run import FinishedRun


@dataclass(frozen=True)
class ResizedScorer:
    """A run's model, see `segkit.inference.evaluation.score_images.Scorer`."""

    trained: FinishedRun

    def scores(self, on_progress: Progress) -> list[Scores]:
        """Those of the one member."""
        return [self.trained.scores(on_progress)]

    def seen(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """An image with its masks."""
        assembly = self.trained.assembly
        prepared = assembly.splits[assembly.test_split]
        image, task = prepared.images[index], assembly.task
        pixels = torch.from_numpy(image[None].copy()).permute(0, 3, 1, 2)  # B C H W
        (predicted,) = predicted_masks(predict_logits(assembly.model, pixels, assembly.fabric), task)
        return image, flat(prepared.masks[index], task), flat(predicted, task)
