"""Construction of a recipe's model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from segkit.models.segmenter import Segmenter, make_head
from segkit.recipe.build import build

if TYPE_CHECKING:
    from segkit.models.dry_run import ModelSpec
    from segkit.recipe import Recipe


def build_model(recipe: Recipe, spec: ModelSpec, *, pretrained: bool = True) -> Segmenter:
    """The model with pretrained encoder weights; all other weights depend on the recipe's seed."""
    torch.manual_seed(recipe.seed)
    settings, data = recipe.model, recipe.data
    encoder = build(settings.encoder, data.in_channels, **({} if pretrained else {"weights": "none"}))
    normalize = data.normalize or encoder
    return Segmenter(
        encoder,
        build(settings.decoder, spec.pyramid),
        make_head(spec.channels, data.goal.channels),
        stages=spec.stage_indices,
        mean=normalize.mean,
        std=normalize.std,
        frozen=settings.encoder.frozen,
    )
