"""`data.labels`: which values of the masks are which class."""

from pathlib import Path

import pytest

from segkit.core.errors import PartError
from segkit.core.types import Task
from segkit.recipe import dump_recipe
from segkit.recipe.dataset import open_cache, scan_recipe_source
from segkit.recipe.load import load_dumped
from tests.recipe.cases import loaded, problems, written

DATA = """
  source: {name: folder, images: a, masks: b}
  size: [32, 32]
"""
STREET = f"""{DATA}
  task: multiclass
  labels:
    road: 7
    building: [11, 12]
    car: '#FF0000'
    ignore: [0, 1, 4]
"""


def test_labels_name_the_classes_in_their_order_and_what_is_ignored(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, data=STREET)
    labels = (("road", (7,)), ("building", (11, 12)), ("car", ("#FF0000",)), ("ignore", (0, 1, 4)))
    assert recipe.data.goal == Task("multiclass", ("road", "building", "car"), 255, labels)
    again = load_dumped(dump_recipe(recipe))
    assert again == recipe
    other = loaded(tmp_path, ["data.labels.road=8"], data=STREET)
    assert open_cache(other).folder != open_cache(again).folder == open_cache(recipe).folder


def test_classes_may_be_in_another_order_and_the_ignored_number_another(tmp_path: Path) -> None:
    data = loaded(tmp_path, ["data.classes=[car, road, building]", "data.ignore_index=9"], data=STREET).data
    assert (data.classes, data.ignore_index) == (("car", "road", "building"), 9)


def test_the_first_class_of_polygons_needs_no_name(tmp_path: Path) -> None:
    """It is what no polygon covers; masks hold a value for it."""
    start = "source: {name: labelme, folder: a}\n  size: [32, 32]\n  task: multiclass"
    start = f"\n  {start}\n  classes: [ground, vehicle]\n  labels:"
    names = f"{start} {{vehicle: [car, truck], ignore: dont_care}}"
    assert loaded(tmp_path, data=names).data.classes == ("ground", "vehicle")
    for given in ("{vehicle: [car, 7]}", "{ground: car}"):
        (found,) = problems(written(tmp_path, data=f"{start} {given}"))
        assert "every class needs one" in str(found)


def test_binary_labels_name_the_foreground_and_may_name_the_background(tmp_path: Path) -> None:
    labels = "labels: {disc: [1, 2], background: [0, 5], ignore: 9}"
    assert loaded(tmp_path, data=f"{DATA}  {labels}").data.classes == ("disc",)


@pytest.mark.parametrize(
    ("key", "value", "line", "problem"),
    [
        ("road", "11", 9, "11 is named twice, for road and building"),
        ("building", "[12, 12]", 9, "12 is named twice, for building and building"),
        ("car", "[7, 13]", 10, "7 is named twice, for road and car"),
        ("car", "'#070707'", 10, "7 is named twice, for road and car"),
        ("car", "'#ff00'", 10, "'#ff00' is not a colour: write it as '#rrggbb'"),
        ("car", "#ff0000", 10, "found null, allowed: a mapping from names to a whole number, or text, "),
        ("car", "[]", 10, "found [], allowed: a mapping from names to a whole number, or text, "),
        ("car", "true", 7, 'found {"road": 7, "building": [11, 12], "car": true, '),
        ("cart", "1000", 12, "no class is called 'cart': name road, building, car, ignore"),
    ],
)
def test_values_that_cannot_be_read_are_told_with_their_line(
    tmp_path: Path, key: str, value: str, line: int, problem: str
) -> None:
    former = {"road": "7", "building": "[11, 12]", "car": "'#FF0000'"}
    data = f"{STREET}  classes: [road, building, car]\n"
    if key in former:
        data = data.replace(f"{key}: {former[key]}", f"{key}: {value}")
    else:
        data = data.replace("    ignore:", f"    ignore: [0, 1, 4]\n    {key}: {value}\n#")
    found = problems(written(tmp_path, data=data))
    assert (found[0].line, found[0].problem[: len(problem)]) == (line, problem), found
    if value == "#ff0000":
        assert found[0].hint.startswith(
            "write a value after the colon (text that begins with '#' needs quotes)"
        )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("classes: [a, b]\n  task: multiclass\n  labels: {a: 7}", "no value for b: every class needs one"),
        (
            "labels: {disc: 0}",
            "0 is disc here: name the values of the background too, as 'background'",
        ),
        ("labels: {disc: 1, ignore: 0}", "0 is ignore here: name the values of the background too"),
        ("labels: {a: 1, b: 2}", "a binary task needs one class, the foreground; found 2"),
        (
            "classes: [a, ignore]\n  task: multiclass\n  labels: {a: 1, ignore: 2}",
            "'ignore' names the values to leave out, and cannot be a class: rename the class",
        ),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(tmp_path: Path, lines: str, problem: str) -> None:
    found = problems(written(tmp_path, data=f"{DATA}  {lines}"))
    assert found[0].problem.startswith(problem), found


@pytest.mark.parametrize(
    ("lines", "problem", "hint"),
    [
        ("classes: [forest]\n  labels: {7: forest}", "no class is called '7'", "{forest: 7}"),
        ("classes: [forest]\n  labels: {'#00ff00': [forest]}", "no class", "{forest: '#00ff00'}"),
        ("labels: {7: forest}", "data.labels: 7 is 'forest', but a mask file holds numbers", "{forest: 7}"),
        ("labels: {trees: forest}", "data.labels: trees is 'forest'", "write a number, or a colour"),
    ],
)
def test_a_value_in_place_of_the_class_is_turned_round(
    tmp_path: Path, lines: str, problem: str, hint: str
) -> None:
    if "classes" in lines:
        found = problems(written(tmp_path, data=f"{DATA}  {lines}"))
    else:  # the keys are the classes
        with pytest.raises(PartError) as error:
            scan_recipe_source(loaded(tmp_path, data=f"{DATA}  {lines}"))
        found = [*error.value.problems]
    (only,) = found
    assert only.problem.startswith(problem)
    assert hint in only.hint


@pytest.mark.parametrize(
    ("colors", "line", "problem"),
    [
        ("road: '#804080'\n    car: '#FF0000'", 0, ""),
        (
            "road: '#804080'\n    sky: '#ff0000'",
            14,
            "no class is called 'sky': name any of road, building, car",
        ),
        ("road: '#80408F'\n    car: '#80408f'", 14, "#80408f is the colour of road too"),
        ("road: red", 13, 'found "red", allowed: a mapping from names to text like ^#[0-9a-fA-F]'),
        ("road: '#804080'\n    background: '#000000'", 14, "no class is called 'background'"),
    ],
)
def test_colours_of_classes_are_told_with_their_line(
    tmp_path: Path, colors: str, line: int, problem: str
) -> None:
    data = f"{STREET}  colors:\n    {colors}\n"
    if line:
        found = problems(written(tmp_path, data=data))
        assert (found[0].line, found[0].problem[: len(problem)]) == (line, problem), found
    else:
        goal = loaded(tmp_path, data=data).data.goal
        assert dict(goal.colors) == {"road": "#804080", "car": "#FF0000"}
