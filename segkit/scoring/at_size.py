"""A run's model scored as the run has scored it: at the recipe's size, its own batches, its own figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from segkit.evaluate import Scores, predict_logits
from segkit.palette import flat
from segkit.samples import predicted_masks

if TYPE_CHECKING:
    from segkit.contracts import Pixels
    from segkit.dataset import Progress
    from segkit.trained import Trained


@dataclass(frozen=True)
class AtSize:
    """A run's model, see `segkit.scoring.asked.Scored`."""

    trained: Trained

    def scores(self, progress: Progress) -> list[Scores]:
        """Those of the one member."""
        return [self.trained.scores(progress)]

    def seen(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        """An image with its masks."""
        assembly = self.trained.assembly
        prepared = assembly.splits[assembly.reported_on]
        image, task = prepared.images[index], assembly.task
        pixels = torch.from_numpy(image[None].copy()).permute(0, 3, 1, 2)  # B C H W
        (predicted,) = predicted_masks(predict_logits(assembly.model, pixels, self.trained.fabric), task)
        return image, flat(prepared.masks[index], task), flat(predicted, task)
