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
    pixels_of_images,
)
from segkit.core.types import Task
from segkit.data.class_counts import ClassCounts
from segkit.data.fit import Fit

GB = 10**9
PHOTOGRAPHS = [(3000, 4000)]


def chosen(
    scores: list[float], structure_width: float, extents: Any = PHOTOGRAPHS
) -> tuple[Fit, dict[str, str]]:
    return choose_fit(dict(zip(candidates(extents), scores, strict=True)), extents, structure_width)


def test_wide_structures_are_seen_in_whole_images_of_the_first_sufficient_size() -> None:
    fit, why = chosen([0.999, 0.9, 0.9, 0.98, 0.991, 0.995, 0.999, 0.999, 1, 1], 300)
    assert (fit.kind, fit.size) == ("stretch", (288, 384))
    assert why == {
        "fit": "nine tenths of the images, or all, have one aspect ratio",
        "size": "height, width; a perfect model would reach Dice 0.991, at 320x256 0.980",
    }


def test_large_images_of_wide_structures_are_seen_in_windows_if_whole_images_lose_too_much() -> None:
    scores = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 0.992, 1]
    fit, why = chosen(scores, 80)
    assert (fit.kind, fit.size, fit.scale) == ("crop", (320, 320), 0.5)
    assert why == {
        "fit": "windows: through whole images of 512x384 pixels a perfect model would reach Dice 0.900, "
        "less than 0.99",
        "scale": "a perfect model would reach Dice 0.992; at 0.25 a perfect model would reach Dice 0.980",
        "size": "height, width of windows: 8 times the width of structures, 40 pixels, is 320; "
        "windows are 256 to 512 pixels, or as the images",
    }
    fit, why = chosen(scores, 300)
    assert (fit.kind, fit.size) == ("stretch", (384, 512))
    assert why["size"] == (
        "height, width; a perfect model would reach Dice 0.900, at 448x320 0.800; the largest: "
        "structures are about 300 pixels wide, too wide for windows"
    )


def test_where_time_is_short_whole_images_are_smaller() -> None:
    assert pixels_of_images(4e8, 1000) == (6_000, 30_000)  # beside a quarter for scoring
    fits = candidates(PHOTOGRAPHS)

    def in_time(for_enough: float) -> tuple[Fit, dict[str, str]]:
        return choose_fit(dict.fromkeys(fits, 0.995), PHOTOGRAPHS, 300, (for_enough / 5, for_enough))

    assert in_time(192 * 256)[0].size == (192, 256)
    fit, why = in_time(192 * 256 - 1)
    assert fit.size == (128, 192)
    assert why["size"].endswith("at 128x96 0.995; at 256x192 the time would be too short")
    assert in_time(1)[0].size == (96, 128)


def test_few_images_are_larger_than_they_have_to_be() -> None:
    assert pixels_of_images(math.inf, 1000) == (2000 * 2**20 / 50_000, math.inf)
    fits = candidates(PHOTOGRAPHS)
    fit, why = choose_fit(dict.fromkeys(fits, 0.995), PHOTOGRAPHS, 300, (320 * 448, math.inf))
    assert fit.size == (320, 448)
    assert why["size"].endswith("; of so few images larger ones take no more time")
    fit, why = choose_fit(dict.fromkeys(fits, 0.999), PHOTOGRAPHS, 300, (192 * 256, math.inf))
    assert fit.size == (192, 256)
    assert "few images" not in why["size"]


def test_narrow_structures_are_not_made_smaller() -> None:
    fit, why = chosen([1] * 10, 20)
    assert (fit.kind, fit.size, fit.scale) == ("crop", (256, 256), 1)
    assert why["fit"] == "windows: structures are about 20 pixels wide; whole images would be made smaller"
    assert why["scale"] == "the images' own resolution; at 0.5 a perfect model would reach Dice 1.000"
    assert chosen([1] * 10, 64)[0].size == (512, 512)
    assert chosen([1] * 8, 20, [(200, 600)])[0].size == (192, 256)
    fit, _ = chosen([1] * 8, 20, [(360, 480)] * 9 + [(720, 960)])
    assert (fit.kind, fit.size) == ("stretch", (352, 480))
    assert chosen([1] * 8, 20, [(360, 480)] * 8 + [(720, 960)] * 2)[0].kind == "crop"


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
    assert choose_batch_size((256, 256), 99, 24 * GB, pixels=400 * 2**18 / 0.75) == (
        4, "small, as time is short; about 0.8 of 24 GB of memory in training",
    )  # fmt: skip
    assert choose_batch_size((512, 512), 99, 24 * GB)[1] == "about 3.1 of 24 GB of memory in training"


@pytest.mark.parametrize(
    ("images", "batch", "steps", "expected"),
    [
        (1000, 16, math.inf, (32, None, "2,016 steps, 63 in each epoch")),
        (20, 4, math.inf, (50, 160, "2,000 steps, 40 in each epoch")),
        (100_000, 16, math.inf, (10, None, "62,500 steps, 6,250 in each epoch")),
        (1000, 16, 1000.0, (16, None, "1,008 steps, 63 in each epoch")),
        (1000, 16, 100.0, (10, 160, "100 steps, 10 in each epoch")),
        (1000, 16, 3.0, (10, 16, "10 steps, 1 in each epoch")),
    ],
)
def test_training_has_two_thousand_steps_or_as_many_as_there_is_time_for(
    images: int, batch: int, steps: float, expected: object
) -> None:
    assert choose_epochs(images, batch, steps) == expected


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
        "HorizontalFlip yes: 60% of car is in the left half; "
        "VerticalFlip no: 100% of sky is in the upper half"
    )
    augment, _ = choose_augment(shares, [0.05, 0.6, 0.5], [0.6, 0.3, 0.5], is_rgb=False)
    assert [transform["name"] for transform in augment] == ["VerticalFlip"]


def test_a_part_of_the_windows_is_scored_where_all_take_longer_than_training() -> None:
    fit = Fit("crop", (256, 256), 1.0, 0.25)
    assert fewer_windows(fit, [(256, 256)], 100, 100) == ""
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
        structure_width=30,
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
    plan = make_plan(
        replace(found, images={"train": 900}, structure_width=300), dict.fromkeys(fits, 1.0), 24 * GB
    )
    assert plan.data == {"fit": "stretch", "size": [224, 256], "batch_size": 16}
    many = replace(found, images={"train": 900}, structure_width=300)
    plan = make_plan(many, dict.fromkeys(fits, 1.0), 24 * GB, pixels=2e8)
    assert plan.data == {"fit": "stretch", "size": [96, 128], "batch_size": 16}
    assert plan.epochs == 13
