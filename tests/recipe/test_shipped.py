"""Recipes that go by name, in a checkout and as an installation has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from segkit.core import paths
from segkit.core.errors import RecipeError
from segkit.models.dry_run import dry_run
from segkit.recipe import dump_recipe, load_recipe, shipped
from segkit.recipe.shipped import recipe_file, shipped_recipe, shipped_recipes
from segkit.recipe.sweep import expand_grid
from tests.recipe.cases import RECIPES, only_problem, written

NAMES = sorted(file.stem for file in RECIPES.glob("*.yaml"))
ALL = f"these ship with segkit: {', '.join(NAMES)}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def installed(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the recipes as pip installs it, beside a folder that a path with `..` could lead to."""
    folder = here / "site-packages" / "segkit" / "recipes"
    shutil.copytree(RECIPES, folder)
    (folder.parent / "data" / "isic2016").mkdir(parents=True)
    monkeypatch.setattr(paths, "INSTALLED_RECIPES", folder)
    monkeypatch.setattr(shipped, "INSTALLED_RECIPES", folder)
    return folder


def test_a_checkout_has_the_recipes_of_its_own_folder() -> None:
    assert shipped_recipes() == {name: RECIPES / f"{name}.yaml" for name in NAMES}


def test_an_installation_has_the_recipes_in_the_package(installed: Path) -> None:
    assert shipped_recipes() == {name: installed / f"{name}.yaml" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_gives_the_same_recipe_as_its_file(name: str, here: Path) -> None:
    assert load_recipe(name) == load_recipe(RECIPES / f"{name}.yaml")


@pytest.mark.parametrize("name", ["isic_best", "isic_best_ensemble"])
def test_the_best_recipes_are_small_and_choose_nothing_on_test_images(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.training.select == "last"
    assert recipe.data.split.by != "official"  # else the test images are scored after every epoch
    assert sum(stage.parameters for stage in dry_run(recipe.model, recipe.data).stages) <= 6_000_000


def test_names_take_overrides_and_variations(here: Path) -> None:
    assert load_recipe("quickstart", ["training.epochs=2"]).training.epochs == 2
    grid = expand_grid(Path("quickstart"), vary=["model.decoder=unet,fpn"])
    assert [recipe.name for recipe in grid] == ["quickstart-unet", "quickstart-fpn"]


def test_a_recipe_can_extend_a_name(here: Path) -> None:
    mine = here / "mine.yaml"
    mine.write_text("extends: isic_unet\nname: mine\n")
    changed = {"name": "mine"}
    assert load_recipe(mine) == load_recipe("isic_unet").model_copy(update=changed)


def test_a_file_comes_before_a_name(here: Path) -> None:
    (here / "quickstart").write_text(written(here).read_text())
    assert recipe_file(Path("quickstart")) == Path("quickstart")
    assert load_recipe("quickstart").name == "small"
    (here / "mine.yaml").write_text("extends: quickstart\nname: mine\n")
    assert load_recipe("mine.yaml").data.size == (64, 64)


def test_a_folder_comes_before_a_name(here: Path) -> None:
    (here / "quickstart").mkdir()
    found = only_problem(Path("quickstart"))
    assert found.problem == "cannot read the recipe: Is a directory"
    assert found.hint == "give the path of a .yaml file in it"


def test_a_name_that_could_be_one_s_own_file_is_refused(here: Path) -> None:
    written(here).rename("quickstart.yaml")
    found = only_problem(Path("quickstart"))
    assert found.file == "quickstart"
    assert found.problem == "this could be the file quickstart.yaml or the recipe that ships with segkit"
    assert found.hint == f"write quickstart.yaml or {RECIPES / 'quickstart.yaml'}"
    assert load_recipe("quickstart.yaml").name == "small"


def test_in_the_folder_of_the_recipes_a_name_is_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(RECIPES)
    assert load_recipe("quickstart") == load_recipe("quickstart.yaml")


@pytest.mark.parametrize(
    ("named", "guess"),
    [
        ("quikstart", "did you mean quickstart? "),
        ("recipes/quickstart.yaml", "did you mean quickstart? "),
        ("Isic-Frozn", "did you mean isic_frozen? "),
        ("my_lesions", ""),
    ],
)
def test_the_error_of_a_missing_recipe_has_the_names(named: str, guess: str, here: Path) -> None:
    found = only_problem(Path(named))
    assert (found.file, found.problem) == (named, "cannot read the recipe: No such file or directory")
    assert found.hint == f"{guess}give the path of a .yaml file; {ALL}"


def test_the_error_of_a_missing_base_has_the_names(here: Path) -> None:
    (here / "mine.yaml").write_text("name: mine\nextends: quikstart\n")
    found = only_problem(here / "mine.yaml")
    assert (found.line, found.path) == (2, "extends")
    assert found.problem == f"file not found: {here / 'quikstart'}"
    assert found.hint == f"the path is relative to the folder of this recipe; {ALL}"


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(RecipeError) as caught:
        shipped_recipe("isic_frozn")
    assert str(caught.value) == (
        f"no recipe that ships with segkit is called 'isic_frozn'\n  try: did you mean isic_frozen? {ALL}"
    )


# Paths in an installed recipe


def test_data_of_an_installed_recipe_is_in_the_user_s_folder(installed: Path, here: Path) -> None:
    """Not among the packages, where the same path exists."""
    for name in ("isic_frozen", "isic_unet"):  # written in the recipe, and in a base of a base of its base
        recipe = load_recipe(name)
        assert recipe.data.source.options["root"] == here / "home" / "data" / "isic2016"


def test_published_numbers_of_an_installed_recipe_are_beside_it(installed: Path) -> None:
    reference = load_recipe("isic_frozen").reference
    assert reference is not None
    assert reference.epochs == installed / "published_frozen.csv"


def test_values_from_the_command_line_do_not_count_from_an_installed_recipe(
    installed: Path, here: Path
) -> None:
    recipe = load_recipe("isic_frozen", ["data.source.root=../elsewhere"])
    assert recipe.data.source.options["root"] == here.parent / "elsewhere"


def test_the_saved_recipe_of_a_name_is_complete(installed: Path, here: Path) -> None:
    text = dump_recipe(load_recipe("isic_unet"))
    assert "extends" not in text
    assert f"root: {here / 'home' / 'data' / 'isic2016'}" in text
    (here / "saved.yaml").write_text(text)
    assert load_recipe("saved.yaml") == load_recipe("isic_unet")
