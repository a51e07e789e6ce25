"""A metric listed several times, under names of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.experiments.metric_details import metric_details
from segkit.recipe import dump_recipe, load_recipe
from segkit.recipe.json_schema import recipe_schema
from segkit.runs.fingerprint import fingerprint
from tests.recipe.cases import loaded, only_problem, written

CLASSES = "{source: synthetic_lesions, size: [64, 64], task: multiclass, classes: [skin, lesion, hair]}"
TWICE = "[miou, {name: miou, as: miou_hair, classes: [hair]}, {name: hd95, as: far}]"


def test_a_name_is_kept_through_saving_and_loading(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, data=CLASSES, metrics=TWICE)
    assert [metric.key for metric in recipe.metrics] == ["miou", "miou_hair", "far"]
    assert metric_details(recipe.metrics) == {"miou_hair": "miou, classes hair", "far": "hd95, px"}
    file = tmp_path / "saved.yaml"
    file.write_text(dump_recipe(recipe), encoding="utf-8")
    assert "  as: miou_hair\n" in file.read_text(encoding="utf-8")
    assert load_recipe(file).metrics == recipe.metrics


def test_without_a_name_of_its_own_nothing_is_written_and_the_fingerprint_stays(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, metrics="[iou]")
    text = dump_recipe(recipe)
    assert "metrics:\n- name: iou\n  threshold: 0.5\n  classes: null\ntraining:" in text
    named = loaded(tmp_path, metrics="[{name: iou, as: jaccard}]")
    assert fingerprint(named, {}).recipe != fingerprint(recipe, {}).recipe
    null = loaded(tmp_path, metrics="[{name: iou, as: null}]")
    assert fingerprint(null, {}).recipe == fingerprint(recipe, {}).recipe


def test_another_metric_does_not_take_over_the_name(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, ["metrics.1=dice"], data=CLASSES, metrics=TWICE)
    assert [metric.key for metric in recipe.metrics] == ["miou", "dice", "far"]
    recipe = loaded(tmp_path, ["metrics.1.as=other"], data=CLASSES, metrics=TWICE)
    assert recipe.metrics[1].key == "other"


@pytest.mark.parametrize(
    ("metrics", "path", "problem"),
    [
        ("[iou, {name: iou, classes: [a]}]", "metrics",
         "duplicate metrics: iou; write {name: iou, as: a_name_of_its_own}"),
        ("[iou, {name: dice, as: iou}]", "metrics",
         "duplicate metrics: iou; write {name: iou, as: a_name_of_its_own}"),
        ("[{name: iou, as: dice}]", "metrics",
         "as: 'dice' is the name of another metric: choose another one"),
        ("[{name: iou, as: seconds}]", "metrics",
         "'seconds' cannot name a metric: it is another column of a run's files"),
    ],
)  # fmt: skip
def test_names_that_clash_are_refused(tmp_path: Path, metrics: str, path: str, problem: str) -> None:
    found = only_problem(written(tmp_path, metrics=metrics))
    assert (found.path, found.problem) == (path, problem)


@pytest.mark.parametrize("name", ["a/b", "'1st'", "3", "''", "[x]"])
def test_a_name_is_a_plain_word(tmp_path: Path, name: str) -> None:
    found = only_problem(written(tmp_path, metrics=f"[{{name: iou, as: {name}}}]"))
    assert found.path == "metrics.0.as"
    assert found.problem.startswith("found ")
    assert found.line == 6


def test_editors_know_the_key() -> None:
    for mapping in recipe_schema()["$defs"]["MetricPart"]["anyOf"][1:-1]:
        assert mapping["properties"]["as"]["description"].startswith("name of its scores")
