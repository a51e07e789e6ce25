"""Images that are scored and in another split as well are told of, whatever they are called."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segkit.core.types import Sample
from segkit.data.pairing import pairs_in
from segkit.data.preprocess import prepare
from segkit.data.same_images import shared_image_warnings
from tests.data.cases import BINARY, HALF, generated, picture, save

SEEN = "their scores are not scores on unseen images"
CHOSEN = "the best epoch is chosen on them, so their scores are optimistic"
WHAT_TO_DO = "Put each image into one split only; segkit data check lists them."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two different images in each split."""
    for number, place in enumerate(("train/a", "train/b", "val/c", "val/d", "test/e", "test/f")):
        split, name = place.split("/")
        save(tmp_path / split / "images" / f"{name}.png", np.roll(picture(), number, axis=1))
        save(tmp_path / split / "masks" / f"{name}.png", np.roll(HALF, number, axis=0) * 255)
    return tmp_path


def samples(root: Path) -> dict[str, list[Sample]]:
    return {
        split: pairs_in(root / split / "images", root / split / "masks", "{name}", BINARY, 3)[0][""]
        for split in ("train", "val", "test")
    }


def told(found: dict[str, list[Sample]]) -> list[str]:
    return shared_image_warnings(
        found, {split: prepare(part, (12, 12), BINARY, 3) for split, part in found.items()}
    )


def copy(root: Path, image: str, to: str, mask: str = "") -> None:
    for kind, name in (("images", image), ("masks", mask or image)):
        source, target = (Path(place).parent / kind / f"{Path(place).name}.png" for place in (name, to))
        shutil.copy(root / source, root / target)


def test_different_images_are_no_reason_for_a_warning(root: Path) -> None:
    assert told(samples(root)) == []


def test_a_copy_of_a_training_image_is_told(root: Path) -> None:
    copy(root, "train/a", "test/x")
    copy(root, "train/b", "test/b")
    assert told(samples(root)) == [
        f"2 of the 4 test images are also training images (b, x is a): {SEEN}. {WHAT_TO_DO}"
    ]


def test_every_pair_of_splits_is_compared(root: Path) -> None:
    copy(root, "train/a", "val/a")
    copy(root, "val/c", "test/c")
    assert told(samples(root)) == [
        f"1 of the 3 validation images is also a training image (a): {SEEN}. {WHAT_TO_DO}",
        f"1 of the 3 test images is also a validation image (c): {CHOSEN}. {WHAT_TO_DO}",
    ]


def test_the_same_file_with_another_mask_is_the_same_image(root: Path) -> None:
    copy(root, "train/a", "test/x", mask="train/b")
    (warning,) = told(samples(root))
    assert "(x is a)" in warning


def test_the_same_pixels_in_another_format_are_the_same_image(root: Path) -> None:
    copy(root, "train/a", "test/x")
    (root / "test/images/x.png").unlink()
    save(root / "test/images/x.bmp", picture())
    (warning,) = told(samples(root))
    assert "(x is a)" in warning


def test_empty_tiles_are_the_same_by_chance_but_dim_images_are_not(root: Path) -> None:
    for place in ("train", "test"):
        save(root / place / "images/empty.png", 0 * picture() + np.array([200, 150, 180], np.uint8))
        save(root / place / "masks/empty.png", 0 * HALF)
    assert told(samples(root)) == []
    for place in ("train", "test"):
        save(root / place / "images/empty.png", picture() // 50)
    (warning,) = told(samples(root))
    assert "(empty)" in warning


@pytest.mark.parametrize("variant", [None, "tile 2"])
def test_another_tile_of_a_file_is_another_image(root: Path, variant: str | None) -> None:
    found = samples(root)
    tile = replace(generated("tile 2"), files=found["train"][0].files, variant=variant)
    found["train"][0] = replace(found["train"][0], variant=variant and "tile 1")
    found["test"] += [replace(tile, read=lambda: (np.roll(picture(), 9, axis=1), HALF))]
    assert told(found) == []


def test_generated_images_are_known_by_their_pixels(root: Path) -> None:
    found = samples(root)
    found["train"] += [generated("drawn 1")]
    found["test"] += [generated("drawn 2")]
    (warning,) = told(found)
    assert "(drawn 2 is drawn 1)" in warning
