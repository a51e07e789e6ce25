"""The rules on numbers alone; docs/plan.md has the same numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from segkit.analysis.plan.fit_rules import candidates, choose_fit
from segkit.analysis.plan.measure import Measurements
from segkit.analysis.plan.plan import make_plan
from segkit.analysis.plan.training_rules import (
    choose_augment,
    choose_batch_size,
    choose_epochs,
    choose_loss,
    choose_windows,
    fewer_windows,
)
from segkit.core.types import Task
from segkit.data.class_counts import ClassCounts
from segkit.data.fit import Fit

GB = 10**9
PHOTOGRAPHS = [(3000, 4000)]


def chosen(scores: list[float], objects: list[int], extents: Any = PHOTOGRAPHS) -> tuple[Fit, dict[str, str]]:
    return choose_fit(dict(zip(candidates(extents), scores, strict=True)), extents, objects)


def test_the_first_fit_that_loses_no_more_than_a_hundredth_is_chosen() -> None:
    fit, why = chosen([0.9, 0.98, 0.991, 0.995, 0.999, 0.999, 1, 1], [100])
    assert (fit.kind, fit.size) == ("stretch", (288, 384))
    assert why == {
        "fit": "nine tenths of the images, or all, have one aspect ratio",
        "size": "height, width; a perfect model would reach Dice 0.991, at 320x256 0.980",
    }


def test_windows_are_chosen_where_whole_images_lose_too_much() -> None:
    fit, why = chosen([0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 0.992, 1], [10] * 8 + [700] * 2)
    assert (fit.kind, fit.size, fit.scale) == ("crop", (352, 352), 0.5)
    assert why == {
        "fit": "windows: through whole images of 512x384 pixels a perfect model would reach Dice 0.900, "
        "less than 0.99",
        "scale": "a perfect model would reach Dice 0.992; at 0.25 a perfect model would reach Dice 0.980",
        "size": "height, width of windows: 90% of the objects are at most 350 pixels long at scale 0.5; "
        "windows are 256 to 512 pixels, or as the images",
    }
    assert chosen([0.1] * 7 + [1], [10])[0].size == (256, 256)
    fit, why = chosen([0.1] * 7 + [1], [2000])
    assert fit.size == (512, 512)
    assert "at most 2000 pixels long; windows are at most 512 pixels, or as the images" in why["size"]
    fit, why = chosen([0.1] * 5 + [1], [10], [(200, 600)])
    assert (fit.size, fit.scale, why["scale"]) == ((192, 256), 1, "the images' own resolution")


@pytest.mark.parametrize(
    ("size", "images", "memory", "batch"),
    [
        ((256, 256), 900, 24 * GB, 16),
        ((352, 480), 900, 24 * GB, 8),
        ((512, 512), math.inf, 24 * GB, 4),
        ((512, 512), math.inf, 4 * GB, 2),  # of which half is used
        ((512, 512), math.inf, GB // 4, 1),
        ((64, 64), 11, 24 * GB, 8),
        ((64, 64), 1, 24 * GB, 1),
    ],
)
def test_batches_have_about_a_million_pixels_and_fit_into_half_of_the_memory(
    size: tuple[int, int], images: float, memory: int, batch: int
) -> None:
    assert choose_batch_size(size, images, memory)[0] == batch
    assert choose_batch_size((512, 512), 99, 24 * GB)[1] == "about 3.1 of 24 GB of memory in training"


@pytest.mark.parametrize(
    ("images", "batch", "expected"),
    [
        (1000, 16, (32, None, "2,016 steps, 63 in each epoch")),
        (20, 4, (50, 160, "2,000 steps, 40 in each epoch")),
        (100_000, 16, (10, None, "62,500 steps, 6,250 in each epoch")),
    ],
)
def test_training_has_about_two_thousand_steps(images: int, batch: int, expected: object) -> None:
    assert choose_epochs(images, batch) == expected


def test_rare_classes_get_windows_or_weights() -> None:
    rare, usual = {"ground": 0.996, "spot": 0.004}, {"ground": 0.5, "spot": 0.5}
    why = "the rarest class, spot, has 0.4% of the pixels"
    whole, crop = Fit("stretch", (64, 64)), Fit("crop", (64, 64))
    assert choose_windows(rare) == (
        {"foreground": 0.5, "classes": "balanced"},
        f"{why}; 50% of the windows are sure to hold foreground, its classes in turn",
    )
    assert choose_windows({"spot": 0.004})[0] == {"foreground": 0.5}
    assert choose_windows(usual)[0] == {"foreground": 0.33}
    balanced = {"name": "cross_entropy", "class_weights": "balanced"}
    assert choose_loss("multiclass", rare, whole) == (
        ["dice", balanced],
        f"{why}: rare classes get larger weights",
    )
    assert choose_loss("multiclass", rare, crop) == (
        ["dice", "cross_entropy"], f"{why}; windows with foreground make it more frequent",
    )  # fmt: skip
    assert choose_loss("multiclass", usual | {"absent": 0.0}, whole)[0] == ["dice", "cross_entropy"]
    assert choose_loss("binary", {"spot": 0.004}, whole)[0][1] == {"name": "bce", "pos_weight": "balanced"}
    assert choose_loss("binary", {"spot": 0.1}, whole)[0] == ["dice", "bce"]


def test_images_are_flipped_unless_a_class_is_on_one_side() -> None:
    shares = {"sky": 0.3, "car": 0.3, "sun": 0.0001}
    augment, why = choose_augment(shares, [0.5, 0.6, 1.0], [1.0, 0.3, 1.0], is_rgb=True)
    assert [transform["name"] for transform in augment] == ["HorizontalFlip", "RandomBrightnessContrast"]
    assert why == (
        "HorizontalFlip: 60% of car is in the left half; no VerticalFlip: 100% of sky is in the upper half"
    )
    augment, _ = choose_augment(shares, [0.05, 0.6, 0.5], [0.6, 0.3, 0.5], is_rgb=False)
    assert [transform["name"] for transform in augment] == ["VerticalFlip"]


def test_a_part_of_the_windows_is_scored_where_all_take_longer_than_training() -> None:
    fit = Fit("crop", (256, 256), 1.0, 0.25)
    assert fewer_windows(fit, [(256, 256)], 300, 100) == ""
    assert fewer_windows(fit, [(1024, 1024)], 30, 100) == (
        "the images to score have about 750 windows, and an epoch trains on 100"
    )


def test_a_plan_has_the_lines_of_its_fit() -> None:
    found = Measurements(
        images={"train": 9, "val": 200},
        extents=[(600, 700)] * 9,
        types=frozenset(["uint8"]),
        channels=3,
        task=Task("binary", ("spot",)),
        classes=ClassCounts(("background", "spot"), (90, 10), (9, 9), (100, 100), 0),
        objects=[30],
        upper=[0.5],
        left=[0.5],
    )
    fits = candidates(found.extents)
    plan = make_plan(found, dict.fromkeys(fits, 0.5), 24 * GB)
    assert plan.data == {
        "fit": "crop",
        "scale": 1.0,
        "size": [256, 256],
        "crop": {"foreground": 0.33},
        "sample": {"epoch": 640},
        "validate_windows": 640,
        "batch_size": 16,
    }
    assert {*plan.reasons} == {*plan.data, "augment", "loss", "training"}
    plan = make_plan(replace(found, images={"train": 900}), dict.fromkeys(fits, 1.0), 24 * GB)
    assert plan.data == {"fit": "stretch", "size": [224, 256], "batch_size": 16}
