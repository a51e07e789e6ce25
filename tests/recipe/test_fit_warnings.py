"""What `check` tells of windows before training, with the key of the recipe and what would do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from segkit.core.types import Sample
from segkit.data.class_counts import count_classes
from segkit.data.preprocess import Prepared, prepare
from segkit.recipe import fit_warnings as module
from segkit.recipe.data_settings import DataSettings
from segkit.recipe.fit_warnings import fit_warnings, nothing_left


def settings(**keys: Any) -> DataSettings:
    return DataSettings.model_validate({"source": {"name": "a"}, "size": [64, 96], "fit": "crop"} | keys)


def prepared(data: DataSettings, *extents: tuple[int, int], values: int = 2) -> Prepared:
    """Images of these sizes, whose masks hold the numbers below `values`."""
    samples = [
        Sample(str(number), lambda e=extent: (np.zeros((*e, 3), np.uint8), np.indices(e).sum(0) % values))
        for number, extent in enumerate(extents)
    ]
    part = prepare(samples, data.geometry, data.goal, 3)
    return Prepared(part.names, part.images, part.masks, counts=count_classes(part.masks, data.goal))


def told(data: DataSettings, *extents: tuple[int, int], values: int = 2, **splits: Prepared) -> list[str]:
    return fit_warnings(data, 3, {"train": prepared(data, *extents, values=values), **splits}, [])


def test_windows_that_suit_the_images_say_nothing() -> None:
    for data in (settings(), settings(fit="stretch"), settings(fit="letterbox")):
        assert told(data, (64, 96), (640, 960), val=prepared(data, (64, 96))) == []


def test_windows_that_are_larger_than_most_images() -> None:
    assert told(settings(), (32, 100), (40, 100), (500, 500)) == [
        "data.size: [64, 96] is larger than most training images, which are 100x40 pixels for the model: 38% "
        "of a usual window is padding. data.size: [32, 96] leaves less of it, or data.fit: letterbox makes "
        "images as large as the window."
    ]
    assert told(settings(scale=2), (32, 100), (40, 100), (500, 500)) == []


def test_foreground_that_is_nowhere() -> None:
    assert told(settings(classes=["vessel"]), (64, 96), values=1) == [
        "data.crop.foreground: 0.33 asks for windows with foreground, and no training mask holds vessel: all "
        "windows are drawn anywhere. Correct data.labels or the masks, or set data.crop.foreground: 0."
    ]
    assert told(settings(crop={"foreground": 0}), (64, 96), values=1) == []
    street = {"task": "multiclass", "classes": ["ground", "car", "tree"]}
    assert told(settings(**street), (64, 96), values=2) == []
    assert "no training mask holds any of car, tree:" in told(settings(**street), (64, 96), values=1)[0]
    assert told(settings(**street, crop={"classes": ["car", "tree"]}), (64, 96), values=2) == [
        "data.crop.classes: no training mask holds tree, so no window does. Leave it out."
    ]


def test_an_overlap_that_leaves_hardly_a_step() -> None:
    assert told(settings(crop={"overlap": 0.75}), (64, 96)) == [
        f"data.crop.overlap: 0.75 of {side} pixels makes windows start every {step} pixels. Use at most "
        f"{most}: at multiples of 32 the model sees pixels at the same positions as in the whole image, and "
        "there are fewer windows to score."
        for side, step, most in ((64, 16, 0.5), (96, 24, 0.66))
    ]
    assert told(settings(crop={"overlap": 0.5}), (64, 96)) == []


@pytest.mark.parametrize(
    ("keys", "key", "size", "hint"),
    [
        ({"scale": 0.1}, "data.scale", "9x6", "a larger data.scale"),
        ({"fit": "letterbox", "size": [8, 8]}, "data.size", "8x5", "a larger data.size, or data.fit: crop, "),
    ],
)
def test_a_scale_that_leaves_nothing(keys: dict[str, Any], key: str, size: str, hint: str) -> None:
    data = settings(**keys)
    problem = nothing_left(data, prepared(data, (60, 90), (60, 90), (800, 800)))
    assert problem is not None
    assert (problem.path, (problem.hint or "")[: len(hint)]) == (key, hint)
    assert problem.problem == (
        f"training image 0 has {size} pixels for the model; 2 of the 3 have less than 8 along a side"
    )
    few = prepared(data, (60, 90), (800, 800))
    assert nothing_left(data, few) is None
    assert fit_warnings(data, 3, {"val": few}, []) == [
        f"1 of the 2 val images (0) has less than 8 pixels along a side for the model: a larger {key} "
        "leaves more of them."
    ]
    assert nothing_left(settings(), prepared(settings(), (5, 5))) is not None
    assert nothing_left(settings(scale=2), prepared(settings(scale=2), (3, 3))) is None


def test_validation_that_takes_longer_than_training() -> None:
    data = settings()
    assert told(data, *[(64, 96)] * 2, val=prepared(data, (512, 512), (64, 96))) == [
        "An epoch trains on 2 windows, and then 121 windows of the 2 validation images are scored, which "
        "takes longer. data.validate_windows: 2 scores fewer until training has ended; a larger "
        "data.crop.per_image trains on more."
    ]
    splits = {"val": prepared(data, (512, 512)), "test": prepared(data, (64, 96))}
    assert told(settings(validate_windows=1), (64, 96), **splits) == []
    assert told(settings(sample={"epoch": 40}), (64, 96), val=prepared(data, (512, 512))) == []
    few = settings(sample={"epoch": 1}, crop={"per_image": 9})
    assert told(few, (64, 96), val=prepared(data, (512, 512))) == [
        "data.crop.per_image: 9 has no effect, as data.sample.epoch: 1 is the number of windows of an epoch. "
        "Leave out one of them.",
        "An epoch trains on 1 window, and then 120 windows of the 1 validation image are scored, which takes "
        "longer. data.validate_windows: 1 scores fewer until training has ended; a larger data.sample.epoch "
        "trains on more.",
    ]


def test_final_scores_that_take_longer_than_all_epochs() -> None:
    data, drawn = settings(), settings(validate_windows=2)
    large, small = prepared(data, (512, 512)), prepared(data, (64, 96))
    longer = (
        "Scoring is a large part of this run: at the end 120 windows of the 1 {} image are scored, and all "
        "epochs together train on 6. data.crop.overlap: 0 makes it 48."
    )
    assert told(data, *[(64, 96)] * 2, val=small, test=large) == [longer.format("test")]
    assert told(drawn, *[(64, 96)] * 2, val=large) == [longer.format("validation")]
    assert told(data, *[(64, 96)] * 40, val=small, test=large) == []  # 120 windows
    assert told(data, *[(64, 96)] * 40, test=large) == []
    (without,) = told(settings(crop={"overlap": 0}), (64, 96), val=small, test=large)
    assert without.endswith(" are scored, and all epochs together train on 3.")


def test_settings_without_effect() -> None:
    balanced = {"sample": {"balance": "class"}}
    street = {"task": "multiclass", "classes": ["ground", "car", "tree"], **balanced}
    for data in (settings(**balanced), settings(**balanced, fit="stretch"), settings(**street)):
        shown = "background, foreground" if data.task == "binary" else "ground, car"
        assert told(data, (64, 96), (64, 96)) == [
            f"data.sample.balance: class has no effect, as each training image shows {shown}. Leave it out."
        ]
    assert told(settings(**balanced, fit="stretch"), (64, 96), (1, 1)) == []  # one has no foreground
    assert (
        told(settings(**street), (64, 96), (64, 96), values=3) == []
    )  # windows of car and of tree take turns
    assert len(told(settings(**street, crop={"classes": "balanced"}), (64, 96), values=3)) == 1
    data = settings(validate_windows=2)
    assert told(data, (64, 96), val=prepared(data, (64, 96), (64, 96))) == [
        "data.validate_windows: 2 saves nothing, as the 2 validation images have 2 windows. Leave it out, so "
        "that whole images are scored."
    ]
    assert told(data, (64, 96), test=prepared(data, *[(64, 96)] * 3)) == []
    names = ("CopyPaste", "HorizontalFlip", "Rotate", "CopyPaste", "Mosaic")
    assert told(settings(augment=[{"name": name} for name in names]), (64, 96)) == [
        f"data.augment: {name} stands behind HorizontalFlip, which does not change the other images that "
        f"{name} takes. List {name} first."
        for name in ("CopyPaste", "Mosaic")
    ]


def test_metrics_that_need_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: 4_000_000_000)
    monkeypatch.setattr(module, "_BYTES_PER_SCORE", 12_000)
    data = settings(task="multiclass", classes=["a", "b"])
    splits = {"test": prepared(data, (300, 400))}
    assert fit_warnings(data, 3, splits, ["hd95"]) == [
        "metrics: hd95 needs the scores of all pixels of an image at once: 3 GB for the largest one, and "
        "this machine has 4 GB. Leave it out: other metrics are computed part by part."
    ]
    assert fit_warnings(data, 3, splits, []) == []
    assert fit_warnings(data, 3, {"test": prepared(data, (200, 400))}, ["hd95"]) == []
