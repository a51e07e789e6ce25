"""Colours of classes: those of the recipe, and default ones that can be told apart."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from segkit.core.types import Task
from segkit.data.labels import class_colors
from segkit.data.palette import BACKGROUND, FOREGROUND, IGNORED, class_palette, mask_palette, palette

# Colours as dichromats see them, in linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
DICHROMATS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def smallest_distance(colors: np.ndarray) -> float:
    """CIEDE2000 of the two colours, (N, 3) in 0..1, that are most alike."""
    lab = rgb2lab(colors[:, None])[:, 0]
    first, second = np.triu_indices(len(lab), 1)
    return float(deltaE_ciede2000(lab[first], lab[second]).min())


def test_32_classes_and_ignored_pixels_can_be_told_apart():
    table = palette(32) / 255
    assert smallest_distance(np.vstack([table[:32], table[IGNORED]])) > 17  # about 2 can just be seen


def test_each_later_colour_is_the_farthest_from_those_before_it():
    steps = np.arange(0, 256, 15)
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = rgb2lab(candidates[:, None] / 255)[:, 0]
    candidates, lab = (
        candidates[(lab[:, 0] >= 25) & (lab[:, 0] <= 96)],
        lab[(lab[:, 0] >= 25) & (lab[:, 0] <= 96)],
    )
    table = palette(32)
    chosen = rgb2lab(np.vstack([table[:32], table[IGNORED]])[:, None] / 255)[:, 0]
    known = [*range(8), 32]
    distance = np.min([deltaE_ciede2000(lab, chosen[[index]]) for index in known], axis=0)
    for index in range(8, 32):
        assert candidates[distance.argmax()].tolist() == table[index].tolist()
        distance = np.minimum(distance, deltaE_ciede2000(lab, chosen[[index]]))


@pytest.mark.parametrize("matrix", DICHROMATS.values(), ids=DICHROMATS)
def test_first_8_classes_can_be_told_apart_by_colour_blind_readers(matrix):
    colors = palette(8)[:8] / 255
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.array(matrix).T).clip(0, 1)
    seen = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    assert smallest_distance(seen) > 10


def test_first_colours_stay_those_of_okabe_and_ito():
    assert palette(2)[:2].tolist() == [[*BACKGROUND], [*FOREGROUND]]
    assert palette(4)[:4].tolist() == [[*BACKGROUND], [230, 159, 0], [86, 180, 233], [0, 158, 115]]


def test_recipe_names_some_colours_and_no_other_class_gets_the_same():
    default = palette(4).tolist()
    table = class_palette(["ground", "road", "car", "tree"], {"car": "#E69F00", "sky": "#010203"}).tolist()
    assert (table[0], table[2], table[3]) == (default[0], default[1], default[3])
    assert table[1] == default[4]  # "road" would have the colour of "car"
    assert table[4:] == default[4:]


def test_background_of_binary_and_multilabel_masks_has_a_colour_too():
    for task in (Task("binary", ("disc",)), Task("multilabel", ("disc", "rim"))):
        colors = (("background", "#000001"), ("disc", "#804080"))
        table = mask_palette(Task(task.kind, task.classes, colors=colors)).tolist()
        assert table[:2] == [[0, 0, 1], [128, 64, 128]]
        assert table[2:] == mask_palette(task).tolist()[2:]


def test_colours_of_labels_are_those_of_the_classes():
    labels = {"road": [7, "#010203", "#040506"], "car": "#070809", "ignore": "#ffffff", "sky": 3}
    assert class_colors(labels, {"car": "#111111"}) == {"road": "#010203", "car": "#111111"}
    assert class_colors(labels, {"sky": "#010203"}) == {"sky": "#010203", "car": "#070809"}
