"""The colours of a recipe's classes in what a model writes, and in reports."""

import numpy as np
from PIL import Image

from segkit.analysis.report.overlay import class_swatches
from segkit.core.types import Task
from segkit.inference.model_info import ModelInfo, parse_model_info
from segkit.inference.outputs import save_mask
from segkit.inference.overlays import _colours

COLORS = {"road": "#804080", "car": "#0000FF"}


def info(**changes) -> ModelInfo:
    given = {"kind": "multiclass", "classes": ("road", "tree", "car"), "colors": COLORS, **changes}
    return ModelInfo(format=1, name="a", channels=3, size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3, **given)


def test_masks_have_the_colours_that_came_with_the_model(tmp_path):
    task = parse_model_info(info().as_json()).task
    save_mask(np.array([[0, 1, 2]], np.uint8), task, {"": tmp_path / "m.png"})
    with Image.open(tmp_path / "m.png") as mask:
        colors = np.asarray(mask.convert("RGB"))[0].tolist()
    assert (colors[0], colors[2]) == ([128, 64, 128], [0, 0, 255])
    assert np.asarray(Image.open(tmp_path / "m.png")).tolist() == [[0, 1, 2]]


def test_overlay_of_a_binary_mask_has_the_colour_of_its_class():
    assert _colours(Task("binary", ("car",), colors=(("car", "#0000ff"),)))[1].tolist() == [0, 0, 255]
    assert _colours(Task("binary", ("car",)))[1].tolist() == [255, 176, 0]


def test_report_and_comparison_show_the_colours_of_the_recipe():
    recipe = {
        "data": {"task": "multiclass", "classes": ["road", "tree", "car"], "colors": {"road": "#804080"}}
    }
    assert [swatch.color for swatch in class_swatches(recipe)][::2] == ["#804080", "#56b4e9"]
    recipe["data"] |= {"colors": None, "labels": {"road": 7, "tree": [1, "#102030"], "car": 3}}
    assert [swatch.color for swatch in class_swatches(recipe)][1] == "#102030"
