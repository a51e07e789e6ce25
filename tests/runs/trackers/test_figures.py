import math

from segkit.runs.schema import EpochScores, SplitScores, Summary
from segkit.runs.trackers.flat_metrics import epoch_metrics, final_metrics, flat_recipe


def test_a_recipe_is_flat_and_complete():
    recipe = {
        "name": "small",
        "data": {"size": [64, 64], "augment": [{"name": "Rotate", "limit": [-5, 5]}, {"name": "Flip"}]},
        "loss": [],
        "model": {"encoder": {"frozen": True, "weights": None}},
        "optimizer": {"lr": 0.01, "groups": {}},
    }
    assert flat_recipe(recipe) == {
        "name": "small",
        "data.size": "[64, 64]",
        "data.augment.0.name": "Rotate",
        "data.augment.0.limit": "[-5, 5]",
        "data.augment.1.name": "Flip",
        "loss": "[]",
        "model.encoder.frozen": True,
        "model.encoder.weights": "null",
        "optimizer.lr": 0.01,
    }


def test_undefined_scores_are_left_out():
    line = {"epoch": 3, "best": True, "train_loss": 0.5, "iou": None, "dice": math.nan, "seconds": 2}
    assert epoch_metrics(line) == {"train_loss": 0.5, "seconds": 2.0}


def test_a_run_is_judged_by_its_best_epoch_and_the_reported_scores():
    summary = Summary(
        recipe="small",
        metrics=["iou", "dice"],
        scored_on="val",
        reported_on="test",
        best=EpochScores(epoch=2, metrics={"iou": 0.5, "dice": None}, val_loss=1.0),
        scores=SplitScores(split="test", metrics={"iou": 0.25}, loss=1.0),
        epochs=3,
    )
    found = {"best/epoch": 2.0, "best/iou": 0.5, "scores/iou": 0.25}
    assert final_metrics(summary) == found

    per_class = {
        "iou": {"road": 0.5, "car": 0.0},
        "precision": {"road": 1, "car": None},
        "images": {"car": 2},
    }
    scores = summary.scores.model_copy(update={"per_class": per_class})
    assert final_metrics(summary.model_copy(update={"scores": scores})) == found  # binary tasks
    several = summary.model_copy(update={"scores": scores, "classes": ["road", "car"]})
    of_classes = {"classes/road/iou": 0.5, "classes/car/iou": 0.0, "classes/road/precision": 1.0}
    assert final_metrics(several) == found | of_classes
