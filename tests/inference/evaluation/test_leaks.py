"""Images that were trained on are known by their bytes; those of another source by their names too."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from segkit.inference.evaluation.leaks import leak_warnings
from segkit.inference.evaluation.select_images import ScoredImages, choose_images
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.recipe import Recipe, load_recipe
from tests.inference.evaluation.conftest import drawn
from tests.small_runs import recipe

SIZES = dict.fromkeys(("a", "b", "c", "d", "e"), (40, 30))
NO_SCORE = "this is not a score on unseen images."


@pytest.fixture
def own(tmp_path: Path) -> Recipe:
    """Trained on a to e."""
    return recipe(tmp_path, drawn(tmp_path / "own", SIZES))


def elsewhere(tmp_path: Path, source: str) -> tuple[Recipe, ScoredImages]:
    other = load_recipe(tmp_path / "small.yaml", [source])
    return other, choose_images(other, [source])


def told(own: Recipe, found: tuple[Recipe, ScoredImages]) -> list[str]:
    other, images = found
    return leak_warnings("small/001", own, images.samples, other)


def test_the_same_bytes_are_the_same_image_under_any_name(own: Recipe, tmp_path: Path) -> None:
    source = drawn(tmp_path / "other", {"x": (40, 30), "y": (20, 20)}, seed=1)
    images = tmp_path / "own" / "images"
    shutil.copy(images / "b.png", tmp_path / "other" / "images" / "x.png")
    assert told(own, elsewhere(tmp_path, source)) == [
        f"1 of the 2 scored images was among the training images of small/001 (x): {NO_SCORE}"
    ]


def test_the_same_name_is_told_of_apart_and_no_image_twice(own: Recipe, tmp_path: Path) -> None:
    source = drawn(tmp_path / "other", SIZES | {"z": (40, 30)}, seed=1)
    shutil.copy(tmp_path / "own" / "images" / "b.png", tmp_path / "other" / "images" / "b.png")
    assert told(own, elsewhere(tmp_path, source)) == [
        f"1 of the 6 scored images was among the training images of small/001 (b): {NO_SCORE}",
        f"4 of the 6 scored images have the names of training images of small/001 (a, c, d and 1 more): "
        f"{NO_SCORE}",
    ]


def test_names_that_are_paths_are_reduced_to_what_tells_them_apart(own: Recipe) -> None:
    samples = [
        replace(sample, name=f"/home/John Smith/{folder}/1.png")
        for sample, folder in zip(choose_images(own, (), SplitChoice.train).samples, "ab", strict=False)
    ]
    assert told(own, (own, ScoredImages("test", samples))) == [
        f"2 of the 2 scored images were among the training images of small/001 (a/1.png, b/1.png): {NO_SCORE}"
    ]


def test_files_of_one_size_are_not_the_same_for_that(own: Recipe, tmp_path: Path) -> None:
    source = drawn(tmp_path / "other", {"x": (40, 30)}, seed=1)
    other = tmp_path / "other" / "images" / "x.png"
    content = bytearray((tmp_path / "own" / "images" / "a.png").read_bytes())
    content[-20] ^= 1
    other.write_bytes(content)
    assert told(own, elsewhere(tmp_path, source)) == []


def test_within_the_run_s_own_source_a_name_says_nothing(own: Recipe, tmp_path: Path) -> None:
    """A split may count its images from the beginning again."""
    _, others = elsewhere(tmp_path, drawn(tmp_path / "other", SIZES, seed=1))
    assert told(own, (own, others)) == []


def test_generated_images_are_known_by_their_pixels(tmp_path: Path) -> None:
    own = recipe(tmp_path)
    assert told(own, (own, choose_images(own, (), SplitChoice.test))) == []
    (sentence,) = told(own, (own, choose_images(own, (), SplitChoice.all)))
    assert sentence.startswith("10 of the 15 scored images were among the training images of small/001 (")
    renamed = [
        replace(sample, name=f"x{i}")
        for i, sample in enumerate(choose_images(own, (), SplitChoice.train).samples)
    ]
    (sentence,) = told(own, (own, ScoredImages("train", renamed)))
    assert sentence.startswith("10 of the 10 scored images were among")


def test_another_tile_of_a_file_is_another_image(own: Recipe) -> None:
    first, *_ = choose_images(own, (), SplitChoice.train).samples
    assert told(own, (own, ScoredImages("test", [replace(first, variant="another tile")]))) == []
    assert len(told(own, (own, ScoredImages("test", [first])))) == 1


def test_training_images_that_are_gone_are_told_of(own: Recipe, tmp_path: Path) -> None:
    found = elsewhere(tmp_path, drawn(tmp_path / "other", SIZES))
    shutil.rmtree(tmp_path / "own" / "images")
    assert told(own, found) == [
        "Cannot check whether small/001 was trained on some of these images: "
        f"{tmp_path / 'own/images'}: there is no such folder."
    ]


def test_an_image_that_is_gone_by_now_is_none_of_them(own: Recipe, tmp_path: Path) -> None:
    found = elsewhere(tmp_path, drawn(tmp_path / "other", {"x": (40, 30), "y": (40, 30)}, seed=1))
    (tmp_path / "other" / "images" / "x.png").unlink()
    assert told(own, found) == []
