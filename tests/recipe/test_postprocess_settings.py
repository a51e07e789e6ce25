"""The key postprocess of a recipe: what it takes, what it means for each class, and what is wrong with it."""

from __future__ import annotations

import pytest

from segkit.core.errors import SegkitError
from segkit.recipe import dump_recipe, load_dumped, load_recipe
from segkit.recipe.postprocess_settings import PostprocessSettings
from tests.small_runs import RECIPE

CLASSES = ["data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=cross_entropy"]


def loaded(tmp_path, value: str, *overrides: str):
    (tmp_path / "small.yaml").write_text(f"{RECIPE}postprocess: {value}\n", encoding="utf-8")
    return load_recipe(tmp_path / "small.yaml", overrides)


@pytest.mark.parametrize(
    ("value", "overrides", "problem", "hint"),
    [
        ("none", [], 'postprocess: found "none", allowed: auto, or a mapping with threshold, fill_holes, '
         "min_size, keep_largest, or null", ""),
        ("{treshold: 0.4}", [], "postprocess.treshold: unknown key 'treshold', allowed: threshold, "
         "fill_holes, min_size, keep_largest", "did you mean 'threshold'?"),
        ("{threshold: 1.5}", [], "postprocess.threshold: found 1.5, allowed: a number above 0 and below 1 "
         "or a mapping from names to a number above 0 and below 1", ""),
        ("{fill_holes: some}", [], 'postprocess.fill_holes: found "some", allowed: all, or a whole number '
         "from 0 to 2147483648, or a mapping from names to all or a whole number from 0 to 2147483648", ""),
        ("{threshold: {foregrund: 0.4}}", [], "postprocess.threshold: no class is called 'foregrund'",
         "did you mean foreground?"),
        ("{keep_largest: {pore: true}}", CLASSES, "postprocess.keep_largest: no class is called 'pore'",
         "name skin, lesion, hair"),
        ("{threshold: 0.4}", CLASSES, "postprocess.threshold: a multiclass task has no threshold: a pixel "
         "belongs to its most probable class", "leave threshold out"),
        ("{fill_holes: {skin: 9}}", CLASSES, "postprocess.fill_holes: holes are pixels of the first class, "
         "'skin', so it has none to fill", "min_size: {skin: ...} removes its small areas"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_line(tmp_path, value, overrides, problem, hint):
    with pytest.raises(SegkitError) as caught:
        loaded(tmp_path, value, *overrides)
    (found,) = caught.value.problems
    assert str(found).splitlines()[0].endswith(f"small.yaml:17: {problem}")
    assert found.hint == hint


def test_one_value_is_for_all_classes_but_the_first_of_a_multiclass_task(tmp_path):
    value = "{fill_holes: all, min_size: 20, keep_largest: {hair: true, skin: true}}"
    recipe = loaded(tmp_path, value, *CLASSES)
    settings = recipe.postprocess
    steps = settings.steps(recipe.data.goal)
    assert steps.fill_holes == (0, float("inf"), float("inf"))
    assert (steps.min_size, steps.keep_largest) == ((0, 20, 20), (True, False, True))
    assert load_dumped(dump_recipe(recipe)).postprocess == settings
    assert settings.in_words() == (
        "holes filled, objects of at least 20 px, hair: largest object only, skin: largest object only"
    )
    assert settings.has_areas
    assert not PostprocessSettings(threshold=0.4, keep_largest=True).has_areas

    recipe = loaded(tmp_path, "{threshold: {hair: 0.3}, fill_holes: 9}", "data.task=multilabel", CLASSES[1])
    steps = recipe.postprocess.steps(recipe.data.goal)
    assert (steps.threshold, steps.fill_holes) == ((0.5, 0.5, 0.3), (9, 9, 9))
    assert recipe.postprocess.in_words() == "hair: threshold 0.3, holes of up to 9 px filled"
    assert loaded(tmp_path, "auto").postprocess == "auto"
    assert loaded(tmp_path, "null").postprocess is None
