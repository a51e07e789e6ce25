"""The colours of a recipe's classes in what a model writes, and in reports."""

import json
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from segkit.analysis.report.overlay import class_swatches
from segkit.core.types import Task
from segkit.inference.model_info import ModelInfo, parse_model_info
from segkit.inference.outputs import mask_classes, save_mask
from segkit.inference.overlays import class_colours
from segkit.inference.torch_network import model_info
from tests.small_runs import recipe

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
    assert class_colours(Task("binary", ("car",), colors=(("car", "#0000ff"),)))[1].tolist() == [0, 0, 255]
    assert class_colours(Task("binary", ("car",)))[1].tolist() == [255, 176, 0]


def test_classes_have_their_file_value_colour_and_labels():
    labels = {"background": (0,), "road": (7, "#804080"), "car": (3,), "ignore": (255,)}
    facts = parse_model_info(json.loads(json.dumps(info(labels=labels).as_json())))
    assert mask_classes(facts) == [
        {"name": "road", "file": "{name}.png", "value": 0, "color": "#804080", "labels": [7, "#804080"]},
        {"name": "tree", "file": "{name}.png", "value": 1, "color": "#e69f00", "labels": None},
        {"name": "car", "file": "{name}.png", "value": 2, "color": "#0000ff", "labels": [3]},
    ]
    (lesion,) = mask_classes(info(kind="binary", classes=("lesion",)))
    expected = {"name": "lesion", "file": "{name}.png", "value": 255, "color": "#ffb000", "labels": None}
    assert lesion == expected
    dark, car = mask_classes(info(kind="multilabel", classes=("dark hair", "car")))
    assert (dark["file"], dark["value"], dark["color"]) == ("{name}_dark_hair.png", 255, "#e69f00")
    assert (car["file"], car["color"]) == ("{name}_car.png", "#0000ff")


def test_a_model_has_the_labels_of_its_recipe(tmp_path):
    labels = "data.labels={skin: 0, lesion: [7, '#102030'], ignore: 9}"
    source = "data.source={name: folder, images: a, masks: b}"
    loaded = recipe(tmp_path, source, "data.task=multiclass", labels, "loss=cross_entropy")
    model = SimpleNamespace(mean=torch.full((3,), 127.5), std=torch.full((3,), 64.0))
    found = model_info(loaded, SimpleNamespace(size_multiple=32), model)
    assert [row["labels"] for row in mask_classes(found)] == [[0], [7, "#102030"]]


def test_report_and_comparison_show_the_colours_of_the_recipe():
    recipe = {
        "data": {"task": "multiclass", "classes": ["road", "tree", "car"], "colors": {"road": "#804080"}}
    }
    assert [swatch.color for swatch in class_swatches(recipe)][::2] == ["#804080", "#56b4e9"]
    recipe["data"] |= {"colors": None, "labels": {"road": 7, "tree": [1, "#102030"], "car": 3}}
    assert [swatch.color for swatch in class_swatches(recipe)][1] == "#102030"
