"""The verbs and the recipes that ship with segkit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segkit.core.paths import quoted
from segkit.recipe.shipped import names_in_words, shipped_recipes

DESCRIPTION = "A first run that needs no data and no downloads, on drawn lesions."
FEW = (
    "--set",
    "data.source={name: synthetic_lesions, train: 4, val: 2, test: 2}",
    "--set",
    "data.size=[64, 64]",
)


def test_recipes_are_listed_with_their_descriptions(segkit: Any) -> None:
    said = segkit("list", "recipes")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("recipes\n  camvid ")
    assert f"\n  quickstart               {DESCRIPTION}\n" in said.out
    assert said.out in segkit("list").out
    assert segkit("list", "recipe").out == said.out
    assert "\nrecipes\n" not in segkit("list", "losses").out


def test_recipes_are_listed_as_json(segkit: Any) -> None:
    listed = json.loads(segkit("list", "recipes", "--json").out)
    assert [*listed] == ["recipes"]
    assert [*listed["recipes"]] == [*shipped_recipes()]
    assert listed["recipes"]["quickstart"] == DESCRIPTION
    assert all(listed["recipes"].values())
    assert json.loads(segkit("list", "--json").out)["recipes"] == listed["recipes"]


def test_a_recipe_is_shown_with_its_place(segkit: Any) -> None:
    file = shipped_recipes()["isic_frozen"]
    text = file.read_text(encoding="utf-8")
    assert segkit("show", "recipe", "isic_frozen").out == f"# {file}\n{text}"
    assert json.loads(segkit("show", "recipe", "quickstart", "--json").out) == {
        "kind": "recipe",
        "name": "quickstart",
        "summary": DESCRIPTION,
        "where": str(file.with_name("quickstart.yaml")),
        "text": file.with_name("quickstart.yaml").read_text(encoding="utf-8"),
    }


def test_a_copy_is_named_with_the_command_to_type_next(segkit: Any, project: Path) -> None:
    said = segkit("new", "recipe", "my frozen", "--from", "isic_frozen", "--into", "mine")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "Created mine/my frozen.yaml, mine/published_frozen.csv\n"
        f"\nType next: segkit run {quoted('mine/my frozen.yaml')}\n"
    )
    said = segkit("new", "recipe", "--from", "quickstart", "--quiet")
    assert (said.code, said.out) == (0, "")
    assert (project / "quickstart.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "list recipies",
            "unknown kind of part 'recipies'\n  try: did you mean 'recipes'? kinds: encoders, ",
        ),
        ("show recipe isic_frozn", "is called 'isic_frozn'\n  try: did you mean isic_frozen? these ship "),
        ("new recipe --from quikstart", "is called 'quikstart'\n  try: did you mean quickstart? these ship "),
        ("new recipe", "the recipe to copy is missing\n  try: segkit new recipe --from NAME; these ship "),
        ("new loss x --from y", "--from: only recipes are copied\n  try: segkit new recipe --from y\n"),
        ("new loss", "the new loss has no name\n  try: segkit new loss my_loss\n"),
        (
            "run quikstart",
            "quikstart: cannot read the recipe: No such file or directory\n  try: did you mean",
        ),
        (
            "bench quikstart",
            "directory\n  try: did you mean quickstart? give the path of a .yaml file; these",
        ),
        ("compare quikstart", "directory\n  try: did you mean quickstart? give the path of a .yaml file; "),
        (
            "data check quikstart",
            "quikstart: there is no such file or folder\n  try: did you mean quickstart? "
            f"give a recipe, a folder of images and masks, or a CSV file; {names_in_words()}\n",
        ),
    ],
)
def test_mistakes_with_names_say_what_to_try(segkit: Any, words: str, message: str) -> None:
    said = segkit(*words.split())
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_checks_take_a_name_in_an_empty_folder(segkit: Any, project: Path) -> None:
    assert segkit("check", "quickstart", *FEW).code == 0
    checked = segkit("data", "check", "quickstart", *FEW).out
    assert "\nimages: 4 train, 2 val, 2 test\n" in checked
    assert checked.endswith("\n\nok\n")
    assert list(project.iterdir()) == []


@pytest.mark.slow
def test_a_comparison_finds_the_run_of_a_name(segkit: Any, project: Path) -> None:
    epoch = (*FEW, "--set", "training.epochs=1")
    said = segkit("run", "quickstart", *epoch, "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    said = segkit(
        "compare", "quickstart", *epoch, "--vary", "seed_of=data.batch_size=16", "--no-measure", "--json"
    )
    assert said.code == 0, said.err
    (ranked,) = json.loads(said.out)["ranking"]
    assert ranked["runs"] == ["runs/quickstart/001"]
    assert {path.name for path in project.iterdir()} == {"runs", "comparisons"}


@pytest.mark.slow
def test_bench_takes_a_name(segkit: Any) -> None:
    said = segkit("bench", "quickstart", *FEW, "--steps", "2", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["loop_images_per_second"] > 0
