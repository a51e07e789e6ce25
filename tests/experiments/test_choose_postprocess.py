"""The choice of the post-processing: what helps is found, what does not is left, gains are not overstated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from segkit.experiments.choose_postprocess import PredictedImage, Trials, choose
from segkit.recipe.postprocess_settings import PostprocessSettings
from tests.small_runs import recipe

SIDE = 32
SMALL = "data.size=[32, 32]"


def drawn(rng: np.random.Generator, kind: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (1, H, W) of a disc whose outline is blurred and misplaced, and the disc."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    (row, column), radius = rng.uniform(10, 22, 2), rng.uniform(5, 9)
    distance = np.hypot(rows - row, columns - column) - radius
    logits = -distance - 4 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2) - rng.normal() * 0.6
    if kind == "shifted":
        logits -= 1.2
    if kind == "islands":
        for top, left in rng.integers(0, SIDE - 3, (3, 2)):
            if distance[top, left] > 5:
                logits[top : top + 3, left : left + 3] = 3
    if kind == "holes":
        logits[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2] = -3
    return (1 / (1 + np.exp(-logits)))[None].astype(np.float32), (distance < 0).astype(np.uint8)


def images(kind: str, count: int = 24, seed: int = 0):
    rng = np.random.default_rng(seed)
    return (PredictedImage(*drawn(rng, kind)) for _ in range(count))


@pytest.mark.parametrize(
    ("kind", "helps"),
    [
        ("shifted", lambda found: found.threshold < 0.4),
        ("islands", lambda found: found.keep_largest or found.min_size),
        ("holes", lambda found: found.fill_holes == "all" or found.fill_holes >= 9),
        ("", None),
    ],
)
def test_what_was_planted_is_undone_by_as_much_as_is_told(tmp_path, kind, helps):
    given = recipe(tmp_path, SMALL)
    record = choose(given, images(kind), "val")
    (choice,) = record.choices
    assert (record.metric, record.split, record.images, record.groups) == ("iou", "val", 24, None)
    if helps is None:
        assert record.settings is None
        assert not choice.low > 0
        return
    assert record.settings == choice.settings
    assert helps(choice.settings)
    assert choice.gain > choice.low > 0.01
    # As much as on images that the choice has not seen.
    trials, fresh = Trials(given), []
    for image in images(kind, 24, seed=1):
        (rows,) = trials.rows(image)
        index = trials._problems[0].candidates.index(choice.settings)
        fresh.append(float(rows[index] - rows[0]))
    assert choice.low < np.mean(fresh) < choice.high


def spread(trials: Trials, rng: np.random.Generator, count: int, effect: float = 0.0) -> torch.Tensor:
    """Rows (candidates, images, 1) in which candidates change few images, for better or worse alike."""
    candidates = len(trials._problems[0].candidates)
    raw = rng.uniform(0.5, 0.95, count)
    common, own = rng.normal(0, 0.03, count), rng.normal(0, 0.02, (candidates, count))
    changed = rng.random((candidates, count)) < rng.uniform(0.05, 1, candidates)[:, None]
    rows = raw + changed * (common + own + effect)
    rows[0] = raw
    return torch.from_numpy(rows)[..., None]


@pytest.mark.parametrize("count", [12, 40])
def test_nothing_is_chosen_where_nothing_helps(tmp_path, count):
    trials, chosen = Trials(recipe(tmp_path, SMALL)), 0
    for seed in range(100):
        rng = np.random.default_rng([seed, count])
        rows = spread(trials, rng, count)
        record = trials.decide([[row] for row in rows.unbind(1)], [None] * count, "val")
        chosen += record.settings is not None
    assert chosen <= 5


def test_images_of_a_group_count_once(tmp_path):
    """Ten copies of ten images are ten images: alone they would be sure of anything."""
    trials, chosen = Trials(recipe(tmp_path, SMALL)), {"known": 0, "unknown": 0}
    for seed in range(25):
        rng = np.random.default_rng(seed)
        rows = spread(trials, rng, 12).repeat_interleave(10, 1)
        groups = {"known": [str(index // 10) for index in range(120)], "unknown": [None] * 120}
        for name, of_images in groups.items():
            record = trials.decide([[row] for row in rows.unbind(1)], of_images, "val")
            chosen[name] += record.settings is not None
    assert chosen["known"] <= 1
    assert chosen["unknown"] > 6
    assert record.groups is None


def test_few_images_and_lost_scores_choose_nothing(tmp_path):
    trials = Trials(recipe(tmp_path, SMALL))
    rows = spread(trials, np.random.default_rng(0), 9, effect=0.1)
    record = trials.decide([[row] for row in rows.unbind(1)], [None] * 9, "val")
    assert record.settings is None
    assert record.choices[0].low is None
    assert record.choices[0].gain > 0.05
    # A candidate that is better because its bad images have no score is not better.
    rows = torch.full((195, 40, 1), 0.5, dtype=torch.float64)
    rows[:, :20] = 0.1
    rows[7, :20] = torch.nan
    record = trials.decide([[row] for row in rows.unbind(1)], [None] * 40, "val")
    assert record.settings is None
    assert record.choices[0].gain == 0


def test_each_class_of_a_multilabel_task_has_its_own(tmp_path):
    given = recipe(tmp_path, SMALL, "data.task=multilabel", "data.classes=[lesion, hair]")
    rng = np.random.default_rng(0)
    drawings = [[drawn(rng, kind) for kind in ("shifted", "holes")] for _ in range(20)]
    predicted = [
        PredictedImage(np.concatenate([a[0], b[0]]), np.stack([a[1], b[1]], -1)) for a, b in drawings
    ]
    record = choose(given, predicted, "out of fold")
    first, second = record.choices
    assert record.level == pytest.approx(0.975)
    assert ([*first.classes], [*second.classes]) == (["lesion"], ["hair"])
    assert record.settings.threshold["lesion"] == first.settings.threshold < 0.4
    assert record.settings.fill_holes["hair"] == second.settings.fill_holes


def test_all_classes_are_scored_together_where_they_exclude_each_other(tmp_path):
    given = recipe(
        tmp_path, SMALL, "data.task=multiclass", "data.classes=[skin, lesion, hair]", "loss=cross_entropy",
        "metrics=[hd95]",
    )  # fmt: skip
    predicted = []
    for probabilities, mask, _ in images("islands"):
        hair = np.zeros_like(probabilities)
        hair[:, :, 2] = 0.99
        maps = np.concatenate([1 - probabilities, probabilities, hair])
        mask[:, 2] = 2
        predicted.append(PredictedImage(maps / maps.sum(0), mask))
    record = choose(given, predicted, "val")
    (choice,) = record.choices
    assert record.candidates == 15
    assert choice.settings.keep_largest or choice.settings.min_size
    assert choice.gain > choice.low > 0  # of a metric whose lower values are better
    assert isinstance(record.settings, PostprocessSettings)


def test_areas_of_large_images_are_scaled(tmp_path):
    """With crop, masks have the image's own size: here four times as many pixels as the model sees."""
    given = recipe(tmp_path, SMALL, "data.fit=crop", "data.scale=0.5")
    same = recipe(tmp_path, SMALL)
    image = next(iter(images("islands")))
    double = PredictedImage(*(np.kron(array, np.ones((2, 2), array.dtype)) for array in image[:2]))
    for one, other in zip(Trials(same).rows(image), Trials(given).rows(double), strict=True):
        assert torch.equal(one, other)
