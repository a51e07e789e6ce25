"""What a recipe's source has is examined, whatever it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.analysis.dataset import Dataset, check_dataset, dataset_of_recipe
from segkit.core.errors import DataError, Problem
from segkit.core.types import Sample, Source, Task
from segkit.data.source_scan import SourceScan, scan_source
from segkit.recipe import load_recipe
from segkit.recipe.dataset import find_samples
from tests.analysis.dataset.cases import pairs
from tests.small_runs import RECIPE

SOURCE = "{name: folder, images: images, masks: masks}"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    pairs(tmp_path, range(6))
    text = RECIPE.replace("{name: synthetic_lesions, train: 10, test: 5, size: 64}", SOURCE)
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "recipe.yaml"


def told(subject: Dataset) -> tuple[dict[str, int], list[tuple[str, str]]]:
    return (
        {split: len(samples) for split, samples in subject.splits.items()},
        [(problem.kind, problem.problem) for problem in subject.problems],
    )


def test_what_is_whole_is_divided_as_the_recipe_says(recipe: Path) -> None:
    (recipe.parent / "masks/3.png").unlink()
    subject = dataset_of_recipe(load_recipe(recipe, ["data.split={by: fraction, val: 0.4}"]))
    assert told(subject) == ({"train": 3, "val": 2}, [("unpaired", "this image has no mask")])
    assert subject.fit is not None
    assert subject.fit.size == (64, 64)
    assert subject.about == "small: the source folder"


def test_no_images_to_score_are_a_fault_of_the_split(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    problem = "there are no images to score: the data has no val and no test split"
    assert told(dataset_of_recipe(loaded)) == ({"train": 6}, [("split", problem)])
    with pytest.raises(DataError, match=problem):
        find_samples(loaded)


def test_a_split_file_that_does_not_fit_leaves_the_source_s_own_splits(recipe: Path) -> None:
    split = recipe.parent / "split.csv"
    split.write_text("name,split\n0,train\n9,test\n", encoding="utf-8")
    loaded = load_recipe(recipe, [f"data.split={{by: file, file: {split}}}"])
    counts, problems = told(dataset_of_recipe(loaded))
    assert counts == {"train": 6}
    assert problems == [("split", "no image is called '9'")]
    (recipe.parent / "masks/0.png").unlink()
    _, problems = told(dataset_of_recipe(loaded))
    assert problems == [("unpaired", "this image has no mask")]  # the other may be gone with it


def test_images_that_the_split_file_leaves_out_are_a_warning(recipe: Path) -> None:
    split = recipe.parent / "split.csv"
    split.write_text("name,split\n0,train\n1,val\n", encoding="utf-8")
    loaded = load_recipe(recipe, [f"data.split={{by: file, file: {split}}}"])
    (fault,) = check_dataset(dataset_of_recipe(loaded)).findings
    assert (fault.kind, fault.severity, fault.files) == ("split", "warning", (str(split),))
    assert fault.message == "split.csv lists 2 of the 6 images: the other 4 are not used (2, 3, 4 and 1 more)"


class _AllOrNothing:
    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def splits(self) -> dict[str, list[Sample]]:
        if self.problems:
            raise DataError.of(self.problems)
        return {"train": []}


@pytest.mark.parametrize("problems", [[], [Problem("it is gone", "a.npz")]])
def test_a_source_of_one_s_own_gives_all_or_nothing(problems: list[Problem]) -> None:
    source: Source = _AllOrNothing(problems)
    found = scan_source(source)
    assert [*found.problems] == problems
    assert found.splits == ({} if problems else {"train": []})


def test_a_survey_with_problems_is_not_whole() -> None:
    found = SourceScan({"train": []}, [Problem("it is gone", "a.npz"), Problem("so is this", "b.npz")])
    with pytest.raises(DataError) as error:
        found.whole()
    assert str(error.value) == "a.npz: it is gone\nb.npz: so is this"
    assert Task("binary", ("spot",)) == Dataset.of(found, "odd", Task("binary", ("spot",))).task
