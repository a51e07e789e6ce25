"""Whatever the parts' signatures allow loads, and is the same after saving; whatever is no recipe is told."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.recipe import Recipe, dump_recipe, load_dumped, load_recipe
from segkit.recipe.yaml_tree import parse_yaml, write_yaml
from tests.properties.fuzzing import mutate_recipes, recipe_mutations
from tests.properties.recipes import recipes

SETTABLE = ("seed", "description", "loss", "optimizer", "schedule", "metrics", "training")  # without paths


def loaded(folder: str, files: dict[str, Any], *overrides: str) -> Recipe:
    """The last of some files, by name."""
    for name, content in files.items():
        Path(folder, name).write_text(write_yaml(content), encoding="utf-8")
    return load_recipe(Path(folder, name), overrides)


@pytest.mark.slow
@given(recipes())
def test_a_recipe_is_the_same_after_dumping_and_loading(plain: Any) -> None:
    with TemporaryDirectory() as folder:
        recipe = loaded(folder, {"recipe.yaml": plain})
        again = load_dumped(dump_recipe(recipe))
    assert again == recipe
    assert dump_recipe(again) == dump_recipe(recipe)


@given(recipes(), st.data())
def test_a_recipe_may_be_divided_between_two_files(plain: Any, data: st.DataObject) -> None:
    below = data.draw(st.lists(st.sampled_from([*plain]), unique=True))
    base = {key: plain[key] for key in below}
    top = {"extends": "base.yaml", **{key: plain[key] for key in plain if key not in base}}
    with TemporaryDirectory() as folder:
        whole = loaded(folder, {"whole.yaml": plain})
        assert loaded(folder, {"base.yaml": base or {"seed": 0}, "top.yaml": top}) == whole


@given(recipes(), st.data())
def test_what_is_set_is_as_what_is_written(plain: Any, data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from([key for key in SETTABLE if key in plain]), unique=True))
    overrides = [f"{key}={write_yaml(plain[key])}" for key in keys]
    left = {key: value for key, value in plain.items() if key not in keys}
    with TemporaryDirectory() as folder:
        whole = loaded(folder, {"whole.yaml": plain})
        assert loaded(folder, {"left.yaml": left}, *overrides) == whole


TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.text(" \n\t\x85\u2028\u2029\r#:'\"-a\ufeff<"),
    st.text("0123456789.eE+-_xo:nNaAiIfF~<="),
)
SCALARS = st.one_of(
    TEXTS, st.none(), st.booleans(), st.integers(1 - 10**98, 10**98), st.floats(allow_nan=False)
)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8))
def test_what_is_written_as_yaml_is_read_back(value: Any) -> None:
    assert parse_yaml(write_yaml({"key": [value]}), "f").plain() == {"key": [value]}


@given(st.randoms())
def test_a_broken_recipe_is_refused_by_file_and_line(chance: Any) -> None:
    with TemporaryDirectory() as folder:
        verdict, words = mutate_recipes.judge_case(recipe_mutations.draw_case(chance), Path(folder))
    assert verdict in ("refused", "accepted"), words


def test_what_is_drawn_changes_nothing_of_what_is_drawn_next() -> None:
    before = repr(recipe_mutations.ODD_VALUES)
    for seed in range(100):
        chance, tree = random.Random(seed), {"name": "a", "data": {"size": [64, 64]}}
        for _ in range(10):
            recipe_mutations._mutate_tree(tree, chance)
    assert repr(recipe_mutations.ODD_VALUES) == before
