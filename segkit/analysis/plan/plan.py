"""A plan: the lines of a recipe that suit some images, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segkit.analysis.plan.fit_rules import choose_fit
from segkit.analysis.plan.measure import Measurements
from segkit.analysis.plan.training_rules import (
    TRAINING_SHARE,
    choose_augment,
    choose_batch_size,
    choose_epochs,
    choose_loss,
    choose_windows,
    fewer_windows,
    pixels_of_images,
)
from segkit.data.fit import Fit


@dataclass(frozen=True)
class Plan:
    """Values of a recipe.

    Args:
        data: size, fit, scale, crop, validate_windows, sample and batch_size, as far as they are used.
        augment: transforms, for recipes that have none.
        loss: losses, by name or with options.
        epochs: epochs of training.
        reasons: why, by key of `data`; and of "augment", "loss" and "training".
    """

    data: Mapping[str, Any]
    augment: Sequence[Any]
    loss: Sequence[Any]
    epochs: int
    reasons: Mapping[str, str]


def make_plan(
    found: Measurements, ceilings: Mapping[Fit, float], memory: int, pixels: float = math.inf
) -> Plan:
    """Choose the lines of a recipe.

    Args:
        found: what was measured.
        ceilings: best possible Dice by fit, of `candidates`, in their order.
        memory: bytes of the GPU, or of the machine without one.
        pixels: that the time for training and scoring is enough for.
    """
    shares, images = found.foreground, found.images["train"]
    image_pixels = pixels_of_images(pixels, images)
    fit, reasons = choose_fit(ceilings, found.extents, found.structure_width, image_pixels)
    is_crop = fit.kind == "crop"
    data: dict[str, Any] = {"fit": fit.kind, **({"scale": fit.scale} if is_crop else {}), "size": [*fit.size]}
    if is_crop:
        data["crop"], reasons["crop"] = choose_windows(shares)
    different = math.inf if is_crop else images
    batch, reasons["batch_size"] = choose_batch_size(fit.size, different, memory, pixels)
    steps = TRAINING_SHARE * pixels / (batch * math.prod(fit.size))
    epochs, drawn, reasons["training"] = choose_epochs(images, batch, steps)
    if drawn:
        things = "windows" if is_crop else "images"
        data["sample"] = {"epoch": drawn}
        compared = "more" if drawn > images else "fewer"
        reasons["sample"] = f"{things} of an epoch: {compared} than the {images:,} training images"
    scored = found.images.get("val", found.images.get("test", 0))
    if is_crop and (why := fewer_windows(fit, found.extents, scored, drawn or images)):
        data["validate_windows"], reasons["validate_windows"] = drawn or images, why
    data["batch_size"] = batch
    is_rgb = found.types == {"uint8"} and found.channels == 3
    augment, reasons["augment"] = choose_augment(shares, found.left, found.upper, is_rgb=is_rgb)
    loss, reasons["loss"] = choose_loss(found.task.kind, shares, fit)
    return Plan(data, augment, loss, epochs, reasons)
