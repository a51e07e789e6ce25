"""Copies of recipes that ship with segkit: each runs where it lies, and nothing is overwritten."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from segkit.cli.scaffold import new_recipe
from segkit.core.errors import SegkitError
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.shipped import shipped_recipes


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("home")
    for file in shipped_recipes().values():  # data sets that are there are found wherever a recipe lies
        for path in re.findall(r"\.\./(data/[\w./-]+)", file.read_text()):
            (folder / path).mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("SEGKIT_HOME", str(folder))
    return folder


def without_places(recipe: Recipe) -> Recipe:
    """A recipe without its name and the folder of its published numbers."""
    reference = recipe.reference
    if reference and reference.epochs:
        reference = reference.model_copy(update={"epochs": Path(reference.epochs.name)})
    return recipe.model_copy(update={"name": "", "reference": reference})


@pytest.mark.parametrize("source", shipped_recipes())
def test_a_copy_is_the_same_recipe_under_its_own_name(source: str, tmp_path: Path) -> None:
    copy, *numbers = new_recipe(source, "mine", tmp_path / "not" / "yet")
    assert copy == tmp_path / "not" / "yet" / "mine.yaml"
    recipe, original = load_recipe(copy), load_recipe(source)
    assert recipe.name == "mine"
    assert without_places(recipe) == without_places(original)
    assert sorted(copy.parent.iterdir()) == sorted([copy, *numbers])
    assert all(
        file.read_bytes() == (shipped_recipes()[source].parent / file.name).read_bytes() for file in numbers
    )
    if recipe.reference and recipe.reference.epochs:
        assert recipe.reference.epochs.is_file()


def test_a_copy_keeps_comments(tmp_path: Path) -> None:
    (copy, _) = new_recipe("isic_frozen_published", "", tmp_path)
    assert copy == tmp_path / "isic_frozen_published.yaml"
    assert copy.read_bytes() == shipped_recipes()["isic_frozen_published"].read_bytes()


def test_a_copy_extends_what_ships_not_what_lies_beside_it(tmp_path: Path) -> None:
    base = new_recipe("isic_frozen", "", tmp_path)[0]
    base.write_text(base.read_text().replace("batch_size: 8", "batch_size: 2"))
    assert load_recipe(base).data.batch_size == 2
    copy = new_recipe("isic_frozen_skips", "mine", tmp_path)[0]
    assert copy.read_text().startswith("extends: isic_finetune\nname: mine\n")
    assert without_places(load_recipe(copy)) == without_places(load_recipe("isic_frozen_skips"))


@pytest.mark.parametrize("name", ["1e3", "true", "my recipe", "v1.2+b"])
def test_names_that_yaml_would_read_otherwise_stay_names(name: str, tmp_path: Path) -> None:
    (copy,) = new_recipe("quickstart", name, tmp_path)
    assert (copy.name, load_recipe(copy).name) == (f"{name}.yaml", name)


def test_the_suffix_is_no_part_of_the_name(tmp_path: Path) -> None:
    (copy,) = new_recipe("quickstart", "mine.yaml", tmp_path)
    assert (copy.name, load_recipe(copy).name) == ("mine.yaml", "mine")


@pytest.mark.parametrize("name", ["a/b", "../mine", "-x", "a\nb: c"])
def test_what_is_no_name_of_a_recipe_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        new_recipe("quickstart", name, tmp_path)
    assert str(caught.value) == (
        f"{name!r} is not a folder name: use letters, digits, '_', '-', '+', '.' and spaces\n"
        "  try: segkit new recipe my_recipe --from NAME; --into chooses the folder"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", ["mine.yaml", "published_frozen.csv"])
def test_nothing_is_overwritten(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_text("of mine")
    with pytest.raises(SegkitError) as caught:
        new_recipe("isic_frozen", "mine", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / taken}: this already exists\n  try: choose another name, or another folder: --into DIR"
    )
    assert [file.name for file in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "of mine"


def test_copies_share_their_published_numbers(tmp_path: Path) -> None:
    first, second = (new_recipe(name, "", tmp_path) for name in ("isic_frozen", "isic_frozen_published"))
    assert first[1] == second[1] == tmp_path / "published_frozen.csv"


def test_a_copy_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, _: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SegkitError) as caught:
        new_recipe("quickstart", "mine", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: cannot write the recipe: No space left on device\n"
        "  try: choose a writable folder: --into DIR"
    )
    assert list(tmp_path.iterdir()) == []
