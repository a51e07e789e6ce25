from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from segkit.analysis.plan import measure as module
from segkit.analysis.plan.ceiling import dice_ceiling
from segkit.analysis.plan.measure import measure, measure_ceilings
from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.fit import Fit
from segkit.recipe.data_settings import DataSettings


def silent(label: str, done: int, total: int) -> None:
    pass


def settings(**keys: Any) -> DataSettings:
    return DataSettings.model_validate({"source": {"name": "folder"}, "size": [8, 8], **keys})


def sample(name: str, mask: np.ndarray, dtype: type = np.uint8) -> Sample:
    return Sample(name, lambda: (np.zeros((*mask.shape[:2], 3), dtype), mask.copy()))


def street() -> np.ndarray:
    """Sky above, road below, and two cars of 6 x 10 pixels on the left; one pixel of a third."""
    mask = np.zeros((60, 80), np.uint8)
    mask[40:] = 1
    mask[44:50, 5:15] = mask[44:50, 20:30] = mask[55, 2] = 2
    return mask


def test_sizes_widths_shares_and_sides_are_those_of_the_training_masks() -> None:
    data = settings(task="multiclass", classes=["sky", "road", "car"])
    splits = {
        "train": [sample("a", street()), sample("b", street(), np.uint16)],
        "val": [sample("c", street())],
    }
    found, masks = measure(splits, data, silent)
    assert (found.images, found.types, found.channels) == ({"train": 2, "val": 1}, {"uint8", "uint16"}, 3)
    assert [*found.extents] == [(60, 80)] * 2
    assert found.structure_width == pytest.approx(
        1479**0.5
    )  # of the road, which touches three sides of the image
    assert [round(share, 4) for share in found.foreground.values()] == [0.6667, 0.3081, 0.0252]
    assert [round(share, 2) for share in found.upper] == [0.75, 0, 0]
    assert [round(share, 2) for share in found.left] == [0.5, 0.46, 1]
    fits = [Fit("stretch", (15, 20)), Fit("stretch", (60, 80))]
    ceilings = measure_ceilings(masks, fits, data.goal, silent)
    assert [*ceilings.values()] == [dice_ceiling(street(), (15, 20), data.goal).mean(), 1]


def test_of_a_very_large_mask_the_region_around_the_foreground_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_SIDE", 64)
    mask = np.zeros((300, 900), np.uint8)
    mask[250:270, 700:740] = 1
    found, (region,) = measure({"train": [sample("a", mask)]}, settings(), silent)
    assert (region.pixels.shape, found.regions) == ((64, 64), 1)
    assert region.pixels.sum() == mask.sum() == found.classes.pixels[1]
    assert ([*found.extents], region.extent) == ([(300, 900)], (300, 900))


@pytest.mark.parametrize(
    ("rows", "columns", "width"),
    [
        (slice(20, 30), slice(40, 50), 10),
        (slice(50, 53), slice(2, 78), 2 * 3 * 76 / 79),
        (slice(60), slice(80), 69.3),
    ],
)
def test_structures_are_as_wide_as_a_square_and_twice_as_wide_as_a_line(
    rows: slice, columns: slice, width: float
) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[rows, columns] = 1
    found, _ = measure({"train": [sample("a", mask)]}, settings(), silent)
    assert found.structure_width == pytest.approx(width, abs=0.05)


def test_of_many_pixels_images_from_the_whole_set_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_PIXELS", 4 * 4800)
    monkeypatch.setattr(module, "_threads", lambda: 1)
    read: list[str] = []

    def reading(name: str) -> Sample:
        def pixels() -> tuple[np.ndarray, np.ndarray]:
            read.append(name)
            return np.zeros((60, 80, 3), np.uint8), (street() == 2).astype(np.uint8)

        return Sample(name, pixels)

    progress: list[tuple[int, int]] = []
    samples = [reading(str(number)) for number in range(16)]
    found, _ = measure({"train": samples}, settings(), lambda _, done, total: progress.append((done, total)))
    assert read == ["0", "4", "8", "12", "1"]
    assert (len(found.extents), progress[-1]) == (5, (16, 16))


def test_all_files_that_cannot_be_read_are_told() -> None:
    def damaged(name: str) -> Sample:
        def read() -> Any:
            raise DataError("the file is damaged", where=name)

        return Sample(name, read)

    splits = {"train": [damaged("a.png"), sample("b", street()), damaged("c.png")]}
    with pytest.raises(DataError) as error:
        measure(splits, settings(task="multiclass", classes=["sky", "road", "car"]), silent)
    assert [problem.file for problem in error.value.problems] == ["a.png", "c.png"]
